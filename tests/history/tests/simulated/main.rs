//! Two engines over one etcd, all of them in this process and in virtual time: clients and faults from a seed, and the judge
//! that judges real servers. What is planted into the store, or into what clients are told, is found.
//!
//! `LOCKSERVER_SIM_SEEDS=5000` runs that many seeds instead of the default, `LOCKSERVER_SIM_SEED=n` only that one.

mod answers;
mod client;
mod etcd;
mod network;
mod world;

use etcd::Plant;
use history::judge::{Promise, judge};
use std::collections::BTreeMap;
use world::{Run, run};

/// Runs of `cargo test`; some seconds.
const SEEDS: u64 = 100;
/// Seeds within which each mistake is found.
const SOON: u64 = 40;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")))
}

/// What a run breaks.
fn broken(run: &Run) -> Vec<String> {
    judge(&run.history).into_iter().map(|finding| format!("{:?}: {}", finding.promise, finding.what)).collect()
}

#[test]
fn two_servers_keep_their_promises() {
    let seeds = match setting("LOCKSERVER_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("LOCKSERVER_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut counts, mut calls): (BTreeMap<&str, u64>, usize) = (BTreeMap::new(), 0);
    for seed in seeds.clone() {
        let run = run(seed, Plant::Nothing);
        let findings = broken(&run);
        assert!(
            findings.is_empty(),
            "seed {seed} fails; run it again with LOCKSERVER_SIM_SEED={seed}\n{}\n{}",
            run.history.lines(),
            findings.join("\n")
        );
        run.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
        calls += run.history.calls.len();
    }
    println!("{} seeds, {calls} calls:", seeds.end - seeds.start);
    counts.iter().for_each(|(what, count)| println!("{count:>9} {what}"));
    if seeds.end - seeds.start >= SEEDS {
        let missing: Vec<&str> = world::WANTED.into_iter().filter(|what| !counts.contains_key(what)).collect();
        assert!(missing.is_empty(), "the simulation does not try any more: {missing:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 7, 23] {
        let (one, other) = (run(seed, Plant::Nothing), run(seed, Plant::Nothing));
        assert!(one.history.lines() == other.history.lines(), "seed {seed} runs differently the second time");
    }
}

#[test]
fn every_mistake_that_is_planted_is_found() {
    for plant in Plant::ALL {
        let found = (0..SOON).find_map(|seed| {
            let run = run(seed, plant);
            let findings = judge(&run.history);
            findings.iter().any(|one| one.promise != Promise::Order).then_some((seed, findings.len()))
        });
        let (seed, findings) = found.unwrap_or_else(|| panic!("{plant:?} is not found in {SOON} seeds"));
        println!("{plant:?}: {findings} findings, the first in seed {seed}");
    }
}
