//! What a long queue costs: each operation beside a server with a short one, resident memory, and a restart.

use crate::Arguments;
use crate::fault::Fault;
use crate::http::Client;
use crate::lockserver::{DEEP_LOCKS, Lockserver, Speech};
use crate::peer::Peer as _;
use crate::report::{Report, median, short};
use crate::rounds;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Tickets in the short queues.
const FEW: usize = 1000;
/// Tickets of one address: a server has a bound for each.
const OF_ONE_ADDRESS: usize = 9000;
/// Requests on their way while the queues are filled.
const AT_A_TIME: usize = 128;
/// Operations of a round, at most. Those of all rounds together need tickets whose ids are known, and the short queues have few.
const OPERATIONS_MAX: usize = 100;
const TIMES_MAX: f64 = 1.2;
const RESTART_MAX_S: f64 = 8.0;
const RESIDENT_MAX_MB: f64 = 600.0;
/// The lock whose queue moves.
const LOCK: &str = "/v1/locks/deep-0/tickets";
/// A ticket that queues for an hour.
const QUEUED: &str = r#"{"queue": true, "ttl_s": 3600, "info": "one of many in the queue"}"#;

/// A server with a queue, and those who stand at its head.
struct Deep {
    name: String,
    server: Lockserver,
    home: TempDir,
    asker: Client,
    waiter: Client,
    holder: String,
    next: std::collections::VecDeque<String>,
    filled_s: f64,
    resident_mb: f64,
    times: Vec<f64>,
}

/// Measures it.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let mut rows = Vec::new();
    for (which, binary) in arguments.lockservers() {
        let (mut few, mut many) =
            (fill(arguments, binary, FEW).await?, fill(arguments, binary, arguments.depth).await?);
        for number in 1..=arguments.rounds {
            for one in [&mut few, &mut many] {
                let time = operate(one, operations(arguments)).await?;
                eprintln!("depth {number}/{} {}{which}: {:.0} us", arguments.rounds, one.name, time * 1e6);
                one.times.push(time);
            }
        }
        let times = median(many.times.iter().zip(&few.times).map(|(many, few)| many / few));
        for one in [few, many] {
            let deep = !one.name.starts_with("1,000 ");
            let (name, operation, mb, filled_s) =
                (one.name.clone(), median(one.times.iter().copied()), one.resident_mb, one.filled_s);
            let (restart_s, after_mb) = restart(one, binary)?;
            rows.push(vec![
                format!("{name}{which}"),
                short(operation * 1e6),
                short(mb),
                format!("{restart_s:.2}"),
                short(after_mb),
                short(filled_s),
            ]);
            if deep {
                report.at_most(format!("`depth`: {name}{which}, operation / 1,000 queued"), times, TIMES_MAX, "");
                report.at_most(format!("`depth`: {name}{which}, restart"), restart_s, RESTART_MAX_S, "s");
                report.at_most(format!("`depth`: {name}{which}, memory"), mb.max(after_mb), RESIDENT_MAX_MB, "MB");
            }
        }
    }
    let about = "An operation gives a ticket back, tells the next in line, and queues one more. A restart follows a kill, until every \
                 ticket is back in its place.";
    let head = ["lockserver, sqlite", "operation", "MB", "restart s", "then MB", "filled s"];
    report.section("Long queues (`depth`)", about, &head, &rows);
    Ok(())
}

fn operations(arguments: &Arguments) -> usize {
    OPERATIONS_MAX.min(FEW / arguments.rounds)
}

fn id(answer: &[u8]) -> Result<String, Fault> {
    let answer: Value = serde_json::from_slice(answer)?;
    Ok(answer["id"].as_str().ok_or("a ticket without id")?.to_owned())
}

/// A number as people write it.
pub(crate) fn grouped(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1000), number % 1000) }
}

async fn fill(arguments: &Arguments, binary: &Path, depth: usize) -> Result<Deep, Fault> {
    let home = rounds::home(arguments)?;
    let server = Lockserver::start(binary, false, Speech::Json, home.path())?;
    let mut asker = Client::open(server.at()).await?;
    let waiter = Client::open(server.at()).await?;
    let holder = hold_all(&mut asker).await?;
    let mut next = std::collections::VecDeque::new();
    for _ in 0..operations(arguments) * arguments.rounds {
        next.push_back(id(&asker.ask("POST", LOCK, "application/json", QUEUED).await?.good()?)?);
    }
    let begin = Instant::now();
    crowds(server.at(), depth - next.len()).await?;
    let resident_mb = server.process().resident() / 1e6;
    let name = format!("{} queued", grouped(depth));
    let filled_s = begin.elapsed().as_secs_f64();
    eprintln!("depth: {name} in {filled_s:.0} s");
    Ok(Deep { name, server, home, asker, waiter, holder, next, filled_s, resident_mb, times: Vec::new() })
}

/// Holds each of the locks with long queues, without which the first of a crowd would hold it; the first holder's id.
async fn hold_all(client: &mut Client) -> Result<String, Fault> {
    let mut holders = Vec::new();
    for number in 0..DEEP_LOCKS {
        let path = format!("/v1/locks/deep-{number}/tickets");
        holders.push(id(&client.ask("POST", &path, "application/json", r#"{"ttl_s": 3600}"#).await?.good()?)?);
    }
    Ok(holders.swap_remove(0))
}

/// Holds each of these locks, and queues so many tickets for them.
pub(crate) async fn fill_queues(at: SocketAddr, count: usize) -> Result<(), Fault> {
    hold_all(&mut Client::open(at).await?).await?;
    crowds(at, count).await
}

/// Queues so many tickets, from as many addresses as that takes.
async fn crowds(at: SocketAddr, count: usize) -> Result<(), Fault> {
    let mut work = JoinSet::new();
    for address in 0..count.div_ceil(OF_ONE_ADDRESS) {
        let some = OF_ONE_ADDRESS.min(count - address * OF_ONE_ADDRESS);
        // Ten addresses a lock are within the bound of a lock's queue.
        work.spawn(crowd(at, address, address % DEEP_LOCKS, some));
        while work.len() >= AT_A_TIME {
            work.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(done) = work.join_next().await {
        done??;
    }
    Ok(())
}

/// Queues tickets from one address.
async fn crowd(at: SocketAddr, address: usize, lock: usize, count: usize) -> Result<(), Fault> {
    let mut client = Client::open_from(at, Ipv4Addr::new(127, 2, 0, u8::try_from(address + 1)?)).await?;
    let path = format!("/v1/locks/deep-{lock}/tickets");
    for _ in 0..count {
        client.ask("POST", &path, "application/json", QUEUED).await?.good()?;
    }
    Ok(())
}

/// Seconds of an operation, the median of many.
async fn operate(deep: &mut Deep, operations: usize) -> Result<f64, Fault> {
    let mut times = Vec::new();
    for _ in 0..operations {
        let following = deep.next.pop_front().ok_or("nobody is known at the head of the queue")?;
        let begin = Instant::now();
        let (release, wait) = (format!("/v1/tickets/{}", deep.holder), format!("/v1/tickets/{following}?wait_s=60"));
        let told = async {
            let answer = deep.waiter.ask("GET", &wait, "", "").await?.good()?;
            let answer: Value = serde_json::from_slice(&answer)?;
            if answer["state"] == "held" {
                Ok::<_, Fault>(())
            } else {
                Err(format!("the next in line does not hold: {answer}").into())
            }
        };
        let (released, told) = tokio::join!(deep.asker.ask("DELETE", &release, "", ""), told);
        released?.good()?;
        told?;
        deep.asker.ask("POST", LOCK, "application/json", QUEUED).await?.good()?;
        times.push(begin.elapsed().as_secs_f64());
        deep.holder = following;
    }
    Ok(median(times.into_iter()))
}

/// Kills the server and starts it again; gives seconds until it is ready, and resident MB.
fn restart(deep: Deep, binary: &Path) -> Result<(f64, f64), Fault> {
    let Deep { mut server, home, .. } = deep;
    server.kill();
    drop(server);
    let begin = Instant::now();
    let server = Lockserver::start(binary, false, Speech::Json, home.path())?;
    Ok((begin.elapsed().as_secs_f64(), server.process().resident() / 1e6))
}
