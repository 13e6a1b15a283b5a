//! How a lock is, in one sentence: the answer to "why is my job waiting?". And how long one more would wait.

use super::sees::Sees;
use crate::wall::span;
use lock_core::{LockName, LockView, Ms, Permits, State, Usage, WallMs};

/// How long one more request for a permit would wait. Before it go the permits that the queue asks for, what a lock that was
/// made smaller has too much, and then a holder of the usual kind must leave; all of that passes through the permits that
/// are not withheld, each for the usual time. `None` where that says nothing: during a pause, with nobody whose end could let
/// somebody in (all permits withheld), and while too few holds have been seen. Never less than what the first in line has
/// waited already, or than what even the last of the holders has held: then what was usual is over.
pub(in crate::http) fn expected_wait(usage: &Usage, usual_hold: Option<Ms>, now: WallMs) -> Option<Ms> {
    if usage.paused {
        return None;
    }
    if usage.free > 0 && usage.wanted == 0 {
        return Some(0);
    }
    let open = u64::from(usage.size).saturating_sub(usage.withheld);
    if open == 0 || usage.holding == 0 {
        return None;
    }
    let excess = usage.in_use.saturating_sub(open);
    let holder = usage.in_use.div_ceil(usage.holding);
    let usual = usual_hold?.saturating_mul(usage.wanted + excess + holder) / open;
    let lasted = usage.waiting_since.into_iter().chain(usage.last_granted).map(|since| now.saturating_sub(since));
    lasted.chain([usual]).max()
}

/// Why somebody who waits has to; and what somebody who comes now has to expect. `usual_hold` is how long a permit is held. Other
/// locks, for which a waiter waits as well, are named to who sees them.
pub(in crate::http) fn why(lock: &LockView, usual_hold: Option<Ms>, now: WallMs, sees: Sees<'_>) -> String {
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
        let by = pause.by.as_ref().map_or_else(String::new, |by| format!(" by \u{2068}{by}\u{2069}"));
        let text = format!("Paused{by}{end}: nobody is let in. {queue}.");
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
        if let Some(others) = first_waits_for(lock, sees) {
            return format!("{free}, and {wait}: the first in line waits for {others} as well.");
        }
        let reason = match usage.head {
            Some(Permits::Count(count)) => format!("the first in line needs {count}"),
            Some(Permits::All) => "the first in line needs all".to_owned(),
            None if usage.elsewhere => "the first in line waits for other locks, too".to_owned(),
            None => "all of them are dormant".to_owned(),
        };
        return format!("{free}, and {wait}: {reason}.");
    }
    let newcomer = match expected_wait(usage, usual_hold, now) {
        Some(ms @ 1..1000) => format!(" The expected wait is {}.", about(ms)),
        Some(ms @ 1000..) => format!(" The expected wait is about {}.", about(ms)),
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

/// The further locks of the first in line, if it is for several and this one could let it in; nobody behind it waits for them.
fn first_waits_for(lock: &LockView, sees: Sees<'_>) -> Option<String> {
    let first = lock.queue.iter().find(|view| view.ticket.state != State::Queued { dormant: true })?;
    let fits = match first.ticket.part(&lock.lock.name)?.permits {
        Permits::Count(count) => u64::from(count) <= lock.usage.free,
        Permits::All => lock.usage.in_use + lock.usage.withheld == 0,
    };
    let others: Vec<&LockName> =
        first.ticket.parts().map(|part| part.lock).filter(|name| **name != lock.lock.name).collect();
    if others.is_empty() || !fits {
        return None;
    }
    let seen: Vec<String> =
        others.iter().filter(|name| sees(name)).map(|name| format!("\u{2068}{name}\u{2069}")).collect();
    let unseen = others.len() - seen.len();
    Some(match (seen.len(), unseen) {
        (0, 1) => "another lock".to_owned(),
        (0, count) => format!("{count} other locks"),
        (_, 0) => seen.join(", "),
        (_, count) => format!("{} and {count} more", seen.join(", ")),
    })
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Why none is free, and when the first of the withheld ones can be given again.
fn taken(lock: &LockView) -> String {
    let left = lock.withholdings.iter().filter_map(|withholding| lock.restored_in(withholding)).min();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_one_more_would_wait() {
        let full = Usage { size: 4, in_use: 4, holding: 4, queued: 1, wanted: 1, ..Usage::default() };
        for (what, usage, wait) in [
            ("a head that does not fit", Usage { free: 1, in_use: 3, holding: 3, wanted: 2, ..full }, Some(3750)),
            ("the first to leave", Usage { queued: 0, wanted: 0, ..full }, Some(1250)),
            ("one is before", full, Some(2500)),
            ("three of four are before", Usage { holding: 1, queued: 3, wanted: 12, ..full }, Some(20_000)),
            ("all, twice", Usage { holding: 1, exclusive: true, queued: 1, wanted: 4, ..full }, Some(10_000)),
            ("dormant tickets do not count", Usage { queued: 7, wanted: 1, ..full }, Some(2500)),
            ("half of it is withheld", Usage { in_use: 2, withheld: 2, holding: 2, ..full }, Some(5000)),
            ("it was made smaller", Usage { size: 2, ..full }, Some(10_000)),
            ("all are withheld", Usage { in_use: 0, withheld: 4, holding: 0, queued: 0, wanted: 0, ..full }, None),
            ("the first waits longer already", Usage { waiting_since: Some(10_000), ..full }, Some(90_000)),
            ("the first came just now", Usage { waiting_since: Some(99_000), ..full }, Some(2500)),
            ("all of them are stuck", Usage { queued: 0, wanted: 0, last_granted: Some(40_000), ..full }, Some(60_000)),
            ("it is paused", Usage { paused: true, ..full }, None),
        ] {
            assert_eq!(expected_wait(&usage, Some(5000), 100_000), wait, "{what}");
        }
        let free = Usage { size: 4, free: 1, in_use: 3, holding: 3, ..Usage::default() };
        assert_eq!([expected_wait(&free, None, 0), expected_wait(&full, None, 0)], [Some(0), None]);
    }
}
