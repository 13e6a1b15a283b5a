//! The bodies of the fuzz targets on the stable compiler: every seed in `fuzz/seeds/<target>/`, and many mutations of them.
//!
//! Which inputs are made depends on nothing but the seeds and `LOCKSERVER_FUZZ_SEED` (a number; 1 without it). A failure names
//! the number that makes its input the first one of a run.

#[path = "../../../fuzz/bodies/xmlrpc.rs"]
mod xmlrpc;

use lockserver::http::xmlrpc::codec::{MethodCall, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use xmlrpc::{check_call, fuzz_xmlrpc, is_xml_char};

const ROUNDS: u64 = 50_000;
/// Longer inputs are cut: they would make the test slow and find nothing that shorter ones do not.
const INPUT_BYTES_MAX: usize = 8 * 1024;

#[test]
fn any_body_of_xmlrpc() {
    check("xmlrpc", ROUNDS, fuzz_xmlrpc);
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

/// Text that XML can carry, with much of what it has to escape.
fn text() -> impl Strategy<Value = String> {
    let c = prop_oneof![
        any::<char>().prop_filter("a character of XML", |c| is_xml_char(*c)),
        prop::sample::select(vec!['&', '<', '>', '"', '\'', ']', '\r', '\n', '\t', ' ', ';', '#', 'x']),
    ];
    vec(c, 0..20).prop_map(String::from_iter)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        any::<i8>().prop_map(|number| Value::Int(number.into())),
        any::<bool>().prop_map(Value::Boolean),
        text().prop_map(Value::String),
        any::<f64>().prop_map(Value::Double),
        "[0-9TZ:+-]{0,24}".prop_map(Value::DateTime),
        vec(any::<u8>(), 0..130).prop_map(Value::Base64),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            vec((text(), inner), 0..5).prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Mutated documents are seldom calls; these all are.
    #[test]
    fn every_call_survives_being_written_and_read(
        method in "[!-~]{1,200}",
        params in vec(value(), 0..5),
    ) {
        check_call(&MethodCall { method, params });
    }
}
