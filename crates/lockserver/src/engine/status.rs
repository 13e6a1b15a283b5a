//! How the engine is, for other threads.

use super::pulse::Pulse;
use crate::store::Leader;
use lock_core::WallMs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Whether this server has the store, where several share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It has, or it is the only one.
    Leading {
        /// Since when, in wall time; 0 before the first term.
        since: WallMs,
    },
    /// Another one has, this one as far as it is known.
    Standby(Option<Arc<Leader>>),
}

impl Default for Role {
    fn default() -> Self {
        Self::Leading { since: 0 }
    }
}

/// How the engine is, for `/readyz`, the page and the status.
#[derive(Debug, Default)]
pub struct Status {
    trouble: Mutex<Option<Arc<str>>>,
    /// [`lock_core::Table::in_doubt_since`]; 0 for no doubt.
    doubt: AtomicU64,
    pulse: Pulse,
    role: watch::Sender<Role>,
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

    /// Whether this server leads, as of now.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role.borrow().clone()
    }

    /// The same, to wait for a change.
    #[must_use]
    pub fn watch_role(&self) -> watch::Receiver<Role> {
        self.role.subscribe()
    }

    pub(crate) fn set_role(&self, role: Role) {
        self.role.send_if_modified(|now| {
            let is_new = *now != role;
            *now = role;
            is_new
        });
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Arc<str>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
