//! The last hour and the last day of each lock, in memory: what the plots of the page are drawn from.
//!
//! Every second the locks are looked at; an hour is kept in steps of 10 s, a day in steps of 5 minutes (`series`), and how
//! long was waited and held as counts of times (`spread`). At most [`HISTORY_LOCKS_MAX`] locks have a past. Those that
//! are gone make room for others at once, those that have not been used for [`HISTORY_IDLE_MS`] for one that is. Nothing of
//! it survives the process.

mod series;
mod spread;

pub use series::{Sample, Samples};
pub use spread::Percentiles;

use lock_core::limits::{HISTORY_IDLE_MS, HISTORY_LOCKS_MAX};
use lock_core::{EndedAs, Event, EventKind, LockName, Ms, Table, Transition, WallMs};
use series::Series;
use spread::Spread;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Time between two looks at the locks.
const LOOK_MS: Ms = 1000;
/// So many holds tell what is usual: of the last hour, or else of the day. Fewer may be anything.
const ENOUGH_HOLDS: u64 = 5;

/// A stretch of time that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Hour,
    Day,
}

impl Span {
    #[must_use]
    pub const fn ms(self) -> Ms {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 24 * 3_600_000,
        }
    }

    /// Length of one step of its samples.
    #[must_use]
    pub const fn step_ms(self) -> Ms {
        match self {
            Self::Hour => 10_000,
            Self::Day => 300_000,
        }
    }
}

/// The past of a lock over a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// When the lock was first looked at, no longer ago than a day; `None` if it has not been.
    pub since: Option<WallMs>,
    /// How much was in use, and how long the queue was.
    pub samples: Samples,
    /// From the making of a ticket to its grant.
    pub waits: Percentiles,
    /// From the grant to the end.
    pub holds: Percentiles,
}

#[derive(Debug)]
struct LockPast {
    used_at: WallMs,
    /// When it was first looked at.
    since: Option<WallMs>,
    /// There is no such lock now.
    gone: bool,
    hour: Series,
    day: Series,
    waits: Spread,
    holds: Spread,
}

impl LockPast {
    fn new(now: WallMs) -> Self {
        let (hour, day) = (Series::new(Span::Hour), Series::new(Span::Day));
        Self { used_at: now, since: None, gone: false, hour, day, waits: Spread::default(), holds: Spread::default() }
    }

    fn note(&mut self, at: WallMs, kind: &EventKind) {
        self.used_at = at;
        self.gone = matches!(kind, EventKind::LockDeleted);
        match kind {
            EventKind::Ticket { transition: Transition::Granted { waited, .. }, .. } => {
                self.waits.add(at, *waited, true)
            }
            // How long a holder was held that was lost, thrown out or too late says what its lease was, and nothing else.
            EventKind::Ticket { transition: Transition::Ended { held: Some(held), how, .. }, .. } => {
                self.holds.add(at, *held, *how == EndedAs::Released);
            }
            _ => {}
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    looked_at: WallMs,
    locks: BTreeMap<LockName, LockPast>,
    /// Locks whose past makes room, the first to go last.
    spare: Vec<LockName>,
}

impl Kept {
    fn is_due(&self, now: WallMs) -> bool {
        // The wall clock may be set back.
        now.abs_diff(self.looked_at) >= LOOK_MS
    }

    /// The past of a lock; none if there is no room for it.
    fn of(&mut self, name: &LockName, now: WallMs) -> Option<&mut LockPast> {
        if !self.locks.contains_key(name) {
            if self.locks.len() >= HISTORY_LOCKS_MAX {
                // It may be in use again since it was found to be spare.
                let is_spare = |past: &LockPast| past.gone || past.used_at + HISTORY_IDLE_MS <= now;
                let next = loop {
                    let next = self.spare.pop()?;
                    if self.locks.get(&next).is_some_and(is_spare) {
                        break next;
                    }
                };
                self.locks.remove(&next);
            }
            self.locks.insert(name.clone(), LockPast::new(now));
        }
        self.locks.get_mut(name)
    }

    fn note(&mut self, event: &Event) {
        let deleted = matches!(event.kind, EventKind::LockDeleted);
        // The end of one that has no past is no reason to give it one.
        if deleted && !self.locks.contains_key(&event.lock) {
            return;
        }
        if let Some(past) = self.of(&event.lock, event.at) {
            past.note(event.at, &event.kind);
        }
        if deleted && self.spare.len() < HISTORY_LOCKS_MAX {
            self.spare.push(event.lock.clone());
        }
    }

    fn look(&mut self, now: WallMs, table: &Table) {
        let mut gone: Vec<(WallMs, LockName)> = Vec::new();
        for (name, past) in &mut self.locks {
            past.gone = table.usage_of(name).is_none();
            if past.gone {
                gone.push((past.used_at, name.clone()));
            }
        }
        let room = HISTORY_LOCKS_MAX.saturating_sub(self.locks.len());
        if room + gone.len() > 0 {
            let new = table.lock_names().filter(|name| !self.locks.contains_key(*name));
            let new: Vec<LockName> = new.take(room + gone.len()).cloned().collect();
            gone.sort_unstable();
            for (_, name) in gone.iter().take(new.len().saturating_sub(room)) {
                self.locks.remove(name);
            }
            self.locks.extend(new.into_iter().map(|name| (name, LockPast::new(now))));
        }
        let full = self.locks.len() >= HISTORY_LOCKS_MAX;
        let mut spare: Vec<(bool, WallMs, &LockName)> = Vec::new();
        for (name, past) in &mut self.locks {
            if let Some(usage) = table.usage_of(name) {
                // The clock may have been set back.
                past.since = Some(past.since.map_or(now, |since| since.min(now)));
                past.hour.add(now, &usage);
                past.day.add(now, &usage);
                if usage.holding + usage.queued > 0 {
                    past.used_at = now;
                }
            }
            if full && (past.gone || past.used_at + HISTORY_IDLE_MS <= now) {
                spare.push((!past.gone, past.used_at, name));
            }
        }
        spare.sort_unstable_by(|a, b| b.cmp(a));
        self.spare = spare.into_iter().map(|(.., name)| name.clone()).collect();
    }
}

/// The past of the locks.
#[derive(Debug, Default)]
pub struct History(Mutex<Kept>);

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is durable now.
    pub fn note(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let mut kept = self.kept();
        events.iter().for_each(|event| kept.note(event));
    }

    /// Whether it is time to look at the locks.
    #[must_use]
    pub fn is_due(&self, now: WallMs) -> bool {
        self.kept().is_due(now)
    }

    /// Looks at the locks if it is time to. For the owner of the table, between two steps.
    pub fn sample(&self, now: WallMs, table: &Table) {
        let mut kept = self.kept();
        if kept.is_due(now) {
            kept.looked_at = now;
            kept.look(now, table);
        }
    }

    /// The past of a lock up to now; empty for one that has none.
    #[must_use]
    pub fn past(&self, lock: &LockName, span: Span, now: WallMs) -> Past {
        let kept = self.kept();
        let past = kept.locks.get(lock);
        let samples = past.map(|past| match span {
            Span::Hour => past.hour.samples(now),
            Span::Day => past.day.samples(now),
        });
        let times = |spread: Option<&Spread>| spread.map(|spread| spread.percentiles(span, now)).unwrap_or_default();
        Past {
            since: past.and_then(|past| past.since).map(|since| since.max(now.saturating_sub(Span::Day.ms()))),
            samples: samples.unwrap_or_default(),
            waits: times(past.map(|past| &past.waits)),
            holds: times(past.map(|past| &past.holds)),
        }
    }

    /// How long a permit of this lock is held until it is given back, on average; `None` if that happened too seldom to tell.
    #[must_use]
    pub fn usual_hold(&self, lock: &LockName, now: WallMs) -> Option<Ms> {
        let kept = self.kept();
        let holds = &kept.locks.get(lock)?.holds;
        holds.mean(Span::Hour, now, ENOUGH_HOLDS).or_else(|| holds.mean(Span::Day, now, ENOUGH_HOLDS))
    }
}

#[cfg(test)]
mod tests;
