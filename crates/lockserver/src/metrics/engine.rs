//! Numbers of the engine and its store.

use super::number::{Counter, Histogram};
use std::time::Duration;

/// Bounds of a batch, in commands.
const BATCH: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];
/// Bounds of a commit, in seconds: from memory to a disk that hangs.
const COMMIT: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Debug)]
pub struct Engine {
    /// Commands of a step.
    pub batch: Histogram,
    /// Requests that were turned away.
    pub shed: Counter,
    pub terms: Counter,
    /// Times that another server took the lead from this one, or this one from another.
    pub leader_changes: Counter,
    pub loads_failed: Counter,
    pub commits_failed: Counter,
    pub(super) commits: Histogram,
    busy_us: Counter,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            batch: Histogram::new(&BATCH),
            shed: Counter::default(),
            terms: Counter::default(),
            leader_changes: Counter::default(),
            loads_failed: Counter::default(),
            commits_failed: Counter::default(),
            commits: Histogram::new(&COMMIT),
            busy_us: Counter::default(),
        }
    }
}

impl Engine {
    /// The engine took so many commands; nothing to note if there were none.
    pub fn took(&self, commands: usize) {
        if commands > 0 {
            self.batch.observe(commands as f64);
        }
    }

    /// A commit took so long.
    pub fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    /// A step took so long.
    pub fn was_busy(&self, took: Duration) {
        self.busy_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Seconds spent in steps.
    #[must_use]
    pub fn busy_seconds(&self) -> f64 {
        self.busy_us.get() as f64 / 1e6
    }
}
