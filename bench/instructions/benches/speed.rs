//! What `scripts/instructions` counts, as times to read: `cargo bench -p instructions`. No test judges them.

#[path = "../src/clients.rs"]
mod clients;
#[path = "../src/work.rs"]
mod work;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use work::{Codec, Commit, Step};

fn step(criterion: &mut Criterion) {
    let mut step = Step::new();
    criterion.bench_function("step", |bencher| bencher.iter(|| step.once()));
}

fn codec(criterion: &mut Criterion) {
    let codec = Codec::new();
    criterion.bench_function("codec", |bencher| bencher.iter(|| codec.once()));
}

fn commit(criterion: &mut Criterion) {
    // Both sides of the measurement need it, one after the other.
    let commit = std::cell::RefCell::new(Commit::new());
    criterion.bench_function("commit", |bencher| {
        let batch = || commit.borrow_mut().batch();
        bencher.iter_batched(batch, |batch| commit.borrow_mut().once(&batch), BatchSize::PerIteration);
    });
}

criterion_group!(speed, step, codec, commit);
criterion_main!(speed);
