//! Committed events: a bounded memory that readers resume from, and the log lines.

use super::event_log;
use super::rendered::Rendered;
use lock_core::limits::{EVENTS_MAX, HISTORY_EVENTS_MAX, HISTORY_LOCKS_MAX};
use lock_core::{Event, EventKind, LockName, Usage};
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

impl EventId {
    /// The id of the event that is so many events after this one in its term.
    pub(crate) const fn plus(self, events: usize) -> Self {
        Self { sequence: self.sequence + events as u64, ..self }
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
    /// The newest event. Changed only while the ring is locked.
    last: watch::Sender<EventId>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Published>,
    recent: Recent,
}

/// The last events of each lock, beside the ring: a busy lock does not push a quiet one's out. Of so many locks as have a
/// past; those that are gone make room first, then the one whose last event is the oldest.
#[derive(Debug, Default)]
struct Recent {
    of: BTreeMap<LockName, (Order, VecDeque<Arc<Event>>)>,
    order: BTreeMap<Order, LockName>,
    count: u64,
}

/// Whether there is such a lock, and a number that only rises.
type Order = (bool, u64);

impl Recent {
    fn add(&mut self, event: &Arc<Event>) {
        self.count += 1;
        let order = (!matches!(event.kind, EventKind::LockDeleted), self.count);
        if !self.of.contains_key(&event.lock) && self.of.len() >= HISTORY_LOCKS_MAX {
            let (_, first) = self.order.pop_first().expect("it is full");
            self.of.remove(&first);
        }
        let (was, events) = self.of.entry(event.lock.clone()).or_insert_with(|| (order, VecDeque::new()));
        self.order.remove(was);
        *was = order;
        self.order.insert(order, event.lock.clone());
        if events.len() >= HISTORY_EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(event.clone());
    }
}

/// An event, and the numbers of its lock once the batch that it was part of was durable; `None` if the lock is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// What happened.
    pub event: Arc<Event>,
    /// How the lock was then.
    pub usage: Option<Arc<Usage>>,
    /// As a stream tells it, made by the first stream that does.
    pub told: Rendered,
}

impl Default for Events {
    fn default() -> Self {
        Self { ring: Mutex::default(), last: watch::channel(EventId { term: 0, sequence: 0 }).0 }
    }
}

impl Events {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new term: readers cannot go on with its events after those before.
    pub(crate) fn begin_term(&self, term: u64) {
        let mut ring = self.ring();
        ring.events.clear();
        self.last.send_replace(EventId { term, sequence: 0 });
    }

    /// Adds events that are durable; `usage` gives the numbers of a lock after them.
    pub(crate) fn publish(&self, events: Vec<Event>, usage: impl Fn(&LockName) -> Option<Arc<Usage>>) {
        if events.is_empty() {
            return;
        }
        let mut published = Vec::with_capacity(events.len());
        for event in events {
            event_log::write(&event);
            let usage = usage(&event.lock);
            published.push(Published { event: Arc::new(event), usage, told: Rendered::default() });
        }
        let mut ring = self.ring();
        let last = self.last().plus(published.len());
        for one in published {
            ring.recent.add(&one.event);
            ring.events.push_back(one);
            if ring.events.len() > EVENTS_MAX {
                ring.events.pop_front();
            }
        }
        self.last.send_replace(last);
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

    /// The last events of a lock, at most [`HISTORY_EVENTS_MAX`], oldest first, and the newest event of all that there was
    /// then.
    #[must_use]
    pub fn recent(&self, lock: &LockName) -> (EventId, Vec<Arc<Event>>) {
        let ring = self.ring();
        let events = ring.recent.of.get(lock).map(|(_, events)| events.iter().cloned().collect());
        (self.last(), events.unwrap_or_default())
    }

    /// At most `max` events after this one, oldest first.
    ///
    /// # Errors
    /// If some of them are forgotten.
    pub fn after(&self, id: EventId, max: usize) -> Result<Vec<(EventId, Published)>, Reset> {
        let ring = self.ring();
        let last = self.last();
        let oldest = last.sequence - ring.events.len() as u64;
        if id.term != last.term || id.sequence < oldest || id.sequence > last.sequence {
            return Err(Reset);
        }
        let skip = usize::try_from(id.sequence - oldest).expect("at most EVENTS_MAX");
        let numbered = ring.events.iter().skip(skip).take(max).zip(id.sequence + 1..);
        Ok(numbered.map(|(one, sequence)| (EventId { sequence, ..last }, one.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::LockName;

    fn of(lock: &str, at: u64, kind: EventKind) -> Event {
        Event { at, lock: LockName::new(lock).unwrap(), template: None, kind, by: None }
    }

    fn event(at: u64) -> Event {
        of("x", at, EventKind::ReportStale)
    }

    #[test]
    fn a_quiet_lock_keeps_its_last_events_beside_busy_ones() {
        let events = Events::default();
        let recent = |lock: &str| events.recent(&LockName::new(lock).unwrap()).1.len();
        events.begin_term(7);
        events.publish(vec![of("quiet", 1, EventKind::ReportStale)], |_| None);
        events.publish((0..EVENTS_MAX as u64 + 5).map(event).collect(), |_| None);
        assert_eq!((recent("quiet"), recent("x")), (1, HISTORY_EVENTS_MAX));
        // Those that are gone make room for one another, before any that is there.
        let one_off =
            |number| [EventKind::LockCreated, EventKind::LockDeleted].map(|what| of(&format!("job-{number}"), 2, what));
        events.publish((0..HISTORY_LOCKS_MAX * 3).flat_map(one_off).collect(), |_| None);
        assert_eq!((recent("quiet"), recent("x"), recent("job-0")), (1, HISTORY_EVENTS_MAX, 0));
        events.begin_term(8);
        assert_eq!(recent("quiet"), 1);
        let live = |number| of(&format!("live-{number}"), 3, EventKind::ReportStale);
        events.publish((0..HISTORY_LOCKS_MAX).map(live).collect(), |_| None);
        assert_eq!((recent("quiet"), recent("live-0"), events.ring().recent.of.len()), (0, 1, HISTORY_LOCKS_MAX));
    }

    #[test]
    fn a_reader_resumes_where_it_was_and_is_reset_where_it_cannot() {
        let events = Events::default();
        events.begin_term(7);
        let begin = events.last();
        events.publish((0..EVENTS_MAX as u64 + 5).map(event).collect(), |_| None);
        assert_eq!(events.after(begin, 10), Err(Reset), "no longer remembered");
        let known = EventId { term: 7, sequence: 5 };
        let read = events.after(known, 3).unwrap();
        assert_eq!(
            read.iter().map(|(id, one)| (id.sequence, one.event.at)).collect::<Vec<_>>(),
            [(6, 5), (7, 6), (8, 7)]
        );
        assert_eq!(events.after(events.last(), 3).unwrap(), []);
        assert_eq!(events.after(EventId { term: 7, sequence: 99_999 }, 3), Err(Reset), "from the future");
        events.begin_term(8);
        assert_eq!(events.after(known, 3), Err(Reset), "of another term");
    }
}
