//! Counters, gauges and histograms: atomics that any thread may change.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is what it is now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often a measured value fell between which bounds.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds, rising; each belongs to its bucket.
    bounds: &'static [f64],
    /// One for each bound, and one for what is above them all. Not cumulative.
    buckets: Box<[AtomicU64]>,
    /// The bits of the sum, a float.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one with these bounds.
    ///
    /// # Panics
    /// If they do not rise.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.is_sorted_by(|a, b| a < b), "bounds rise: {bounds:?}");
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let add = |sum: u64| Some((f64::from_bits(sum) + value).to_bits());
        // The closure always gives a sum, so this cannot fail.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Each bound with the number of values up to it; the last is infinity, with the number of all values.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.buckets).scan(0, |count, (bound, bucket)| {
            *count += bucket.load(Ordering::Relaxed);
            Some((bound, *count))
        })
    }

    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }
}
