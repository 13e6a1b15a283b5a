//! The simulation: one seed drives clients, clocks, stalls, crashes and a failing store against the real engine, and a
//! judge that shares no code with the table says whether what clients were told is true.
//!
//! `LOCKSERVER_SIM_SEEDS=5000` runs that many seeds instead of the default, `LOCKSERVER_SIM_SEED=n` only that one.

mod admin;
mod client;
mod dice;
mod durable;
mod flight;
mod judge;
mod store;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use trace::Trace;

/// Runs of `cargo test`; a few seconds.
const SEEDS: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")))
}

fn run(seed: u64) -> Trace {
    let trace = Trace::default();
    let outer = trace.clone();
    let result = catch_unwind(AssertUnwindSafe(|| world::World::new(seed, trace).run()));
    if let Err(panic) = result {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        panic!(
            "seed {seed} fails; run it again with LOCKSERVER_SIM_SEED={seed}\n{}\n{}",
            outer.tail(),
            what.unwrap_or_else(|| "a panic without words".to_owned())
        );
    }
    outer
}

#[test]
fn nobody_is_told_what_is_not_so() {
    if let Some(seed) = setting("LOCKSERVER_SIM_SEED") {
        println!("{}", run(seed).text());
        return;
    }
    let seeds = setting("LOCKSERVER_SIM_SEEDS").unwrap_or(SEEDS);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..seeds {
        for (what, count) in run(seed).counts() {
            *counts.entry(what).or_default() += count;
        }
    }
    println!("{seeds} seeds:");
    for (what, count) in &counts {
        println!("{count:>9} {what}");
    }
    if seeds >= SEEDS {
        let missing: Vec<&str> = world::WANTED.into_iter().filter(|what| !counts.contains_key(what)).collect();
        assert!(missing.is_empty(), "the simulation does not try any more: {missing:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 7, 23, 42] {
        let (one, other) = (run(seed).text(), run(seed).text());
        assert!(one == other, "seed {seed} runs differently the second time");
    }
}
