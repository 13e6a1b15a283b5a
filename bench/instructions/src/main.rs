//! `instructions WHAT COUNT` does one thing that many times, for callgrind to count its instructions (`scripts/instructions`).
//!
//! Nothing here depends on chance or on a clock, so that the next run does the same. What is done before the first time
//! and after the last one is the same for every COUNT.

mod clients;

use clients::Clients;
use lock_core::Change;
use lockserver::store::{self, StoreChoice, codec};
use std::hint::black_box;
use std::process::ExitCode;

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

/// A client takes the permit of its own lock and gives it back: two steps of the core.
fn step(count: usize) {
    let mut clients = Clients::new();
    for _ in 0..count {
        black_box(clients.acquire());
        black_box(clients.release());
    }
}

/// The record of a ticket becomes text and a record again, once while it is held and once when it has ended.
fn codec(count: usize) {
    let mut clients = Clients::new();
    let changes = [clients.acquire(), clients.release()].map(|changes| {
        let ticket = changes.into_iter().find(|change| matches!(change, Change::PutTicket(_)));
        ticket.expect("a ticket changes in either step")
    });
    for _ in 0..count {
        for change in &changes {
            let (key, text) = (codec::key(&change.key()), codec::encode(change).expect("it is no deletion"));
            black_box(codec::decode(&key, &text).expect("it was just written"));
        }
    }
}

/// A batch becomes durable as in a server that has been in use for a while: a ticket has ended, another one is held, and one
/// that ended ten minutes ago is forgotten.
fn commit(count: usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut store = store::open(&StoreChoice::Sqlite(directory.path().join("store.db"))).expect("a new store");
    store.load().expect("an empty store");
    let mut clients = Clients::new();
    store.commit(&clients.locks()).expect("the locks");
    store.commit(&clients.acquire()).expect("the first ticket");
    let batches: Vec<Vec<Change>> = (0..BATCHES).map(|_| clients.release_and_acquire()).collect();
    for batch in &batches[..count] {
        store.commit(batch).expect("a batch");
    }
}
