//! Rule 10: tokens and numbers rise, and what a resource does that is guarded by them.

use super::life::Lives;
use super::{Finding, Promise, seconds};
use crate::history::Nanos;
use std::collections::{BTreeMap, HashMap};

/// What was told before something else was asked for has the smaller token, and the smaller number. No token is given twice.
pub(super) fn rise(lives: &Lives, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<u64, u64> = HashMap::new();
    for (life, grant) in lives.grants() {
        if let Some(other) = seen.insert(grant.token, life.number) {
            let what = format!("tickets {other} and {} both have the token {}", life.number, grant.token);
            findings.push(Finding { promise: Promise::Tokens, what });
        }
    }
    let grants = lives.grants().map(|(_, grant)| (grant.not_before, grant.told, grant.token));
    in_order("token", grants.collect(), findings);
    let numbers = lives.all.iter().map(|life| (life.asked, life.known, life.number));
    in_order("number", numbers.collect(), findings);
}

/// Of (not before, known, value): what was known before another one can have come to be is smaller than that.
fn in_order(what: &str, all: Vec<(Nanos, Nanos, u64)>, findings: &mut Vec<Finding>) {
    let mut by_known = all.clone();
    by_known.sort_by_key(|(_, known, _)| *known);
    let mut by_begin = all;
    by_begin.sort_by_key(|(begin, _, _)| *begin);
    let (mut next, mut highest) = (0, 0);
    for (begin, known, value) in by_begin {
        while let Some((_, _, earlier)) = by_known.get(next).filter(|(_, at, _)| *at < begin) {
            highest = highest.max(*earlier);
            next += 1;
        }
        if value < highest {
            let (begin, known) = (seconds(begin), seconds(known));
            let what = format!("the {what} {value} was given between {begin} and {known}, after {highest} was known");
            findings.push(Finding { promise: Promise::Tokens, what });
        }
    }
}

/// A resource for each slot, to which every holder writes when it begins and just before it ends. It refuses a token that is
/// smaller than one that it has seen; nobody who may rely on its permit is refused.
pub(super) fn fence(lives: &Lives, findings: &mut Vec<Finding>) {
    let mut writes: BTreeMap<(&str, u64), Vec<(Nanos, u64)>> = BTreeMap::new();
    for (life, grant) in lives.grants().filter(|(_, grant)| grant.until > grant.told) {
        for slot in &grant.slots {
            let of_slot = writes.entry((&life.lock, *slot)).or_default();
            of_slot.extend([(grant.told, grant.token), (grant.until - 1, grant.token)]);
        }
    }
    for ((lock, slot), mut of_slot) in writes {
        of_slot.sort_unstable();
        let mut highest = 0;
        for (at, token) in of_slot {
            if token < highest {
                let at = seconds(at);
                let what = format!("slot {slot} of {lock} has seen {highest} and refuses its holder's {token} at {at}");
                findings.push(Finding { promise: Promise::Tokens, what });
            }
            highest = highest.max(token);
        }
    }
}
