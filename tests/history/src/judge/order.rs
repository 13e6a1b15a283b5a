//! Rule 2: first come, first served, as far as clients can know it.

use super::life::{Beat, Grant, Life, Lives};
use super::{Finding, Promise, seconds};
use crate::history::{Answer, History, Nanos, SECOND};
use std::collections::BTreeMap;

/// A client whose next call comes later than this after an answer may have missed its grant (rule 4, `grace_time`).
const SILENT: Nanos = 5 * SECOND;

/// Of one lock: tickets that queued, and those that were granted.
type OfLock<'a> = (Vec<&'a Life>, Vec<(&'a Life, &'a Grant)>);

/// Nobody who asked after another one knew its place gets in before it, while that one waits and is heard of. All requests of
/// a run have the same priority.
pub(super) fn first_come_first_served(history: &History, lives: &Lives, findings: &mut Vec<Finding>) {
    let mut of_lock: BTreeMap<&str, OfLock<'_>> = BTreeMap::new();
    for life in &lives.all {
        let (queued, granted) = of_lock.entry(&life.lock).or_default();
        queued.extend((!life.queued.is_empty()).then_some(life));
        granted.extend(life.grant.as_ref().map(|grant| (life, grant)));
    }
    for (lock, (mut queued, mut granted)) in of_lock {
        queued.sort_by_key(|life| life.known);
        granted.sort_by_key(|(_, grant)| grant.not_before);
        let last_heard =
            |life: &Life| life.queued.iter().chain(&life.held).map(|beat| beat.answered).max().unwrap_or(0);
        let mut waiting: Vec<&Life> = Vec::new();
        let mut next = 0;
        for (late, grant) in granted {
            while let Some(life) = queued.get(next).filter(|life| life.known < grant.not_before) {
                waiting.push(life);
                next += 1;
            }
            waiting.retain(|life| last_heard(life) >= grant.not_before);
            for early in &waiting {
                if overtaken(history, early, late, grant) {
                    let (known, asked) = (seconds(early.known), seconds(late.asked));
                    let told = seconds(grant.told);
                    let (number, other) = (early.number, late.number);
                    let what = format!(
                        "{number} waited for {lock} from {known} on, {other} asked at {asked} and held by {told}"
                    );
                    findings.push(Finding { promise: Promise::Order, what });
                }
            }
        }
    }
}

fn overtaken(history: &History, early: &Life, late: &Life, grant: &Grant) -> bool {
    let first = early.queued.iter().map(|beat| beat.answered).min();
    if early.number == late.number || first.is_none_or(|at| late.asked <= at) {
        return false;
    }
    let waits_still = early.queued.iter().any(|beat| beat.sent > grant.told);
    let granted_later = early.grant.as_ref().is_some_and(|own| own.token > grant.token);
    (waits_still || granted_later)
        && early.queued.iter().filter(|beat| beat.renews).any(|beat| heard(history, early, beat, grant))
}

/// The server heard of the waiting client before it can have made the grant, and of no trouble since.
fn heard(history: &History, early: &Life, beat: &Beat, grant: &Grant) -> bool {
    if beat.answered > grant.not_before {
        return false;
    }
    let broken = history.faults.iter().any(|fault| fault.from <= grant.told && fault.until >= beat.sent);
    let mut last = beat.answered;
    for call in early.calls.iter().map(|at| &history.calls[*at]) {
        if call.sent <= beat.sent || call.sent > grant.told {
            continue;
        }
        if call.sent > last + SILENT || !matches!(call.answer, Answer::Ticket(_)) {
            return false;
        }
        last = last.max(call.answered);
    }
    !broken && grant.told <= last + SILENT
}
