//! Streams, the log, metrics, the past of the locks, the audit log, and the status: all that shows what is durable.

use super::events::Events;
use super::status::{Role, Status};
use crate::audit::Audit;
use crate::metrics::Metrics;
use crate::store::StoreError;
use lock_core::{Caller, Event, LockName, Usage};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// All of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observers {
    /// Streams of events, and the log.
    pub(crate) events: Arc<Events>,
    /// Metrics, and the past of the locks.
    pub(crate) metrics: Arc<Metrics>,
    /// The audit log.
    pub(crate) audit: Audit,
    /// How the engine is.
    pub(crate) status: Arc<Status>,
}

impl Observers {
    /// These events are durable. `authors` says who asked for which of them.
    pub(crate) fn publish(
        &self,
        events: Vec<Event>,
        usages: &BTreeMap<LockName, Arc<Usage>>,
        authors: &[(Range<usize>, Caller)],
    ) {
        self.metrics.locks.count(&events);
        self.audit.events(&events, authors);
        self.metrics.history.note(&events);
        self.events.publish(events, |lock| usages.get(lock).cloned());
    }

    /// Calls the store, where the watchdog lets it hang.
    pub(crate) fn in_store<T>(&self, call: impl FnOnce() -> T) -> T {
        self.status.pulse().in_store(call)
    }

    /// A commit is over that began at this time; no rule asks how long it took.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn note_commit(&self, began: Instant, result: Result<(), StoreError>) -> Result<(), StoreError> {
        self.metrics.engine.committed(began.elapsed());
        result.inspect_err(|error| {
            if error.is_failure() {
                self.metrics.engine.commits_failed.increment();
            }
        })
    }

    /// A load is over. That another server leads is no failure of the store.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn note_load<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| {
            if error.is_failure() {
                self.metrics.engine.loads_failed.increment();
            }
        })
    }

    /// This server leads from now on, or stands by.
    pub(crate) fn take_role(&self, role: Role) {
        let is_change = match (self.status.role(), &role) {
            // After a failure of its store it still leads, and since the same time.
            (Role::Leading { since }, Role::Leading { .. }) if since > 0 => return,
            (Role::Standby(_), Role::Leading { .. }) => true,
            // A server that has begun no term so far has nothing to lose.
            (Role::Leading { since }, Role::Standby(_)) => since > 0,
            (Role::Leading { .. }, Role::Leading { .. }) | (Role::Standby(_), Role::Standby(_)) => false,
        };
        if is_change {
            self.metrics.engine.leader_changes.increment();
        }
        self.status.set_role(role);
    }
}
