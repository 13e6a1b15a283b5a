//! The judge: reads a history and says what in it breaks the rules of `docs/rules.md`, and what `docs/api.md` says of events.
//!
//! A client was told something when its answer arrived, and asked for it when it began to send. What the server did lies
//! between the two; the judge reports only what no moment in between can explain. Unknown answers may have taken effect, and
//! refused ones have not.

mod answers;
mod events;
mod life;
mod looks;
mod order;
mod sizes;
mod tokens;
mod verified;

#[cfg(test)]
mod planted;

use crate::history::{History, SECOND};
use life::Lives;

/// A rule that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which promise.
    pub promise: Promise,
    /// Who, what and when.
    pub what: String,
}

/// What the judge holds the server to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// Never more than size, and a slot has one holder.
    Size,
    /// Tokens and numbers rise in the order of grants, and no holder is refused by a fenced resource.
    Tokens,
    /// A grant that was answered is kept for its lease.
    Grants,
    /// A release that was answered stays.
    Releases,
    /// A place in the queue that was answered is kept.
    Places,
    /// A size that was answered stays.
    Resizes,
    /// First come, first served.
    Order,
    /// One `request_id` makes one ticket.
    RequestIds,
    /// Streams of events tell all of them, once.
    Events,
    /// A server ends only when it is told to.
    Service,
}

/// What the history breaks. Empty if all is well.
#[must_use]
pub fn judge(history: &History) -> Vec<Finding> {
    let lives = Lives::of(history);
    let sizes = sizes::Sizes::of(history);
    let mut findings = Vec::new();
    lives.one_ticket_for_a_request(&mut findings);
    sizes.never_more_than_size(&lives, &mut findings);
    tokens::rise(&lives, &mut findings);
    tokens::fence(&lives, &mut findings);
    answers::nothing_is_lost(history, &lives, &mut findings);
    looks::show_what_was_told(history, &lives, &sizes, &mut findings);
    verified::are_those_of_holders(history, &lives, &mut findings);
    order::first_come_first_served(history, &lives, &mut findings);
    events::are_complete(history, &lives, &mut findings);
    findings.extend(history.ended.iter().map(|what| Finding { promise: Promise::Service, what: what.clone() }));
    findings
}

fn seconds(at: u64) -> String {
    format!("{}.{:03} s", at / SECOND, at % SECOND / 1_000_000)
}
