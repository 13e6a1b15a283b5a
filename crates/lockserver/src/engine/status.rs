//! How the engine is, for other threads.

use super::pulse::Pulse;
use lock_core::WallMs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How the engine is, for `/readyz`, the page and the status.
#[derive(Debug, Default)]
pub struct Status {
    trouble: Mutex<Option<Arc<str>>>,
    /// [`lock_core::Table::in_doubt_since`]; 0 for no doubt.
    doubt: AtomicU64,
    pulse: Pulse,
}

impl Status {
    /// Why the engine does not serve now; `None` if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when, in wall time, it is known that the store had lost commits: somebody may hold what others can be given.
    /// Until an orderly stop.
    #[must_use]
    pub fn in_doubt_since(&self) -> Option<WallMs> {
        Some(self.doubt.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    pub(crate) fn set_doubt(&self, since: Option<WallMs>) {
        self.doubt.store(since.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether the engine's thread moves.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Arc<str>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
