//! Whether the engine's thread still moves, for the watchdog.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Beats each time the engine's thread has come round: at least every quarter of a second, unless a step takes longer.
#[derive(Debug)]
pub struct Pulse {
    begin: Instant,
    /// Milliseconds since `begin`.
    last_ms: AtomicU64,
    in_store: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { begin: Instant::now(), last_ms: AtomicU64::new(0), in_store: AtomicBool::new(false) }
    }
}

impl Pulse {
    pub(crate) fn beat(&self) {
        let now_ms = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Calls the store.
    pub(crate) fn in_store<T>(&self, call: impl FnOnce() -> T) -> T {
        self.in_store.store(true, Ordering::Release);
        let result = call();
        // The time up to here was the disk's.
        self.beat();
        self.in_store.store(false, Ordering::Release);
        result
    }

    /// How long the thread has not moved. Zero while it waits for the store: a disk that hangs does not work any sooner
    /// for a process that is started anew, and `/readyz` and the metrics tell of it.
    #[must_use]
    pub fn stands_still_for(&self) -> Duration {
        // In this order: once it has come back from the store, its beat is seen.
        if self.in_store.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        self.begin.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_the_store_stands_still() {
        let pulse = Pulse { begin: Instant::now() - Duration::from_secs(60), ..Pulse::default() };
        assert!(pulse.stands_still_for() >= Duration::from_secs(60));
        pulse.in_store(|| assert_eq!(pulse.stands_still_for(), Duration::ZERO));
        assert!(pulse.stands_still_for() < Duration::from_secs(30));
    }
}
