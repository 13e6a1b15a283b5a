//! `history [--minutes N] [--faults N] [--seed N] [--members N] [--clients N]`: runs until the time is over or enough has
//! been broken, prints what happened, and fails if the rules were broken.

use history::{Plan, run};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[tokio::main]
async fn main() -> ExitCode {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let mut plan = Plan { seed, members: 3, clients: 16, faults: usize::MAX, time: Duration::from_secs(60) };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        match (word.as_str(), value) {
            ("--minutes", Some(minutes)) => plan.time = Duration::from_secs(minutes * 60),
            ("--faults", Some(faults)) => {
                (plan.faults, plan.time) = (usize::try_from(faults).expect("64 bits"), Duration::MAX);
            }
            ("--seed", Some(seed)) => plan.seed = seed,
            ("--members", Some(members @ (1 | 3))) => plan.members = usize::try_from(members).expect("small"),
            ("--clients", Some(clients @ 1..1000)) => plan.clients = u32::try_from(clients).expect("small"),
            _ => {
                eprintln!("history: {word} is no option, or its number is missing or wrong");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {}", plan.seed);
    match run(plan).await {
        Ok(report) => {
            println!("{report}");
            if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("history: {error}");
            ExitCode::from(3)
        }
    }
}
