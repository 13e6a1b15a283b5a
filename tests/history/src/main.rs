//! `history [--minutes N] [--faults N] [--seed N] [--members N] [--pairs N] [--clients N] [--small-disk 1] [--keep 1]
//! [--until-broken 1]`:
//! runs until the time is over or enough has been broken, prints what happened, and fails if the rules were broken.

use history::{Plan, run};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let mut plan = Plan { seed, ..Plan::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        let count = |value: u64| usize::try_from(value).expect("64 bits");
        match (word.as_str(), value) {
            ("--minutes", Some(minutes)) => plan.time = Duration::from_secs(minutes * 60),
            ("--faults", Some(faults)) => (plan.faults, plan.time) = (count(faults), Duration::MAX),
            ("--seed", Some(seed)) => plan.seed = seed,
            ("--members", Some(members @ (1 | 3))) => plan.members = count(members),
            ("--small-disk", Some(whether)) => plan.small_disk = whether > 0,
            ("--pairs", Some(pairs @ 1..=10)) => plan.pairs = count(pairs),
            ("--keep", Some(whether)) => plan.keep = whether > 0,
            ("--until-broken", Some(whether)) => plan.until_broken = whether > 0,
            ("--clients", Some(clients @ 1..1000)) => plan.clients = u32::try_from(clients).expect("small"),
            _ => {
                eprintln!("history: {word} is no option, or its number is missing or wrong");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {}", plan.seed);
    match run(plan) {
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
