//! Times, moments and slots for people.

use crate::wall::rfc3339;
use lock_core::{Ms, SlotName, WallMs};

/// A time for people: its two largest units.
pub(super) fn span(ms: Ms) -> String {
    let s = ms / 1000;
    let two = |a: u64, first: &str, b: u64, second: &str| match b {
        0 => format!("{a}\u{a0}{first}"),
        b => format!("{a}\u{a0}{first} {b}\u{a0}{second}"),
    };
    match s {
        0..60 => format!("{s}\u{a0}s"),
        60..3600 => two(s / 60, "min", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// A moment for people, to the second.
pub(super) fn shown(wall: WallMs) -> String {
    rfc3339(wall - wall % 1000).replace('T', " ").replace('Z', " UTC")
}

/// How long ago that was.
pub(super) fn since(then: Option<WallMs>, now: WallMs) -> String {
    then.map_or_else(|| "–".to_owned(), |then| span(now.saturating_sub(then)))
}

/// Names and stretches of slots that are told one by one.
const SLOTS_TOLD: usize = 50;

/// Slots by their names, or by their numbers if they have none; the first of them if they are many.
pub(super) fn slots(ranges: &[(u32, u32)], names: &[SlotName]) -> String {
    let range = |&(first, last): &(u32, u32)| match last == first {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    let (mut told, more): (Vec<String>, usize) = if names.is_empty() {
        let told = ranges.iter().take(SLOTS_TOLD).map(range).collect();
        let more = ranges.iter().skip(SLOTS_TOLD).map(|&(first, last)| (last - first) as usize + 1).sum();
        (told, more)
    } else {
        (names.iter().take(SLOTS_TOLD).map(ToString::to_string).collect(), names.len().saturating_sub(SLOTS_TOLD))
    };
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds * 1000).replace('\u{a0}', " "), text);
        }
    }
}
