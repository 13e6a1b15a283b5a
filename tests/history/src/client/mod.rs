//! Clients: each asks, waits, renews and gives back like a program that must not lose track, and records all it was told.

mod companion;
mod frames;
mod late;
mod reader;
mod wire;
mod worker;

pub(crate) use companion::accompany;
pub(crate) use late::Late;
pub(crate) use reader::read_events;
pub(crate) use worker::Worker;

use crate::history::{Answer, Ask, Call, Nanos, News, Told};
use crate::http::call;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The one lock whose size is set again and again.
const RESIZED: &str = "many";
/// The one that is held by clients that renew late.
const LATE: &str = "late";
/// All locks.
pub(crate) const LOCKS: [(&str, u32); 4] = [("one", 1), ("pair", 2), (RESIZED, 4), (LATE, 8)];
/// Those that clients compete for.
const WANTED: u64 = 3;
/// Holders that companions may ask about.
const RECENT_MAX: usize = 12;

/// What all clients of a pair of servers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) begun: Instant,
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) stop: AtomicBool,
    calls: Mutex<Vec<Call>>,
    news: Mutex<Vec<News>>,
    /// A server that only its companions reach.
    apart: watch::Sender<Option<usize>>,
    /// See [`crate::history::History::takeovers`].
    pub(crate) takeovers: watch::Sender<Vec<Nanos>>,
    /// Tickets that were held not long ago, with their locks.
    recent: Mutex<VecDeque<(String, Told)>>,
    /// When clients that renew late were last heard of, each by its number, and how long their leases last.
    silent: Mutex<Vec<(u32, Nanos, Nanos)>>,
}

impl Shared {
    pub(crate) fn new(servers: Vec<SocketAddr>, begun: Instant) -> Self {
        Self {
            begun,
            servers,
            stop: AtomicBool::new(false),
            calls: Mutex::default(),
            news: Mutex::default(),
            apart: watch::channel(None).0,
            takeovers: watch::channel(Vec::new()).0,
            recent: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        u64::try_from(self.begun.elapsed().as_nanos()).expect("a run ends within centuries")
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// From now on nobody but its companions reaches this server.
    pub(crate) fn set_apart(&self, server: Option<usize>) {
        self.apart.send_replace(server);
    }

    /// A leader has been dead or cut off for good since then.
    pub(crate) fn taken_over(&self, at: Nanos) {
        self.takeovers.send_modify(|all| all.push(at));
    }

    /// What was asked and answered so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        locked(&self.calls).clone()
    }

    /// What readers of events were told so far.
    pub(crate) fn news(&self) -> Vec<News> {
        locked(&self.news).clone()
    }

    /// Whether a client has not been heard of for that long, and still has half as much time.
    pub(crate) fn somebody_is_late(&self, silent: Nanos) -> bool {
        let now = self.now();
        locked(&self.silent).iter().any(|(_, heard, ttl)| now > heard + silent && now + silent / 2 < heard + ttl)
    }

    fn is_reached(&self, server: usize) -> bool {
        *self.apart.borrow() != Some(server)
    }

    /// Asks a server, and records what came of it. A companion reaches its server always.
    async fn ask(
        &self,
        (client, is_companion): (u32, bool),
        server: usize,
        ask: Ask,
        options: &Value,
        patience: Duration,
    ) -> Answer {
        let (method, path, body) = wire::request(&ask, options);
        let sent = self.now();
        // Noted before it is sent: a judgement meanwhile has to reckon with it.
        let under_way = Call {
            client,
            server,
            sent,
            answered: Nanos::MAX,
            ask: ask.clone(),
            answer: Answer::Unknown("under way".to_owned()),
        };
        let number = {
            let mut calls = locked(&self.calls);
            calls.push(under_way);
            calls.len() - 1
        };
        let answer = if is_companion {
            wire::read(&ask, call(self.servers[server], method, &path, body.as_ref(), patience).await)
        } else if self.is_reached(server) {
            let mut apart = self.apart.subscribe();
            tokio::select! {
                outcome = call(self.servers[server], method, &path, body.as_ref(), patience) => wire::read(&ask, outcome),
                _ = apart.wait_for(|apart| *apart == Some(server)) => Answer::Unknown("cut off".to_owned()),
            }
        } else {
            Answer::Refused("not sent: cut off".to_owned())
        };
        let answered = self.now();
        if let (Answer::Ticket(told), Ask::Acquire { lock, .. }) = (&answer, &ask)
            && told.held
        {
            let mut recent = locked(&self.recent);
            recent.truncate(RECENT_MAX - 1);
            recent.push_front((lock.clone(), told.clone()));
        }
        let call = &mut locked(&self.calls)[number];
        (call.answered, call.answer) = (answered, answer.clone());
        answer
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
