//! What many tickets cost when another server takes over: two of them on one etcd, of which one ends, in order or by a crash.

use crate::Arguments;
use crate::depth;
use crate::etcd::Etcd;
use crate::fault::Fault;
use crate::http::Client;
use crate::lockserver::Lockserver;
use crate::peer::Peer as _;
use crate::report::{Report, short};
use crate::rounds;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Tickets in the queues, and within how many seconds of having the key a server with them serves.
const DEPTHS: [(usize, f64); 2] = [(10_000, 1.0), (500_000, 10.0)];
/// How long the other one may take.
const TAKEOVER_TIME: Duration = Duration::from_secs(120);
/// Seconds of the lease, which a crash costs before anybody can take over: the default.
const LEASE_S: f64 = 5.0;

/// Measures it.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for (which, binary) in arguments.lockservers() {
        for (depth, bound) in DEPTHS {
            let home = rounds::home(arguments)?;
            let etcd = match Etcd::start(1, home.path()) {
                Ok(etcd) => etcd,
                Err(error) => {
                    report.missing(format!("`takeover`: etcd: {}", error.to_string().trim()));
                    return Ok(());
                }
            };
            let first = Lockserver::join(binary, &etcd, &directory(home.path(), 1)?)?;
            let begin = Instant::now();
            depth::fill_queues(first.at(), depth).await?;
            let filled_s = begin.elapsed().as_secs_f64();
            eprintln!("takeover: {} queued in {filled_s:.0} s", depth::grouped(depth));
            let mut second = Lockserver::join(binary, &etcd, &directory(home.path(), 2)?)?;
            // Its end in order gives the key back at once, so this is what the new leader itself takes.
            let begin = Instant::now();
            first.ask_to_end()?;
            leads(&second).await?;
            let in_order_s = begin.elapsed().as_secs_f64();
            drop(first);
            let third = Lockserver::join(binary, &etcd, &directory(home.path(), 3)?)?;
            let begin = Instant::now();
            second.kill();
            leads(&third).await?;
            let killed_s = begin.elapsed().as_secs_f64();
            let name = format!("{} queued{which}", depth::grouped(depth));
            rows.push(vec![
                name.clone(),
                format!("{in_order_s:.2}"),
                format!("{killed_s:.2}"),
                short(third.process().resident() / 1e6),
                short(filled_s),
            ]);
            report.at_most(format!("`takeover`: {name}, in order"), in_order_s, bound, "s");
        }
    }
    let about =
        format!("Until the other of two servers serves. After a crash the lease of {LEASE_S} s has to end first.");
    let head = ["lockserver, etcd", "in order s", "crash s", "then MB", "filled s"];
    report.section("Another server takes over (`takeover`)", &about, &head, &rows);
    Ok(())
}

fn directory(home: &Path, number: u8) -> Result<std::path::PathBuf, Fault> {
    let directory = home.join(format!("server{number}"));
    std::fs::create_dir(&directory)?;
    Ok(directory)
}

/// Waits until it leads and serves.
async fn leads(server: &Lockserver) -> Result<(), Fault> {
    let mut client = Client::open(server.at()).await?;
    let asked = async {
        loop {
            let answer: Value = serde_json::from_slice(&client.ask("GET", "/v1/status", "", "").await?.good()?)?;
            if answer["role"] == "leader" && answer["ready"] == true {
                return Ok::<_, Fault>(());
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TAKEOVER_TIME, asked).await?
}
