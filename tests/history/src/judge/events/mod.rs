//! The stream of events (`docs/api.md`): nothing is missing and nothing comes twice, except where a `reset` says so.
//!
//! An id only names an event, so that no judgement comes from its form. A later event shows that a reader has been told of a grant:
//! one of a ticket that was asked for after the grant was answered. Events at the end of a chain may be under way, and those of its
//! beginning may be older than it: the judge says nothing of either. Nor does it complain of events that no client knows of, since
//! outcomes may be unknown.

mod chain;

#[cfg(test)]
mod planted;

use super::life::{Life, Lives};
use super::{Finding, Promise, seconds};
use crate::history::{Answer, Event, History, Nanos, SECOND};
use chain::{Chain, chains};
use std::collections::{HashMap, HashSet};

/// What a server has sent arrives within this time or never: servers and links of a run do not stand still for so long.
const ON_THE_WAY: Nanos = 15 * SECOND;
/// What a leader was doing when it died or was cut off is done or not after this time.
const UNDER_WAY: Nanos = SECOND / 2;

/// Judges what each reader was told.
pub(super) fn are_complete(history: &History, lives: &Lives, findings: &mut Vec<Finding>) {
    let chains = chains(&history.news);
    let ends: Vec<(&Life, End<'_>)> =
        lives.all.iter().filter_map(|life| Some((life, End::of(history, life)?))).collect();
    let mut found = |chain: &Chain<'_>, what: String| {
        let (reader, begun) = (chain.reader, seconds(chain.begun));
        let what = format!("{what}, of the events that reader {reader} was told from {begun} on");
        findings.push(Finding { promise: Promise::Events, what });
    };
    for chain in &chains {
        for (at, id) in &chain.leaps {
            found(chain, format!("at {} the stream goes on after {id}, which it has not told", seconds(*at)));
        }
        nothing_twice(chain, &mut found);
        one_leader(history, lives, chain, &mut found);
        nothing_missing(lives, &ends, chain, &mut found);
    }
    the_same_for_all(&chains, &mut found);
}

/// The end of a ticket, as far as its client knows.
struct End<'a> {
    /// It lived then, or later.
    not_before: Nanos,
    told: Nanos,
    /// How the server ended it; `None` if its client did.
    how: Option<&'a str>,
}

impl<'a> End<'a> {
    fn of(history: &'a History, life: &'a Life) -> Option<Self> {
        let calls = life.calls.iter().map(|at| &history.calls[*at]);
        let ended = calls.filter(|call| matches!(call.answer, Answer::Released | Answer::Gone(_)));
        let first = ended.min_by_key(|call| call.answered)?;
        let how = if let Answer::Gone(how) = &first.answer { Some(how.as_str()) } else { None };
        Some(Self { not_before: last_seen(life), told: first.answered, how })
    }

    fn is(&self, event: &Event) -> bool {
        match (self.how, event.ended_as.as_deref()) {
            (None, how) => matches!(how, Some("released" | "cancelled")),
            (how, told) => how == told,
        }
    }
}

/// The ticket lived at some moment after this.
fn last_seen(life: &Life) -> Nanos {
    life.queued.iter().chain(&life.held).map(|beat| beat.sent).max().unwrap_or(0)
}

/// This event cannot have happened before.
fn not_before(lives: &Lives, event: &Event) -> Nanos {
    let Some(life) = event.ticket.and_then(|number| lives.numbered(number)) else { return 0 };
    let grant = life.grant.as_ref().filter(|grant| Some(grant.token) == event.token);
    match event.kind.as_str() {
        "granted" => grant.map_or(life.asked, |grant| grant.not_before),
        "ended" => last_seen(life),
        _ => life.asked,
    }
}

/// No id, no grant and no end comes twice; tokens of a lock rise; and nothing happens to a ticket after its end.
fn nothing_twice(chain: &Chain<'_>, found: &mut impl FnMut(&Chain<'_>, String)) {
    let (mut ids, mut ended) = (HashSet::new(), HashSet::new());
    let mut tokens: HashMap<&str, u64> = HashMap::new();
    for (at, event) in &chain.events {
        let Event { id, kind, lock, ticket, token, .. } = event;
        let at = seconds(*at);
        if !ids.insert(id) {
            found(chain, format!("{kind} {id} comes once more at {at}"));
            continue;
        }
        if let Some(number) = ticket {
            let is_over = ended.contains(&(lock, number));
            if is_over {
                found(chain, format!("{kind} {id} at {at} is of ticket {number}, which has ended"));
            }
            if kind == "ended" {
                ended.insert((lock, number));
            }
        }
        if let Some(token) = token.filter(|_| kind == "granted") {
            let highest = tokens.entry(lock).or_default();
            if token <= *highest {
                found(chain, format!("{kind} {id} of {lock} at {at} has the token {token}, after {highest}"));
            }
            *highest = token.max(*highest);
        }
    }
}

/// A server remembers its own events only, so that those of the next leader come after a `reset`.
fn one_leader(history: &History, lives: &Lives, chain: &Chain<'_>, found: &mut impl FnMut(&Chain<'_>, String)) {
    let Some(died) = history.takeovers.iter().copied().filter(|at| *at > chain.begun).min() else { return };
    if let Some((at, event)) = chain.events.iter().find(|(_, event)| not_before(lives, event) > died + UNDER_WAY) {
        let (id, at, died) = (&event.id, seconds(*at), seconds(died));
        found(
            chain,
            format!("{} {id} at {at} is of another leader than those before {died}, without a reset", event.kind),
        );
    }
}

/// Each grant and each end of which a client was told is there, if it happened since the chain began, and before something of
/// which the reader was told.
fn nothing_missing(
    lives: &Lives,
    ends: &[(&Life, End<'_>)],
    chain: &Chain<'_>,
    found: &mut impl FnMut(&Chain<'_>, String),
) {
    let newest = chain.events.iter().map(|(_, event)| not_before(lives, event)).max().unwrap_or(0);
    // A comment says that all has been told. It was true when the server wrote it, and the comment may have been under way.
    let quiet = chain.quiet.unwrap_or(0).saturating_sub(ON_THE_WAY);
    let until = newest.max(quiet);
    let is_within = |not_before: Nanos, told: Nanos| chain.begun < not_before && told < until;
    let of_kind =
        |kind: &'static str| chain.events.iter().map(|(_, event)| *event).filter(move |event| event.kind == kind);
    let granted: HashMap<u64, &Event> = of_kind("granted").filter_map(|event| Some((event.token?, event))).collect();
    for (life, grant) in lives.grants().filter(|(_, grant)| is_within(grant.not_before, grant.told)) {
        let event = granted.get(&grant.token);
        if event.is_none_or(|event| event.ticket != Some(life.number) || event.lock != life.lock) {
            let (name, token, told) = (life.name(), grant.token, seconds(grant.told));
            found(chain, format!("the grant with token {token} of {name}, told by {told}, is missing"));
        }
    }
    let ended: HashMap<u64, &Event> = of_kind("ended").filter_map(|event| Some((event.ticket?, event))).collect();
    for (life, end) in ends.iter().filter(|(_, end)| is_within(end.not_before, end.told)) {
        if !ended.get(&life.number).is_some_and(|event| end.is(event)) {
            let (name, told) = (life.name(), seconds(end.told));
            found(chain, format!("the end of {name}, told by {told}, is missing"));
        }
    }
}

/// An id is that of one event, and what follows it is the same for all readers.
fn the_same_for_all(chains: &[Chain<'_>], found: &mut impl FnMut(&Chain<'_>, String)) {
    let (mut of_id, mut next): (HashMap<&str, &Event>, HashMap<&str, &str>) = (HashMap::new(), HashMap::new());
    for chain in chains {
        for (at, event) in &chain.events {
            let other = *of_id.entry(&event.id).or_insert(event);
            if other != *event {
                found(chain, format!("{event:?} at {} is told elsewhere as {other:?}", seconds(*at)));
            }
        }
        for (id, then) in chain.steps() {
            let other = *next.entry(id).or_insert(then);
            if other != then {
                found(chain, format!("after {id} comes {then}, and elsewhere {other}"));
            }
        }
    }
}
