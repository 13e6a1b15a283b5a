//! What `scripts/instructions` counts, as times to read: `cargo bench -p instructions`. No test judges them.

#[path = "../src/clients.rs"]
mod clients;

use clients::Clients;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lock_core::Change;
use lockserver::store::{self, StoreChoice, codec};
use std::hint::black_box;

/// A client takes the permit of its own lock and gives it back: two steps of the core.
fn step(criterion: &mut Criterion) {
    let mut clients = Clients::new();
    criterion.bench_function("step", |bencher| {
        bencher.iter(|| {
            black_box(clients.acquire());
            black_box(clients.release())
        });
    });
}

/// The record of a held ticket becomes text and a record again.
fn record(criterion: &mut Criterion) {
    let mut clients = Clients::new();
    let ticket = clients.acquire().into_iter().find(|change| matches!(change, Change::PutTicket(_)));
    let ticket = ticket.expect("a ticket is made");
    criterion.bench_function("codec", |bencher| {
        bencher.iter(|| {
            let (key, text) = (codec::key(&ticket.key()), codec::encode(&ticket).expect("it is no deletion"));
            black_box(codec::decode(&key, &text).expect("it was just written"))
        });
    });
}

/// A batch becomes durable: a ticket has ended, and another one is held.
fn commit(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut store = store::open(&StoreChoice::Sqlite(directory.path().join("store.db"))).expect("a new store");
    store.load().expect("an empty store");
    let mut clients = Clients::new();
    store.commit(&clients.locks()).expect("the locks");
    store.commit(&clients.acquire()).expect("the first ticket");
    criterion.bench_function("commit", |bencher| {
        let batch = || clients.release_and_acquire();
        bencher.iter_batched(batch, |batch| store.commit(&batch).expect("a batch"), BatchSize::PerIteration);
    });
}

criterion_group!(speed, step, record, commit);
criterion_main!(speed);
