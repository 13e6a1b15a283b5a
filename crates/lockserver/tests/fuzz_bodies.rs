//! The bodies of the fuzz targets on the stable compiler: every seed in `fuzz/seeds/<target>/`, and many mutations of them.
//!
//! Which inputs are made depends on nothing but the seeds and `LOCKSERVER_FUZZ_SEED` (a number; 1 without it). A failure names
//! the number that makes its input the first one of a run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const ROUNDS: u64 = 50_000;
/// Longer inputs are cut: they would make the test slow and find nothing that shorter ones do not.
const INPUT_BYTES_MAX: usize = 8 * 1024;

#[test]
fn xmlrpc() {
    check("xmlrpc", ROUNDS, lockserver::http::xmlrpc::codec::fuzz);
}

/// Runs `body` on the seeds of `target` and on `rounds` mutations of them.
fn check(target: &str, rounds: u64, body: impl Fn(&[u8])) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        run(&body, seed, &format!("seed {name}"));
    }
    let first = std::env::var("LOCKSERVER_FUZZ_SEED").map_or(1, |text| text.parse::<u64>().expect("a number"));
    for number in (first..).take(usize::try_from(rounds).expect("few")) {
        let input = mutate(&mut StdRng::seed_from_u64(number), &seeds);
        run(&body, &input, &format!("LOCKSERVER_FUZZ_SEED={number}"));
    }
}

fn run(body: &impl Fn(&[u8]), input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| body(input))).is_err() {
        panic!("{origin} of {} bytes broke it: \"{}\"", input.len(), input.escape_ascii());
    }
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            (path.display().to_string(), fs::read(&path).expect("a seed"))
        })
        .collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    // The order of a folder is any order; inputs shall not depend on it.
    seeds.sort();
    seeds
}

/// One seed after some changes: often one, so that much still gets past the first check, at most eight.
fn mutate(rng: &mut StdRng, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let pick = |rng: &mut StdRng| &seeds[rng.random_range(0..seeds.len())].1;
    let mut input = pick(rng).clone();
    for _ in 0..rng.random_range(1..=8).min(rng.random_range(1..=8)).min(rng.random_range(1..=8)) {
        let at = rng.random_range(0..=input.len());
        match rng.random_range(0..9) {
            // Another byte; a flipped bit; a neighbour, which is often of the same kind.
            0 if at < input.len() => input[at] = rng.random(),
            1 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
            2 if at < input.len() => input[at] = input[at].wrapping_add(1),
            // A byte that means something.
            3 => input.insert(at, MEANINGFUL[rng.random_range(0..MEANINGFUL.len())]),
            // Cut off; a piece left out.
            4 => input.truncate(at),
            5 => drop(input.drain(piece(rng, &input))),
            // A piece of this one again; a piece of another one, anywhere or instead of a piece of this one.
            6 => {
                let copy = input[piece(rng, &input)].to_vec();
                input.splice(at..at, copy);
            }
            7 => {
                let other = pick(rng);
                let copy = other[piece(rng, other)].to_vec();
                input.splice(at..at, copy);
            }
            _ => {
                let other = pick(rng);
                let copy = other[piece(rng, other)].to_vec();
                input.splice(piece(rng, &input), copy);
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

const MEANINGFUL: &[u8] = b"<>/&;#![]-?\"'{}:,= \t\r\n\0\x7f\xff0159";

/// Some piece of `input`; half of the time one that begins with `<` and ends before one, where there are any.
fn piece(rng: &mut StdRng, input: &[u8]) -> std::ops::Range<usize> {
    let start = rng.random_range(0..=input.len());
    let end = rng.random_range(start..=input.len().min(start + 200));
    if rng.random() {
        return start..end;
    }
    let tag = |from: usize| input[from..].iter().position(|byte| *byte == b'<').map_or(input.len(), |at| from + at);
    tag(start)..tag(end)
}
