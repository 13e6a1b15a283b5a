//! Values that are text in the database: made to be read by people, and read back strictly.

use crate::store::codec::{Scalar, may_follow};
use lock_core::{Ms, SlotName, SlotRanges, Starts};

/// `0-3,7`; empty for none.
pub(super) fn slots_to_text(slots: &[(u32, u32)]) -> String {
    let mut text = String::new();
    for (first, last) in slots {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&first.to_string());
        if last != first {
            text.push('-');
            text.push_str(&last.to_string());
        }
    }
    text
}

/// The ranges of `0-3,7`: sorted, disjoint and not adjacent, as the core relies on it.
pub(super) fn slots_from_text(text: &str) -> Result<SlotRanges, String> {
    let mut slots = SlotRanges::new();
    for part in parts(text) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = (slot(first)?, slot(last)?);
        if !may_follow(slots.last(), range) {
            return Err(format!("{part:?} is not a range of slots above the one before it"));
        }
        slots.push(range);
    }
    Ok(slots)
}

/// `0,12,3456`; empty for none.
pub(super) fn starts_to_text(starts: &Starts) -> String {
    starts.all().iter().map(Ms::to_string).collect::<Vec<_>>().join(",")
}

/// The moments of `0,12,3456`: few, and rising.
pub(super) fn starts_from_text(text: &str) -> Result<Starts, String> {
    let all: Result<Vec<Ms>, _> = parts(text).map(str::parse).collect();
    let starts = all.ok().and_then(|all| Starts::from_all(&all));
    starts.ok_or_else(|| format!("{text:?} is not a list of at most {} rising moments", Starts::MAX))
}

/// `port-a,port-b`. No name is empty or contains a comma.
pub(super) fn names_to_text(names: &[SlotName]) -> String {
    names.iter().map(SlotName::as_str).collect::<Vec<_>>().join(",")
}

/// The names of `port-a,port-b`.
pub(super) fn names_from_text(text: &str) -> Result<Vec<SlotName>, String> {
    parts(text).map(SlotName::from_text).collect()
}

/// `0=port-a,1=port-b`.
pub(super) fn slot_names_to_text(names: &[(u32, SlotName)]) -> String {
    names.iter().map(|(slot, name)| format!("{slot}={name}")).collect::<Vec<_>>().join(",")
}

/// The slots and names of `0=port-a,1=port-b`. A name may contain `=`.
pub(super) fn slot_names_from_text(text: &str) -> Result<Vec<(u32, SlotName)>, String> {
    parts(text)
        .map(|part| {
            let (number, name) = part.split_once('=').ok_or_else(|| format!("{part:?} is not 'slot=name'"))?;
            Ok((slot(number)?, SlotName::from_text(name)?))
        })
        .collect()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

fn slot(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is not the number of a slot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_as_text() {
        for (slots, text) in [
            (vec![], ""),
            (vec![(0, 0)], "0"),
            (vec![(0, 3), (7, 7)], "0-3,7"),
            (vec![(0, 999_999)], "0-999999"),
            (vec![(5, 5), (7, u32::MAX)], "5,7-4294967295"),
        ] {
            assert_eq!(slots_to_text(&slots), text);
            assert_eq!(slots_from_text(text), Ok(slots));
        }
        for bad in [",", "0,", "a", "3-1", "0-3,3", "0-3,4", "7,1", "-1", "1-", "0-4294967296", "0- 3", "1,,3"] {
            assert!(slots_from_text(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_as_text() {
        let name = |text| SlotName::new(text).unwrap();
        let named = vec![(0, name("port a")), (9, name("a=b/*?")), (10, name("größe"))];
        assert_eq!(slot_names_to_text(&named), "0=port a,9=a=b/*?,10=größe");
        assert_eq!(slot_names_from_text("0=port a,9=a=b/*?,10=größe"), Ok(named));
        assert_eq!(slot_names_from_text(""), Ok(vec![]));
        assert_eq!(names_from_text("a,b"), Ok(vec![name("a"), name("b")]));
        assert_eq!(names_from_text(""), Ok(vec![]));
        assert!(names_from_text("a,").is_err());
        for bad in ["a", "x=a", "0=", "0=a,", "=a"] {
            assert!(slot_names_from_text(bad).is_err(), "{bad:?}");
        }
    }
}
