//! A set of slots, kept as ranges: a lock may have a million.

use crate::SlotRanges;
use std::collections::BTreeMap;

/// Sorted, disjoint, non-adjacent inclusive ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: BTreeMap<u32, u32>,
    len: u64,
}

impl RangeSet {
    /// Number of slots in it.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The slots one by one, the lowest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|(&start, &end)| start..=end)
    }

    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.ranges.range(..=slot).next_back().is_some_and(|(_, &end)| slot <= end)
    }

    /// Adds a range of which nothing is in the set yet.
    pub(crate) fn insert(&mut self, (mut start, mut end): (u32, u32)) {
        self.len += u64::from(end - start) + 1;
        if let Some((&before, &before_end)) = self.ranges.range(..start).next_back() {
            assert!(before_end < start, "slot {start} is in the set already");
            if before_end + 1 == start {
                self.ranges.remove(&before);
                start = before;
            }
        }
        if let Some((&after, &after_end)) = self.ranges.range(start..).next() {
            assert!(end < after, "slot {after} is in the set already");
            if end + 1 == after {
                self.ranges.remove(&after);
                end = after_end;
            }
        }
        self.ranges.insert(start, end);
    }

    /// Removes what of the range is in the set, and returns it.
    pub(crate) fn remove(&mut self, (start, end): (u32, u32)) -> SlotRanges {
        let from = self.ranges.range(..=start).next_back().filter(|&(_, &e)| e >= start).map_or(start, |(&s, _)| s);
        let hit: SlotRanges = self.ranges.range(from..=end).map(|(&s, &e)| (s, e)).collect();
        let mut removed = SlotRanges::new();
        for (s, e) in hit {
            self.ranges.remove(&s);
            if s < start {
                self.ranges.insert(s, start - 1);
            }
            if e > end {
                self.ranges.insert(end + 1, e);
            }
            removed.push((s.max(start), e.min(end)));
        }
        self.len -= count(&removed);
        removed
    }

    /// Removes and returns the lowest `wanted` slots; there must be as many.
    pub(crate) fn take_lowest(&mut self, mut wanted: u64) -> SlotRanges {
        assert!(wanted <= self.len, "{wanted} slots wanted, {} are free", self.len);
        self.len -= wanted;
        let mut taken = SlotRanges::new();
        while wanted > 0 {
            let (start, end) = self.ranges.pop_first().expect("len counts the ranges");
            let here = u64::from(end - start) + 1;
            if here <= wanted {
                taken.push((start, end));
                wanted -= here;
            } else {
                let last = start + u32::try_from(wanted).expect("smaller than a range") - 1;
                taken.push((start, last));
                self.ranges.insert(last + 1, end);
                wanted = 0;
            }
        }
        taken
    }
}

/// Number of slots in the ranges.
pub(crate) fn count(ranges: &SlotRanges) -> u64 {
    ranges.iter().map(|&(start, end)| u64::from(end - start) + 1).sum()
}

/// The slots one by one.
pub(crate) fn slots(ranges: &SlotRanges) -> impl Iterator<Item = u32> + '_ {
    ranges.iter().flat_map(|&(start, end)| start..=end)
}

/// The ranges of slots that rise.
pub(crate) fn of(slots: impl Iterator<Item = u32>) -> SlotRanges {
    let mut ranges = SlotRanges::new();
    for slot in slots {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == slot => *end = slot,
            _ => ranges.push((slot, slot)),
        }
    }
    ranges
}

/// What a store read must be: ranges in order, none empty, none touching the next.
pub(crate) fn is_canonical(ranges: &SlotRanges) -> bool {
    ranges.iter().all(|(start, end)| start <= end) && ranges.windows(2).all(|w| w[0].1 < w[1].0.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn equals_a_set_of_slots(ops in prop::collection::vec((0u8..3, 0u32..40, 0u32..12), 0..60)) {
            let (mut real, mut model) = (RangeSet::default(), BTreeSet::new());
            for (op, start, width) in ops {
                let range = (start, start + width);
                match op {
                    0 if (range.0..=range.1).all(|slot| !model.contains(&slot)) => {
                        real.insert(range);
                        model.extend(range.0..=range.1);
                    }
                    0 => {}
                    1 => {
                        let gone: Vec<u32> = (range.0..=range.1).filter(|slot| model.remove(slot)).collect();
                        prop_assert_eq!(slots(&real.remove(range)).collect::<Vec<_>>(), gone);
                    }
                    _ => {
                        let wanted = model.len().min(width as usize);
                        let lowest: Vec<u32> = model.iter().copied().take(wanted).collect();
                        for slot in &lowest { model.remove(slot); }
                        let taken = real.take_lowest(wanted as u64);
                        prop_assert!(is_canonical(&taken));
                        prop_assert_eq!(slots(&taken).collect::<Vec<_>>(), lowest);
                    }
                }
                prop_assert_eq!(real.len(), model.len() as u64);
                prop_assert!((0..60).all(|slot| real.contains(slot) == model.contains(&slot)));
            }
        }
    }
}
