//! What is written down, and the line that it becomes.

use crate::wall::timestamp;
use lock_core::text::is_unsafe;
use lock_core::{Caller, EndedAs, Event, EventKind, LockName, Transition, WallMs};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why a ticket was cancelled if nobody asked for that.
const UNDELIVERED: &str = "its client had gone before the answer";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub key: Option<Arc<str>>,
    /// Its address, `uid:N`, or what stands for it: `configuration`, `signal`.
    pub from: Arc<str>,
}

/// What an administrator did, or tried to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub who: Who,
    /// Method and pattern of the route, or the name of a signal.
    pub request: String,
    pub lock: Option<LockName>,
    /// What was to become of it: a JSON object.
    pub change: Option<String>,
    /// It was done; `None` if nobody heard.
    pub done: Option<bool>,
    /// The status of the answer.
    pub status: Option<u16>,
}

/// A client that was not let in, or may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub who: Who,
    /// Method and pattern of the route; the method alone where there is none.
    pub request: String,
    /// The lock that its path named.
    pub lock: Option<LockName>,
    /// The number of the ticket that its path named.
    pub number: Option<u64>,
    /// The status of the answer.
    pub status: u16,
    /// Why, as it was told.
    pub why: String,
    /// Refusals before this one, of any address, that have no line of their own.
    pub unlisted: u64,
}

/// A line to be.
#[derive(Debug)]
pub(super) struct Record {
    at: WallMs,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Opened,
    Closed,
    Lost(u64),
    Ticket {
        lock: LockName,
        /// Further ones of a ticket for several.
        others: Vec<LockName>,
        number: u64,
        who: Who,
        info: Arc<str>,
        transition: Transition,
        by: Option<Who>,
    },
    Act(Box<Act>),
    Refused(Box<Refused>),
}

fn now() -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallMs::try_from(since.as_millis()).unwrap_or(WallMs::MAX)
}

impl Record {
    fn now(of: Of) -> Self {
        Self { at: now(), of }
    }

    pub(super) fn opened() -> Self {
        Self::now(Of::Opened)
    }

    pub(super) fn closed() -> Self {
        Self::now(Of::Closed)
    }

    pub(super) fn lost(lines: u64) -> Self {
        Self::now(Of::Lost(lines))
    }

    pub(super) fn act(act: Act) -> Self {
        Self::now(Of::Act(Box::new(act)))
    }

    pub(super) fn refused(refused: Refused) -> Self {
        Self::now(Of::Refused(Box::new(refused)))
    }

    /// An event, if it is one of those that are written down: who got permits, and whose are gone.
    pub(super) fn of<'c>(event: &Event, by: impl FnOnce() -> Option<&'c Caller>) -> Option<Self> {
        let EventKind::Ticket { number, info, owner, from, transition } = &event.kind else { return None };
        let by = match transition {
            Transition::Queued | Transition::Held | Transition::Undelivered => return None,
            Transition::Granted { .. } | Transition::Lapsed => None,
            Transition::Ended { .. } => by().map(|caller| Who { key: caller.owner.clone(), from: caller.from.clone() }),
        };
        let who = Who { key: owner.clone(), from: from.clone() };
        let of = Of::Ticket {
            lock: event.lock.clone(),
            others: Vec::new(),
            number: *number,
            who,
            info: info.clone(),
            transition: transition.clone(),
            by,
        };
        Some(Self { at: event.at, of })
    }

    /// Takes in the record that follows it, if both are of one thing that happened to a ticket for several locks: there is an event for
    /// each of them.
    pub(super) fn takes_in(&mut self, next: &Self) -> bool {
        let Of::Ticket { lock, others, number, transition, .. } = &mut self.of else { return false };
        let Of::Ticket { lock: also, number: same, transition: as_well, .. } = &next.of else { return false };
        let is_one = number == same && transition == as_well && self.at == next.at;
        if !is_one || lock == also || others.contains(also) {
            return false;
        }
        others.push(also.clone());
        true
    }

    /// The line, with its end.
    pub(super) fn render(&self) -> String {
        let mut line = Line::new(self.at);
        match &self.of {
            Of::Opened => line.word("opened").text("version", env!("CARGO_PKG_VERSION")),
            Of::Closed => line.word("closed"),
            Of::Lost(lines) => line
                .word("lost")
                .number("lines", *lines)
                .text("why", &format!("{lines} lines lost: they came faster than they could be written")),
            Of::Ticket { lock, others, number, who, info, transition, by } => {
                line.word(word(transition));
                if others.is_empty() {
                    line.text("lock", lock.as_str());
                } else {
                    let all = std::iter::once(lock).chain(others).map(LockName::as_str);
                    line.plain("locks", &serde_json::Value::from_iter(all).to_string());
                }
                line.number("number", *number).who("key", "from", who);
                ticket(&mut line, transition, by.as_ref()).text("info", info)
            }
            Of::Act(act) => {
                line.word("act").text("request", &act.request).maybe("lock", act.lock.as_ref().map(LockName::as_str));
                line.who("key", "from", &act.who);
                if let Some(change) = &act.change {
                    line.plain("change", change);
                }
                let done = act.done.map_or_else(|| "null".to_owned(), |done| done.to_string());
                line.plain("done", &done).status(act.status)
            }
            Of::Refused(refused) => {
                line.word("refused").text("request", &refused.request);
                line.maybe("lock", refused.lock.as_ref().map(LockName::as_str));
                if let Some(number) = refused.number {
                    line.number("number", number);
                }
                line.who("key", "from", &refused.who).status(Some(refused.status)).text("why", &refused.why);
                if refused.unlisted > 0 {
                    line.number("unlisted", refused.unlisted);
                }
                &mut line
            }
        };
        line.finish()
    }
}

fn word(transition: &Transition) -> &'static str {
    match transition {
        Transition::Granted { .. } => "granted",
        Transition::Lapsed => "lapsed",
        Transition::Ended { how: EndedAs::Released, .. } => "released",
        Transition::Ended { .. } => "ended",
        Transition::Queued | Transition::Held | Transition::Undelivered => unreachable!("not written down"),
    }
}

fn ticket<'l>(line: &'l mut Line, transition: &Transition, by: Option<&Who>) -> &'l mut Line {
    match transition {
        Transition::Granted { token, waited } => line.number("token", *token).seconds("waited_s", *waited),
        Transition::Ended { how, reason, held } => {
            if *how != EndedAs::Released {
                line.text("ended_as", how.as_str());
            }
            if let Some(held) = held {
                line.seconds("held_s", *held);
            }
            if let Some(by) = by {
                line.who("by_key", "by_from", by);
            }
            let undelivered = *how == EndedAs::Cancelled && by.is_none();
            let why =
                reason.as_deref().filter(|reason| !reason.is_empty()).or_else(|| undelivered.then_some(UNDELIVERED));
            line.maybe("why", why)
        }
        Transition::Queued | Transition::Held | Transition::Lapsed | Transition::Undelivered => line,
    }
}

/// A JSON object in the making.
struct Line(String);

impl Line {
    fn new(at: WallMs) -> Self {
        Self(format!("{{\"time\":\"{}\"", timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ")))
    }

    fn word(&mut self, word: &str) -> &mut Self {
        self.text("audit", word)
    }

    /// A value that is JSON already.
    fn plain(&mut self, name: &str, value: &str) -> &mut Self {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.plain(name, &value.to_string())
    }

    fn seconds(&mut self, name: &str, ms: u64) -> &mut Self {
        self.plain(name, &(ms as f64 / 1000.0).to_string())
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.plain(name, &serde_json::Value::from(value).to_string())
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Nobody in particular has no key, and that is said.
    fn who(&mut self, key: &str, from: &str, who: &Who) -> &mut Self {
        match &who.key {
            Some(name) => self.text(key, name),
            None => self.plain(key, "null"),
        };
        self.text(from, &who.from)
    }

    fn status(&mut self, status: Option<u16>) -> &mut Self {
        match status {
            Some(status) => self.number("status", status.into()),
            None => self,
        }
    }

    /// The whole line. What ends lines somewhere, drives a terminal or shows text in another order than it is written stands
    /// in texts only, where JSON has another way to write it.
    fn finish(self) -> String {
        let mut line = String::with_capacity(self.0.len() + 2);
        for c in self.0.chars() {
            if is_unsafe(c) {
                crate::lines::push_json_escape(&mut line, c);
            } else {
                line.push(c);
            }
        }
        line.push_str("}\n");
        line
    }
}
