//! What is written down, and the line that it becomes.

use super::line::{Line, moment};
use lock_core::{Caller, EndedAs, Event, EventKind, LockName, Transition, WallMs, Withheld};
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
    /// A withholding of permits begins, or ends.
    Withheld {
        lock: LockName,
        begins: bool,
        what: Box<Withheld>,
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

    /// An event, if it is one of those that are written down: who got permits, whose are gone, and which are withheld.
    pub(super) fn of<'c>(event: &Event, by: impl FnOnce() -> Option<&'c Caller>) -> Option<Self> {
        let by = || by().map(|caller| Who { key: caller.owner.clone(), from: caller.from.clone() });
        let (number, info, owner, from, transition) = match &event.kind {
            EventKind::Ticket { number, info, owner, from, transition } => (number, info, owner, from, transition),
            EventKind::PermitsWithheld(what) => return Some(Self::of_withheld(event, true, what, by())),
            EventKind::PermitsRestored(what) => return Some(Self::of_withheld(event, false, what, by())),
            EventKind::LockCreated
            | EventKind::LockChanged { .. }
            | EventKind::LockDeleted
            | EventKind::ReportStale => return None,
        };
        let by = match transition {
            Transition::Queued | Transition::Held | Transition::Undelivered => return None,
            Transition::Granted { .. } | Transition::Lapsed => None,
            Transition::Ended { .. } => by(),
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

    fn of_withheld(event: &Event, begins: bool, what: &Withheld, by: Option<Who>) -> Self {
        let of = Of::Withheld { lock: event.lock.clone(), begins, what: Box::new(what.clone()), by };
        Self { at: event.at, of }
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
                line.number("number", *number).who(["key", "from"], who.key.as_deref(), &who.from);
                ticket(&mut line, transition, by.as_ref()).text("info", info)
            }
            Of::Withheld { lock, begins, what, by } => {
                line.word(if *begins { "withheld" } else { "restored" }).text("lock", lock.as_str());
                withheld(&mut line, what, *begins, by.as_ref())
            }
            Of::Act(act) => {
                line.word("act").text("request", &act.request).maybe("lock", act.lock.as_ref().map(LockName::as_str));
                line.who(["key", "from"], act.who.key.as_deref(), &act.who.from);
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
                line.who(["key", "from"], refused.who.key.as_deref(), &refused.who.from)
                    .status(Some(refused.status))
                    .text("why", &refused.why);
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
                line.who(["by_key", "by_from"], by.key.as_deref(), &by.from);
            }
            let undelivered = *how == EndedAs::Cancelled && by.is_none();
            let why =
                reason.as_deref().filter(|reason| !reason.is_empty()).or_else(|| undelivered.then_some(UNDELIVERED));
            line.maybe("why", why)
        }
        Transition::Queued | Transition::Held | Transition::Lapsed | Transition::Undelivered => line,
    }
}

fn withheld<'l>(line: &'l mut Line, what: &Withheld, begins: bool, by: Option<&Who>) -> &'l mut Line {
    line.number("withholding", what.number).text("cause", what.cause.as_str()).number("permits", what.permits);
    if !what.slot_names.is_empty() {
        let names = what.slot_names.iter().map(lock_core::SlotName::as_str);
        line.plain("slot_names", &serde_json::Value::from_iter(names).to_string());
    }
    line.maybe("ended_as", what.how.map(EndedAs::as_str));
    if let Some(until) = what.until.filter(|_| begins) {
        line.text("until", &moment(until));
    }
    if let Some(by) = by {
        line.who(["by_key", "by_from"], by.key.as_deref(), &by.from);
    }
    line.maybe("why", what.reason.as_deref().filter(|reason| !reason.is_empty()))
}
