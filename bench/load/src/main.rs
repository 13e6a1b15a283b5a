//! How fast lockserver is: beside what else hands out locks, and beside what the machine allows, in one run.
//!
//! Everybody is measured in turns, round by round, so that what else the machine does hits all alike; a table has the medians.

mod child;
mod closed;
mod echo;
mod fault;
mod http;
mod lockserver;
mod peer;
mod workload;

use clap::{Parser, Subcommand};
use closed::Round;
use echo::Echo;
use fault::Fault;
use lockserver::{Lockserver, Speech};
use peer::Peer;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use workload::{Kind, Workload};

#[derive(Debug, Parser)]
#[command(about = "Measure lockserver beside its peers and beside the limits of the machine")]
struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
    /// The server's program; several are measured side by side
    #[arg(long, env = "LOCKSERVER_BIN")]
    lockserver: Vec<PathBuf>,
    /// Seconds of each round
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the stores are; on a disk, not in memory
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Clients at a time, instead of what the workloads say
    #[arg(long)]
    clients: Option<usize>,
    /// Only those whose name contains one of these, and the hyper echo
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Workloads; all of them if none is named
    workloads: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Be the bare hyper server (for this program itself)
    Echo,
    /// Be the bare TCP server (for this program itself)
    EchoTcp,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    match arguments.act {
        Some(Act::Echo) => return echo::serve(false).await,
        Some(Act::EchoTcp) => return echo::serve(true).await,
        None => {}
    }
    let known: Vec<&str> = workload::ALL.iter().map(|one| one.name).collect();
    if let Some(unknown) = arguments.workloads.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no workload {unknown}; there are {}", known.join(", ")).into());
    }
    let chosen =
        |one: &&Workload| arguments.workloads.is_empty() || arguments.workloads.iter().any(|name| name == one.name);
    for one in workload::ALL.iter().filter(chosen) {
        measure(&arguments, one).await?;
    }
    Ok(())
}

/// Somebody who is measured, and the rounds so far.
struct Lane {
    name: String,
    peer: Box<dyn Peer>,
    rounds: Vec<Round>,
    _home: TempDir,
}

async fn measure(arguments: &Arguments, workload: &Workload) -> Result<(), Fault> {
    let mut load = workload.load;
    load.clients = arguments.clients.unwrap_or(load.clients);
    let mut lanes = Vec::new();
    for kind in workload.peers {
        let wanted = |name: &String| kind.name().contains(name.as_str());
        if *kind != Kind::Echo && !arguments.only.is_empty() && !arguments.only.iter().any(wanted) {
            continue;
        }
        start(arguments, *kind, &mut lanes)?;
    }
    for number in 1..=arguments.rounds {
        for lane in &mut lanes {
            let round = closed::run(lane.peer.as_ref(), load, Duration::from_secs_f64(arguments.seconds)).await;
            let round = round.map_err(|error| format!("{}, {}: {error}", workload.name, lane.name))?;
            eprintln!("{} {number}/{} {}: {:.0} cycles/s", workload.name, arguments.rounds, lane.name, round.rate);
            lane.rounds.push(round);
        }
    }
    println!("\n{} ({} s a round, {} rounds)", workload.about, arguments.seconds, arguments.rounds);
    println!(
        "{:44} {:>10} {:>8} {:>10} {:>9} {:>9} {:>8}",
        "", "cycles/s", "to echo", "cpu us", "p50 us", "p99 us", "fairness"
    );
    for lane in &lanes {
        // The ratio is made within each round: what else the machine did then hit both.
        let ratios = lane.rounds.iter().zip(&lanes[0].rounds).map(|(one, echo)| one.rate / echo.rate);
        let median_of = |value: fn(&Round) -> f64| median(lane.rounds.iter().map(value));
        println!(
            "{:44} {:>10.0} {:>8.3} {:>10.1} {:>9.1} {:>9.1} {:>8.3}",
            lane.name,
            median_of(|round| round.rate),
            median(ratios),
            median_of(|round| round.cpu_us),
            median_of(|round| round.times.value_at_quantile(0.5) as f64 / 1e3),
            median_of(|round| round.times.value_at_quantile(0.99) as f64 / 1e3),
            median_of(|round| round.fairness),
        );
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn start(arguments: &Arguments, kind: Kind, lanes: &mut Vec<Lane>) -> Result<(), Fault> {
    let home = || TempDir::with_prefix_in("load-", &arguments.directory);
    let (memory, speech) = match kind {
        Kind::Json { memory } => (memory, Speech::Json),
        Kind::XmlRpc { memory } => (memory, Speech::XmlRpc),
        Kind::Echo | Kind::EchoTcp => {
            let home = home()?;
            let peer = Box::new(Echo::start(kind == Kind::EchoTcp, home.path())?);
            lanes.push(Lane { name: kind.name().to_owned(), peer, rounds: Vec::new(), _home: home });
            return Ok(());
        }
    };
    for (number, binary) in arguments.lockserver.iter().enumerate() {
        let home = home()?;
        let peer = Box::new(Lockserver::start(
            &std::path::absolute(binary)?,
            memory,
            speech,
            &std::path::absolute(home.path())?,
        )?);
        let which = if arguments.lockserver.len() > 1 { format!(" [{}]", number + 1) } else { String::new() };
        lanes.push(Lane { name: format!("{}{which}", kind.name()), peer, rounds: Vec::new(), _home: home });
    }
    Ok(())
}
