//! How fast lockserver is: beside what else hands out locks, and beside what the machine allows, in one run.
//!
//! Everybody is measured in turns, round by round, so that what else the machine does hits all alike; a table has the medians.

mod child;
mod depth;
mod disk;
mod echo;
mod etcd;
mod etcdctl;
mod fault;
mod hand_over;
mod http;
mod idle;
mod jobs;
mod lockserver;
mod loops;
mod machine;
mod of_machine;
mod old;
mod peer;
mod postgres;
mod redis;
mod report;
mod rounds;
mod takeover;
mod throttle;
mod workload;
mod xmlrpc;

use clap::{Parser, Subcommand};
use fault::Fault;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What is measured otherwise than by loops of cycles.
const OTHERS: [&str; 5] = ["hand-over", "jobs", "idle", "depth", "takeover"];

#[derive(Debug, Parser)]
#[command(about = "Measure lockserver beside its peers and beside the limits of the machine")]
struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
    /// The server's program; several are measured side by side
    #[arg(long, env = "LOCKSERVER_BIN")]
    lockserver: Vec<PathBuf>,
    /// Seconds of each round
    #[arg(long, env = "BENCH_SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the median counts
    #[arg(long, env = "BENCH_ROUNDS", default_value_t = 5)]
    rounds: usize,
    /// Where the stores are; on a disk, not in memory
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// Clients at a time, instead of what the workloads say
    #[arg(long)]
    clients: Option<usize>,
    /// Cycles that are due each second in the open loop
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// Tickets in the deep queues
    #[arg(long, default_value_t = 990_000)]
    depth: usize,
    /// Only peers whose name contains one of these, and the echo
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Python 2.7, for lockserver 0.36
    #[arg(long, requires = "published")]
    python2: Option<PathBuf>,
    /// The sources of lockserver 0.36
    #[arg(long)]
    published: Option<PathBuf>,
    /// Write the page there
    #[arg(long)]
    write: Option<PathBuf>,
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

impl Arguments {
    fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Whether a peer of that name is measured.
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// The server's programs, each with what to call it.
    fn lockservers(&self) -> impl Iterator<Item = (String, &PathBuf)> {
        let several = self.lockserver.len() > 1;
        let called = move |at: usize| if several { format!(" [{}]", at + 1) } else { String::new() };
        self.lockserver.iter().enumerate().map(move |(at, binary)| (called(at), binary))
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode, Fault> {
    let mut arguments = Arguments::parse();
    match arguments.act {
        Some(Act::Echo) => return echo::serve(false).await.map(|()| ExitCode::SUCCESS),
        Some(Act::EchoTcp) => return echo::serve(true).await.map(|()| ExitCode::SUCCESS),
        None => {}
    }
    let known: Vec<&str> = workload::ALL.iter().map(|one| one.name).chain(OTHERS).collect();
    if let Some(unknown) = arguments.workloads.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("unknown workload {unknown}; choose from {}", known.join(", ")).into());
    }
    if arguments.lockserver.is_empty() {
        return Err("say which program is measured: --lockserver PATH".into());
    }
    for path in arguments.lockserver.iter_mut().chain([&mut arguments.directory]) {
        *path = std::path::absolute(&path)?;
    }
    let disk = machine::file_system(&arguments.directory)?;
    let mut report = Report::default();
    for name in known {
        if !arguments.workloads.is_empty() && !arguments.workloads.iter().any(|one| one == name) {
            continue;
        }
        match name {
            "hand-over" => hand_over::measure(&arguments, &mut report).await?,
            "jobs" => jobs::measure(&arguments, &mut report).await?,
            "idle" => idle::measure(&arguments, &mut report).await?,
            "depth" => depth::measure(&arguments, &mut report).await?,
            "takeover" => takeover::measure(&arguments, &mut report).await?,
            name => {
                for one in workload::ALL.iter().filter(|one| one.name == name) {
                    rounds::measure(&arguments, one, &mut report).await?;
                }
            }
        }
    }
    println!("\n{}", report.aims());
    if let Some(path) = &arguments.write {
        report.write(path, &machine::preface(&arguments, &disk))?;
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
