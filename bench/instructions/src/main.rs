//! `instructions WHAT COUNT` does one thing that many times, for callgrind to count its instructions (`scripts/instructions`).
//!
//! Nothing here depends on chance or on a clock, so that the next run does the same. What is done before the first time
//! and after the last one is the same for every COUNT.

mod clients;
mod work;

use lock_core::Change;
use std::process::ExitCode;
use work::{Codec, Commit, Step};

/// Batches are made before the first is committed, always that many: making them is not what is counted.
const BATCHES: usize = 2000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, count) = match &arguments[..] {
        [what, count] => (what.as_str(), count.parse().ok().filter(|count| *count <= BATCHES)),
        _ => ("", None),
    };
    match (what, count) {
        ("step", Some(count)) => step(count),
        ("codec", Some(count)) => codec(count),
        ("commit", Some(count)) => commit(count),
        _ => {
            eprintln!("usage: instructions step|codec|commit COUNT, which is at most {BATCHES}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn step(count: usize) {
    let mut step = Step::new();
    for _ in 0..count {
        step.once();
    }
}

fn codec(count: usize) {
    let codec = Codec::new();
    for _ in 0..count {
        codec.once();
    }
}

fn commit(count: usize) {
    let mut commit = Commit::new();
    let batches: Vec<Vec<Change>> = (0..BATCHES).map(|_| commit.batch()).collect();
    for batch in &batches[..count] {
        commit.once(batch);
    }
}
