//! Streams, the log, metrics, the past of the locks, the audit log, and the status: all that shows what is durable.

use super::events::Events;
use super::status::Status;
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
        result.inspect_err(|_| self.metrics.engine.commits_failed.increment())
    }
}
