//! Committed events: a bounded memory that readers resume from, and the log lines.

use lock_core::limits::EVENTS_MAX;
use lock_core::{EndedAs, Event, Load, LockName, Step, What};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Place of an event: its term, so that no two servers and no two lives of one give the same, and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// The term.
    pub term: u64,
    /// Counts from 1 in each term.
    pub sequence: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.term, self.sequence)
    }
}

/// The reader is too far behind, or from another term: it must read everything anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these events are not remembered")]
pub struct Reset;

/// The last events.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    last: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Ring {
    term: u64,
    /// Sequence of the newest event.
    sequence: u64,
    events: VecDeque<Published>,
}

/// An event, and the numbers of its lock once the batch that it was part of was durable; `None` if the lock is gone.
#[derive(Debug, Clone)]
pub struct Published {
    /// What happened.
    pub event: Arc<Event>,
    /// How the lock was then.
    pub load: Option<Arc<Load>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            ring: Mutex::new(Ring { term: 0, sequence: 0, events: VecDeque::new() }),
            last: watch::channel(EventId { term: 0, sequence: 0 }).0,
        }
    }
}

impl Events {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new term: its events have nothing to do with those before.
    pub(crate) fn begin_term(&self, term: u64) {
        let mut ring = self.ring();
        *ring = Ring { term, sequence: 0, events: VecDeque::new() };
        self.last.send_replace(EventId { term, sequence: 0 });
    }

    /// Adds events that are durable; `load` gives the numbers of a lock now.
    pub(crate) fn publish(&self, events: Vec<Event>, load: impl Fn(&LockName) -> Option<Load>) {
        if events.is_empty() {
            return;
        }
        let mut loads: BTreeMap<LockName, Option<Arc<Load>>> = BTreeMap::new();
        let mut published = Vec::with_capacity(events.len());
        for event in events {
            log(&event);
            let load = match loads.get(&event.lock) {
                Some(known) => known.clone(),
                None => {
                    let now = load(&event.lock).map(Arc::new);
                    loads.insert(event.lock.clone(), now.clone());
                    now
                }
            };
            published.push(Published { event: Arc::new(event), load });
        }
        let mut ring = self.ring();
        for one in published {
            ring.sequence += 1;
            ring.events.push_back(one);
            if ring.events.len() > EVENTS_MAX {
                ring.events.pop_front();
            }
        }
        self.last.send_replace(EventId { term: ring.term, sequence: ring.sequence });
    }

    /// The newest event's id.
    #[must_use]
    pub fn last(&self) -> EventId {
        *self.last.borrow()
    }

    /// Tells of new events.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<EventId> {
        self.last.subscribe()
    }

    /// The last events of a lock that are remembered, at most `max`, oldest first.
    #[must_use]
    pub fn recent(&self, lock: &LockName, max: usize) -> Vec<Arc<Event>> {
        let ring = self.ring();
        let mut found: Vec<_> = ring.events.iter().rev().filter(|one| one.event.lock == *lock).take(max).collect();
        found.reverse();
        found.into_iter().map(|one| one.event.clone()).collect()
    }

    /// At most `max` events after this one, oldest first.
    ///
    /// # Errors
    /// If some of them are forgotten.
    pub fn after(&self, id: EventId, max: usize) -> Result<Vec<(EventId, Arc<Event>)>, Reset> {
        Ok(self.published_after(id, max)?.into_iter().map(|(id, one)| (id, one.event)).collect())
    }

    /// The same with the numbers of the events' locks.
    ///
    /// # Errors
    /// If some of them are forgotten.
    pub fn published_after(&self, id: EventId, max: usize) -> Result<Vec<(EventId, Published)>, Reset> {
        let ring = self.ring();
        let oldest = ring.sequence - ring.events.len() as u64;
        if id.term != ring.term || id.sequence < oldest || id.sequence > ring.sequence {
            return Err(Reset);
        }
        let skip = usize::try_from(id.sequence - oldest).expect("at most EVENTS_MAX");
        let numbered = ring.events.iter().skip(skip).take(max).zip(id.sequence + 1..);
        Ok(numbered.map(|(one, sequence)| (EventId { term: ring.term, sequence }, one.clone())).collect())
    }
}

/// Levels are those of 0.36: what its operators watch for at `warning` is still there.
fn log(event: &Event) {
    let lock = event.lock.as_str();
    match &event.what {
        What::LockCreated => tracing::info!("lock created with name {lock}"),
        What::LockChanged => tracing::info!("lock {lock} changed"),
        What::LockDeleted => tracing::info!("lock {lock} deleted"),
        What::PermitsOpened => tracing::info!("closed permits of lock {lock} are open again"),
        What::Ticket { number, info, step, .. } => match step {
            Step::Queued => tracing::debug!("ticket {number} of lock {lock} queried ({info})"),
            Step::Granted { token, .. } => {
                tracing::debug!("ticket {number} of lock {lock} granted, token {token} ({info})")
            }
            Step::Held => tracing::debug!("ticket {number} of lock {lock} got its lock ({info})"),
            Step::Lapsed => tracing::info!("ticket {number} of lock {lock} did not pick up its grant ({info})"),
            Step::Undelivered => {
                tracing::info!("ticket {number} of lock {lock} could not be told of its grant ({info})")
            }
            Step::Ended { how: EndedAs::Released | EndedAs::Cancelled, .. } => {
                tracing::debug!("ticket {number} of lock {lock} ended ({info})");
            }
            Step::Ended { how, reason, .. } => {
                let reason = reason.as_deref().unwrap_or("no reason given");
                tracing::warn!("ticket {number} of lock {lock} ended as {}, {reason} ({info})", how.as_str());
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::LockName;

    fn event(at: u64) -> Event {
        Event { at, lock: LockName::new("x").unwrap(), template: None, what: What::LockChanged }
    }

    #[test]
    fn a_reader_resumes_where_it_was_and_is_reset_where_it_cannot() {
        let events = Events::default();
        events.begin_term(7);
        let begin = events.last();
        events.publish((0..EVENTS_MAX as u64 + 5).map(event).collect(), |_| None);
        assert_eq!(events.after(begin, 10), Err(Reset), "forgotten");
        let known = EventId { term: 7, sequence: 5 };
        let read = events.after(known, 3).unwrap();
        assert_eq!(
            read.iter().map(|(id, event)| (id.sequence, event.at)).collect::<Vec<_>>(),
            [(6, 5), (7, 6), (8, 7)]
        );
        assert_eq!(events.after(events.last(), 3).unwrap(), []);
        assert_eq!(events.after(EventId { term: 7, sequence: 99_999 }, 3), Err(Reset), "from the future");
        events.begin_term(8);
        assert_eq!(events.after(known, 3), Err(Reset), "of another term");
    }
}
