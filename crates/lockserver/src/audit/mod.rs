//! The audit log: who was given what, who gave it back or lost it and why, who changed what, and who was refused. One JSON
//! object a line, described in docs/security.md.
//!
//! A leaf: the engine tells it what has become durable, the protocols who administered and who was refused, the daemon where it
//! is written. A thread of its own writes, so that nobody waits for its disk. While that disk is full its lines wait, as many
//! as [`AUDIT_LINES_WAITING_MAX`]; what is beyond is counted, and the audit log itself says how many lines it lost.

mod line;
mod record;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

pub use record::{Act, Refused, Who};
pub use sink::{OpenError, Opened, Place};

use lock_core::limits::AUDIT_LINES_WAITING_MAX;
use lock_core::{Caller, Event};
use record::Record;
use sink::Sink;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Refusals take no more than this of the room, so that a client that provokes them does not push out grants.
const REFUSALS_WAITING_MAX: usize = AUDIT_LINES_WAITING_MAX / 2;

/// The audit log of a server; off until [`Audit::switch`] says where it goes. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Audit(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Apart from the rest, so that a server without an audit log takes no lock for it.
    on: AtomicBool,
    state: Mutex<State>,
    /// There is something to do for the writer.
    news: Condvar,
    /// The writer has ended.
    quiet: Condvar,
    written: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Record>,
    /// Lines for which there was no room since the last one for which there was.
    lost: u64,
    /// Where to write from now on.
    next: Option<Sink>,
    /// The writer ends once everything is written.
    ending: bool,
    /// There is a writer.
    running: bool,
}

/// How many lines there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub written: u64,
    pub lost: u64,
    pub waiting: usize,
}

impl Shared {
    /// Nothing in here can panic half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, records: impl IntoIterator<Item = Record>, room: usize) {
        let mut state = self.state();
        let idle = state.waiting.is_empty();
        for record in records {
            if state.waiting.len() >= room {
                state.lost += 1;
                self.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let lost = std::mem::take(&mut state.lost);
            if lost > 0 {
                state.waiting.push_back(Record::lost(lost));
            }
            state.waiting.push_back(record);
        }
        if idle {
            self.news.notify_one();
        }
    }
}

impl Audit {
    /// Whether it is written at all. What is told while it is not is nowhere.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.on.load(Ordering::Acquire)
    }

    /// Writes there from now on, beginning with a line that says so; without a place it is off. Lines that are told and not
    /// written yet go to the new place if the old one cannot be written.
    pub fn switch(&self, opened: Option<Opened>) {
        let Some(Opened { sink }) = opened else {
            return self.end();
        };
        let mut state = self.0.state();
        state.next = Some(sink);
        state.ending = false;
        let start = !std::mem::replace(&mut state.running, true);
        drop(state);
        self.0.on.store(true, Ordering::Release);
        self.0.push([Record::opened()], AUDIT_LINES_WAITING_MAX);
        self.0.news.notify_one();
        if start && let Err(error) = writer::start(self.0.clone()) {
            self.0.state().running = false;
            self.0.on.store(false, Ordering::Release);
            tracing::error!("the thread of the audit log cannot be started: {error}");
        }
    }

    fn end(&self) {
        if self.0.on.swap(false, Ordering::AcqRel) {
            self.0.push([Record::closed()], AUDIT_LINES_WAITING_MAX);
            self.0.state().ending = true;
            self.0.news.notify_one();
        }
    }

    /// The last line, and its end: waits until everything is written, at most so long.
    pub fn close(&self, at_most: Duration) {
        self.end();
        let running = |state: &mut State| state.running;
        let waited = self.0.quiet.wait_timeout_while(self.0.state(), at_most, running);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.running {
            tracing::error!(
                "the audit log cannot be written fast enough: at least {} lines are lost",
                state.waiting.len()
            );
        }
    }

    /// What has happened and is durable. `causes` says who asked for which of these events; what nobody asked for, time did.
    pub fn events(&self, events: &[Event], causes: &[(Range<usize>, Caller)]) {
        if events.is_empty() || !self.is_on() {
            return;
        }
        // They are in order, and none overlaps another.
        let by = |place: usize| {
            let (range, caller) = causes.get(causes.partition_point(|(range, _)| range.end <= place))?;
            range.contains(&place).then_some(caller)
        };
        let mut records: Vec<Record> = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            let Some(record) = Record::of(event, || by(place)) else { continue };
            if !records.last_mut().is_some_and(|last| last.takes_in(&record)) {
                records.push(record);
            }
        }
        self.0.push(records, AUDIT_LINES_WAITING_MAX);
    }

    /// What an administrator did, or tried to.
    pub fn act(&self, act: Act) {
        if self.is_on() {
            self.0.push([Record::act(act)], AUDIT_LINES_WAITING_MAX);
        }
    }

    /// A client that was not let in, or may not.
    pub fn refused(&self, refused: Refused) {
        if self.is_on() {
            self.0.push([Record::refused(refused)], REFUSALS_WAITING_MAX);
        }
    }

    /// How many lines there are, since the server began.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let waiting = self.0.state().waiting.len();
        Counts { written: count(&self.0.written), lost: count(&self.0.lost), waiting }
    }
}
