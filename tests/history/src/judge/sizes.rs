//! Rule 1: never more than size; and a slot has one holder at a time.

use super::life::{Grant, Life, Lives};
use super::{Finding, Promise, seconds};
use crate::history::{Answer, Ask, History, Nanos, SECOND};
use std::collections::BTreeMap;

/// A call whose outcome is unknown takes effect within this time or never: no client of a run waits for longer, and nothing
/// stands still for longer.
const LATEST: Nanos = 40 * SECOND;

/// A size that somebody set or may have set.
#[derive(Debug, Clone, Copy)]
struct Write {
    size: u32,
    sent: Nanos,
    /// When it was surely done.
    done: Nanos,
    certain: bool,
}

/// Which sizes each lock may have had when.
#[derive(Debug)]
pub(super) struct Sizes {
    of: BTreeMap<String, Vec<Write>>,
}

impl Sizes {
    /// From all that set a size.
    pub(super) fn of(history: &History) -> Self {
        let first = |size: &u32| vec![Write { size: *size, sent: 0, done: 0, certain: true }];
        let mut of: BTreeMap<_, _> = history.locks.iter().map(|(name, size)| (name.clone(), first(size))).collect();
        for call in &history.calls {
            let Ask::Resize { lock, size } = &call.ask else { continue };
            let (done, certain) = match call.answer {
                Answer::Resized => (call.answered, true),
                Answer::Refused(_) => continue,
                _ => (call.sent + LATEST, false),
            };
            of.entry(lock.clone()).or_default().push(Write { size: *size, sent: call.sent, done, certain });
        }
        Self { of }
    }

    /// The sizes that the lock may have had at some moment of this time.
    pub(super) fn possible(&self, lock: &str, from: Nanos, until: Nanos) -> Vec<u32> {
        let Some(writes) = self.of.get(lock) else { return Vec::new() };
        // Whatever was done before this was sent has been replaced by it.
        let replaced =
            writes.iter().filter(|one| one.certain && one.done < from).map(|one| one.sent).max().unwrap_or(0);
        writes.iter().filter(|one| one.sent <= until && one.done >= replaced).map(|one| one.size).collect()
    }

    fn smallest(&self, lock: &str) -> u32 {
        self.of.get(lock).and_then(|writes| writes.iter().map(|one| one.size).min()).unwrap_or(0)
    }

    /// Whenever somebody begins to hold, all holders fit. The holder with the highest token was let in last, when all others
    /// were in; that it was let in then is judged by the sizes of that time, since a lock may be made smaller later.
    pub(super) fn never_more_than_size(&self, lives: &Lives, findings: &mut Vec<Finding>) {
        let mut of_lock: BTreeMap<&str, Vec<(&Life, &Grant)>> = BTreeMap::new();
        for (life, grant) in lives.grants().filter(|(_, grant)| grant.until > grant.told) {
            of_lock.entry(&life.lock).or_default().push((life, grant));
        }
        for (lock, mut grants) in of_lock {
            grants.sort_by_key(|(_, grant)| grant.told);
            let mut active: Vec<(&Life, &Grant)> = Vec::new();
            for (life, grant) in grants {
                active.retain(|(_, other)| other.until > grant.told);
                for (holder, other) in &active {
                    if other.slots.iter().any(|slot| grant.slots.contains(slot)) {
                        let (a, b) = (holder.name(), life.name());
                        let at = seconds(grant.told);
                        let what = format!("{a} and {b} both have slots of {:?} at {at}", grant.slots);
                        findings.push(Finding { promise: Promise::Size, what });
                    }
                }
                active.push((life, grant));
                let out: u32 = active.iter().map(|(life, _)| life.permits).sum();
                let Some((_, last)) = active.iter().max_by_key(|(_, grant)| grant.token) else { continue };
                if out <= self.smallest(lock) {
                    continue;
                }
                let size = self.possible(lock, last.not_before, last.told).into_iter().max().unwrap_or(0);
                if out > size {
                    let numbers: Vec<u64> = active.iter().map(|(life, _)| life.number).collect();
                    let at = seconds(grant.told);
                    let what =
                        format!("{out} permits of {lock}, of size {size} at most, are held at {at}: {numbers:?}");
                    findings.push(Finding { promise: Promise::Size, what });
                }
            }
        }
    }
}
