//! Moments and slots for people.

use crate::wall::{rfc3339, span};
use lock_api::Leader;
use lock_core::{SlotName, WallMs};

/// A moment for people, to the second.
pub(super) fn shown(wall: WallMs) -> String {
    rfc3339(wall - wall % 1000).replace('T', " ").replace('Z', " UTC")
}

/// How long ago that was.
pub(super) fn since(then: Option<WallMs>, now: WallMs) -> String {
    then.map_or_else(|| "–".to_owned(), |then| span(now.saturating_sub(then)))
}

/// Who leads, where several servers share the locks.
pub(super) fn leads(leader: Option<&Leader>) -> String {
    leader.map_or_else(
        || "No server leads.".to_owned(),
        |Leader { name, since, .. }| {
            let day_and_time: String = since.chars().take(19).collect();
            format!("{name} leads since {} UTC.", day_and_time.replace('T', " "))
        },
    )
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
    fn who_leads() {
        let since = rfc3339(1_777_863_721_250);
        let leader = Leader { name: "locks1".to_owned(), url: None, since };
        assert_eq!(leads(Some(&leader)), "locks1 leads since 2026-05-04 03:02:01 UTC.");
        assert_eq!(leads(None), "No server leads.");
    }
}
