//! Numbers of requests and connections.

use super::number::{Counter, Gauge, Histogram};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds of an answer, in seconds.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The route of what no route fits. Patterns begin with a slash, so none is called so.
const UNMATCHED: &str = "unmatched";
/// Methods with a name of their own; there are no others that any route knows. A client may send what it likes.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "LOCK", "UNLOCK"];

/// Requests and their answers.
#[derive(Debug, Default)]
pub struct Http {
    /// Requests without an answer so far.
    pub in_flight: Gauge,
    /// Requests whose key was none.
    pub wrong_keys: Counter,
    pub(super) forwarded: [Counter; Forwarded::ALL.len()],
    routes: Mutex<BTreeMap<String, Route>>,
}

/// Answers of one route.
#[derive(Debug)]
pub(super) struct Route {
    /// By method and status.
    pub(super) answers: BTreeMap<(&'static str, u16), u64>,
    pub(super) seconds: Histogram,
}

impl Http {
    /// A request was answered so. `route` is the pattern of its route, never its path: there are as many series as there
    /// are patterns, methods and status codes. `took` is left out where it says nothing about the server.
    pub fn answered(&self, route: Option<&str>, method: &str, status: u16, took: Option<Duration>) {
        let route = route.unwrap_or(UNMATCHED);
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let mut routes = self.routes();
        if !routes.contains_key(route) {
            let new = Route { answers: BTreeMap::new(), seconds: Histogram::new(&SECONDS) };
            routes.insert(route.to_owned(), new);
        }
        let route = routes.get_mut(route).expect("it is there by now");
        *route.answers.entry((method, status)).or_default() += 1;
        if let Some(took) = took {
            route.seconds.observe(took.as_secs_f64());
        }
    }

    /// A standby gave a request to the leader, and this came of it.
    pub fn forwarded(&self, outcome: Forwarded) {
        self.forwarded[outcome as usize].increment();
    }

    pub(super) fn routes(&self) -> MutexGuard<'_, BTreeMap<String, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a request that was given to the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The client has the leader's answer.
    Answered,
    /// The leader was not reached, or leads no more: nothing was done.
    NotTaken,
    /// The leader went while it worked on it.
    Unknown,
}

impl Forwarded {
    pub(super) const ALL: [Self; 3] = [Self::Answered, Self::NotTaken, Self::Unknown];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotTaken => "not_taken",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug, Default)]
pub struct Connections {
    pub open: Gauge,
    pub accepted: Counter,
    pub(super) timed_out: [Counter; TimedOut::ALL.len()],
}

/// Why the server ended a connection by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedOut {
    /// No request came.
    Idle,
    /// The head of a request did not come to its end.
    Head,
    /// The client, with requests under way on HTTP/2, did not answer a PING in time.
    Silent,
    /// The client took no byte of its answer.
    Stalled,
    /// The client's machine did not acknowledge an answer that mattered.
    Unacknowledged,
}

impl TimedOut {
    pub(super) const ALL: [Self; 5] = [Self::Idle, Self::Head, Self::Silent, Self::Stalled, Self::Unacknowledged];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Head => "head",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Unacknowledged => "unacknowledged",
        }
    }
}

impl Connections {
    /// A connection was accepted.
    pub fn opened(&self) {
        self.accepted.increment();
        self.open.add(1);
    }

    /// A connection is gone.
    pub fn closed(&self) {
        self.open.add(-1);
    }

    /// A connection was ended by the clock.
    pub fn timed_out(&self, why: TimedOut) {
        self.timed_out[why as usize].increment();
    }
}
