//! Moments and slots for people.

use crate::wall::{rfc3339, span};
use lock_api::{Leader, Standby};
use lock_core::{SlotName, WallMs};

/// A moment for people, to the second.
pub(super) fn shown(wall: WallMs) -> String {
    rfc3339(wall - wall % 1000).replace('T', " ").replace('Z', " UTC")
}

/// How long ago that was.
pub(super) fn since(then: Option<WallMs>, now: WallMs) -> String {
    then.map_or_else(|| "–".to_owned(), |then| span(now.saturating_sub(then)))
}

/// The leader and the standbys, where several servers share the locks.
pub(super) fn leads(leader: Option<&Leader>, standbys: &[Standby]) -> String {
    let Some(Leader { name, since, .. }) = leader else { return "No server leads.".to_owned() };
    let day_and_time: String = since.chars().take(19).collect();
    let leads = format!("{name} leads since {} UTC", day_and_time.replace('T', " "));
    let names: Vec<&str> = standbys.iter().map(|one| one.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{leads}. No server stands by."),
        [one] => format!("{leads}. {one} stands by."),
        several => format!("{leads}. {} stand by.", several.join(", ")),
    }
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
        let begin = "locks1 leads since 2026-05-04 03:02:01 UTC.";
        assert_eq!(leads(Some(&leader), &[]), format!("{begin} No server stands by."));
        let standby = |name: &str| Standby { name: name.to_owned(), url: None, clock_ahead_s: 0.0 };
        assert_eq!(leads(Some(&leader), &[standby("locks2")]), format!("{begin} locks2 stands by."));
        let two = [standby("locks2"), standby("locks3")];
        assert_eq!(leads(Some(&leader), &two), format!("{begin} locks2, locks3 stand by."));
        assert_eq!(leads(None, &[]), "No server leads.");
    }
}
