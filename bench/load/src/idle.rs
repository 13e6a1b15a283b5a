//! What a connection costs that nobody uses.

use crate::Arguments;
use crate::fault::Fault;
use crate::http::Client;
use crate::lockserver::{Lockserver, Speech};
use crate::peer::Peer as _;
use crate::report::{Report, median, short};
use crate::rounds;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: usize = 10_000;
/// Connections of one network: a server has a bound for each.
const OF_ONE_NETWORK: usize = 2000;
const KIB_MAX: f64 = 8.0;

/// Measures it: resident memory with the connections, each of which had one answer, less that without.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for (which, binary) in arguments.lockservers() {
        let mut measured = Vec::new();
        for number in 1..=arguments.rounds {
            measured.push(each(arguments, binary).await?);
            eprintln!("idle {number}/{}{which}: {:.1} KiB", arguments.rounds, measured[number - 1]);
        }
        let kib = median(measured.into_iter());
        rows.push(vec![format!("lockserver{which}"), short(kib)]);
        report.at_most(format!("`idle`: lockserver{which}"), kib, KIB_MAX, "KiB");
    }
    let about = "10,000 connections that had an answer each.";
    report.section("Idle connections (`idle`)", about, &["", "KiB each"], &rows);
    Ok(())
}

/// KiB of each connection, once. What the allocator keeps of the rush in which they are made differs from time to time.
async fn each(arguments: &Arguments, binary: &Path) -> Result<f64, Fault> {
    let home = rounds::home(arguments)?;
    let server = Lockserver::start(binary, true, Speech::Json, home.path())?;
    let mut open = Vec::new();
    // What the first one makes is not the connections' cost.
    open.push(ask(&server, 0).await?);
    let before = server.process().resident();
    for number in 1..=CONNECTIONS {
        open.push(ask(&server, number).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok((server.process().resident() - before) / 1024.0 / CONNECTIONS as f64)
}

async fn ask(server: &Lockserver, number: usize) -> Result<Client, Fault> {
    let network = u8::try_from(number / OF_ONE_NETWORK)?;
    let mut client = Client::open_from(server.at(), Ipv4Addr::new(127, 1, network, 1)).await?;
    client.ask("GET", "/v1/locks/one?tickets=0", "", "").await?.good()?;
    Ok(client)
}
