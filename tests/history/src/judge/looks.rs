//! What a lock shows is what clients were told: holders, places, releases and the size.

use super::life::{Life, Lives};
use super::sizes::Sizes;
use super::{Finding, Promise, seconds};
use crate::history::{Answer, Ask, Call, History, Nanos, Seen};
use std::collections::BTreeMap;

/// Judges every look at a lock.
pub(super) fn show_what_was_told(history: &History, lives: &Lives, sizes: &Sizes, findings: &mut Vec<Finding>) {
    let mut of_lock: BTreeMap<&str, Vec<&Life>> = BTreeMap::new();
    for life in &lives.all {
        of_lock.entry(&life.lock).or_default().push(life);
    }
    let end = |life: &Life| {
        let queued = life.queued.iter().map(|beat| beat.answered).max().unwrap_or(0);
        life.grant.as_ref().map_or(queued, |grant| grant.until.max(queued))
    };
    let mut longest = 0;
    for lives in of_lock.values_mut() {
        lives.sort_by_key(|life| life.known);
        longest = lives.iter().map(|life| end(life).saturating_sub(life.known)).max().unwrap_or(0).max(longest);
    }
    for call in &history.calls {
        let (Ask::Look { lock }, Answer::Seen(seen)) = (&call.ask, &call.answer) else { continue };
        let mut found = |promise, what: String| {
            let (sent, answered) = (seconds(call.sent), seconds(call.answered));
            let what = format!("{what}, as client {} saw {lock} between {sent} and {answered}", call.client);
            findings.push(Finding { promise, what });
        };
        let possible = sizes.possible(lock, call.sent, call.answered);
        if !possible.contains(&seen.size) {
            found(Promise::Resizes, format!("size {} is none of {possible:?}", seen.size));
        }
        for number in seen.holders.iter().chain(&seen.queue) {
            let Some(life) = lives.numbered(*number) else { continue };
            if life.released.is_some_and(|at| at < call.sent) {
                found(Promise::Releases, format!("{} lives after its release", life.name()));
            }
        }
        let Some(of_lock) = of_lock.get(lock.as_str()) else { continue };
        let first = of_lock.partition_point(|life| life.known + longest < call.sent);
        for life in of_lock[first..].iter().take_while(|life| life.known < call.sent) {
            if let Some((promise, why)) = missing(life, call, seen) {
                found(promise, format!("{} {why}", life.name()));
            }
        }
    }
}

fn missing(life: &Life, call: &Call, seen: &Seen) -> Option<(Promise, &'static str)> {
    let holds = seen.holders.contains(&life.number);
    if let Some(grant) = &life.grant
        && grant.told < call.sent
        && call.answered < grant.until
        && !holds
    {
        return Some((Promise::Grants, "does not hold"));
    }
    let before = life.queued.iter().any(|beat| beat.answered < call.sent);
    // It may have had a grant and lost it again in between, but it lives.
    let lives_on = |at: &Nanos| *at > call.answered;
    let after = life.queued.iter().chain(&life.held).map(|beat| beat.sent).any(|at| lives_on(&at));
    (before && after && !holds && !seen.queue.contains(&life.number)).then_some((Promise::Places, "is not there"))
}
