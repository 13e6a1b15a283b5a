//! How a lock is, in one sentence: the answer to "why is my job waiting?". `lock.js` says the same once scripts run.

use super::words::span;
use lock_core::{LockView, Ms, Permits, State, WallMs};

/// Why somebody who waits has to; and what somebody who comes now has to expect.
pub(super) fn why(lock: &LockView, expected: Option<Ms>, now: WallMs) -> String {
    let usage = &lock.usage;
    let wait = if usage.queued == 1 { "1 waits".to_owned() } else { format!("{} wait", usage.queued) };
    let queue = if usage.queued == 0 { "Nobody waits" } else { &wait };
    if lock.lock.retiring {
        return format!(
            "Its section is gone from the configuration: no new tickets, and it goes with its last one. {queue}."
        );
    }
    if let Some(pause) = &lock.lock.pause {
        let end = lock.pause_ends_in.map_or_else(String::new, |left| format!(" for {} more", about(left)));
        let text = format!("Paused{end}: nobody is let in. {queue}.");
        let reason = pause.reason.trim();
        return if reason.is_empty() { text } else { format!("{text} Reason: “\u{2068}{reason}\u{2069}”.") };
    }
    if usage.free > 0 {
        let free = if usage.size == 1 {
            "It is free".to_owned()
        } else {
            format!("{} of {} {} free", usage.free, usage.size, are(usage.free))
        };
        if usage.queued == 0 {
            return format!("{free}: the next one gets in at once.");
        }
        let ready = lock.queue.iter().find(|one| !matches!(one.ticket.state, State::Queued { dormant: true, .. }));
        let reason = match ready.map(|one| one.ticket.permits) {
            Some(Permits::Count(count)) => format!("the first in line needs {count}"),
            Some(Permits::All) => "the first in line needs all".to_owned(),
            None => "none of them has shown life lately".to_owned(),
        };
        return format!("{free}, and {wait}: {reason}.");
    }
    let newcomer = match expected {
        Some(ms @ 1..1000) => format!(" A newcomer waits {}, by what has been usual.", about(ms)),
        Some(ms @ 1000..) => format!(" A newcomer waits about {}, by what has been usual.", about(ms)),
        _ => String::new(),
    };
    let taken = taken(lock);
    if usage.queued == 0 {
        return format!("{taken}, nobody waits.{newcomer}");
    }
    let longest = usage.waiting_since.map_or_else(String::new, |since| {
        let whose = if usage.queued == 1 { "" } else { "the longest " };
        format!(", {whose}for {}", span(now.saturating_sub(since)))
    });
    format!("{taken}. {wait}{longest}.{newcomer}")
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Why none is free, and when the first of the withheld ones can be given again.
fn taken(lock: &LockView) -> String {
    let left = lock.withholdings.iter().map(|withholding| withholding.until.saturating_sub(lock.now)).min();
    let left = left.map_or_else(String::new, |soonest| {
        let which = if lock.withholdings.len() == 1 { "for another" } else { "the first for another" };
        format!(" ({which} {})", about(soonest))
    });
    format!("{}{left}", in_use(lock))
}

fn in_use(lock: &LockView) -> String {
    let usage = &lock.usage;
    let (used, withheld, size) = (usage.in_use, usage.withheld, u64::from(usage.size));
    if used > size {
        return format!("{used} {} out, more than the {size} there {} since it shrank", are(used), are(size));
    }
    match (used, withheld) {
        (_, 0) if size == 1 => "Its only permit is in use".to_owned(),
        (_, 0) => format!("All {size} are in use"),
        (0, _) if size == 1 => "Its only permit is withheld".to_owned(),
        (0, _) if withheld < size => format!("{withheld} of {size} are withheld"),
        (0, _) => format!("All {size} are withheld"),
        _ => format!("{used} of {size} {} in use and {withheld} withheld", are(used)),
    }
}

/// A time where seconds of a long one say nothing.
fn about(ms: Ms) -> String {
    match ms {
        0 => span(0),
        1..1000 => "less than 1\u{a0}s".to_owned(),
        1000..600_000 => span(ms),
        _ => span((ms + 30_000) / 60_000 * 60_000),
    }
}
