//! The permits of one lock: which slots are out, which can be given, and what they are called (rules 1 and 11).

use crate::ranges::{self, RangeSet};
use crate::{Capacity, SlotName, SlotRanges};
use std::collections::{BTreeMap, BTreeSet};

/// Slots and their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slots {
    size: u32,
    /// Given to a ticket or withheld.
    out: RangeSet,
    /// Can be given: there is such a slot and it is not out.
    free: RangeSet,
    /// Names in force by slot; `None` if slots have no names.
    names: Option<BTreeMap<u32, SlotName>>,
    /// The same the other way round.
    by_name: BTreeMap<SlotName, u32>,
    /// Names that a ticket or a withheld permit has, with their slot. A name removed meanwhile stays here to its end.
    out_names: BTreeMap<SlotName, u32>,
}

impl Slots {
    /// Slots of a lock of which nothing is out. `names` as saved; slots of names that are missing there are chosen.
    pub(crate) fn new(capacity: &Capacity, names: &[(u32, SlotName)]) -> Self {
        let mut slots = Self {
            size: 0,
            out: RangeSet::default(),
            free: RangeSet::default(),
            names: Some(names.iter().cloned().collect()).filter(|_| matches!(capacity, Capacity::Named(_))),
            by_name: BTreeMap::new(),
            out_names: BTreeMap::new(),
        };
        slots.set_capacity(capacity);
        slots
    }

    /// Permits that are out: granted, held or withheld.
    pub(crate) fn out(&self) -> u64 {
        self.out.len()
    }

    /// Permits that could be given now. Fewer than the free slots while a lock that shrank has too many out.
    pub(crate) fn room(&self) -> u64 {
        u64::from(self.size).saturating_sub(self.out.len())
    }

    /// Number of permits.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Gives the lowest free slots; the caller has looked at [`Slots::room`].
    pub(crate) fn take(&mut self, wanted: u64) -> (SlotRanges, Vec<SlotName>) {
        assert!(wanted <= self.room(), "{wanted} permits taken, {} can be given", self.room());
        let taken = self.free.take_lowest(wanted);
        let names = self.names_of(&taken);
        self.mark_out(&taken, &names);
        (taken, names)
    }

    /// The slot of this name.
    pub(crate) fn slot_of(&self, name: &SlotName) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// All slots that can be given, if there is room.
    pub(crate) fn free(&self) -> impl Iterator<Item = u32> + '_ {
        self.free.slots()
    }

    /// Whether the slot can be given, if there is room.
    pub(crate) fn is_free(&self, slot: u32) -> bool {
        self.free.contains(slot)
    }

    /// Gives these slots, which are free; the caller has looked at [`Slots::room`].
    pub(crate) fn take_these(&mut self, taken: SlotRanges) -> (SlotRanges, Vec<SlotName>) {
        assert!(ranges::count(&taken) <= self.room(), "{taken:?} taken, {} can be given", self.room());
        for &range in &taken {
            assert_eq!(self.free.remove(range), vec![range], "slots that are given are free");
        }
        let names = self.names_of(&taken);
        self.mark_out(&taken, &names);
        (taken, names)
    }

    fn names_of(&self, taken: &SlotRanges) -> Vec<SlotName> {
        match &self.names {
            Some(names) => ranges::slots(taken).map(|slot| names[&slot].clone()).collect(),
            None => Vec::new(),
        }
    }

    /// At load: these slots are out. False if one of them, or its name, is out already.
    pub(crate) fn restore(&mut self, taken: &SlotRanges, names: &[SlotName]) -> bool {
        let clash = !ranges::is_canonical(taken)
            || ranges::slots(taken).any(|slot| self.out.contains(slot))
            || names.iter().any(|name| self.out_names.contains_key(name))
            || !(names.is_empty() || names.len() as u64 == ranges::count(taken));
        if !clash {
            for &range in taken {
                self.free.remove(range);
            }
            self.mark_out(taken, names);
        }
        !clash
    }

    fn mark_out(&mut self, taken: &SlotRanges, names: &[SlotName]) {
        for &range in taken {
            self.out.insert(range);
        }
        self.out_names.extend(names.iter().cloned().zip(ranges::slots(taken)));
    }

    /// Takes slots back from a ticket or a withholding.
    pub(crate) fn put_back(&mut self, taken: &SlotRanges, names: &[SlotName]) {
        for name in names {
            self.out_names.remove(name).expect("a name that comes back was out");
        }
        for &range in taken {
            let gone = self.out.remove(range);
            assert_eq!(gone, vec![range], "slots that come back were out");
            self.set_free(range);
        }
    }

    /// Makes free what of the range there is; nothing of it is out.
    fn set_free(&mut self, (start, end): (u32, u32)) {
        match &self.names {
            Some(names) => {
                for slot in names.range(start..=end).map(|(&slot, _)| slot) {
                    self.free.insert((slot, slot));
                }
            }
            None if start < self.size => self.free.insert((start, end.min(self.size - 1))),
            None => {}
        }
    }

    /// Sets size and names (rule 11). What is out stays out; a name keeps its slot, one that is still out gets that slot back,
    /// and a new one gets the lowest slot that has no name.
    pub(crate) fn set_capacity(&mut self, capacity: &Capacity) {
        self.size = capacity.size();
        self.names = match capacity {
            Capacity::Size(_) => None,
            Capacity::Named(wanted) => Some(self.place_names(wanted)),
        };
        self.by_name = self.names.iter().flatten().map(|(&slot, name)| (name.clone(), slot)).collect();
        let everything = match &self.names {
            None => vec![(0, self.size - 1)],
            Some(names) => names.keys().map(|&slot| (slot, slot)).collect(),
        };
        self.free = RangeSet::default();
        for range in everything {
            self.free.insert(range);
        }
        for range in self.out.clone().take_lowest(self.out.len()) {
            self.free.remove(range);
        }
    }

    fn place_names(&self, wanted: &[SlotName]) -> BTreeMap<u32, SlotName> {
        let before: BTreeMap<&SlotName, u32> = self.names.iter().flatten().map(|(&slot, name)| (name, slot)).collect();
        let mut placed: BTreeMap<u32, SlotName> = BTreeMap::new();
        let mut new = Vec::new();
        for name in wanted {
            match self.out_names.get(name).or_else(|| before.get(name)) {
                Some(&slot) => drop(placed.insert(slot, name.clone())),
                None => new.push(name.clone()),
            }
        }
        let named: BTreeSet<u32> = placed.keys().copied().chain(self.out_names.values().copied()).collect();
        let unnamed = (0..).filter(|slot| !named.contains(slot));
        placed.extend(unnamed.zip(new));
        placed
    }

    /// Names in force by slot, as they are saved.
    pub(crate) fn names(&self) -> Vec<(u32, SlotName)> {
        self.names.iter().flatten().map(|(&slot, name)| (slot, name.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Capacity {
        Capacity::Named(text.split_whitespace().map(|name| SlotName::new(name).unwrap()).collect())
    }

    fn taken(slots: &mut Slots, wanted: u64) -> String {
        let (ranges, names) = slots.take(wanted);
        let slots: Vec<String> = ranges::slots(&ranges).map(|slot| slot.to_string()).collect();
        format!("{} {}", slots.join(","), names.iter().map(SlotName::as_str).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn rule_1_a_lock_that_shrank_lets_nobody_in_until_enough_have_left() {
        let mut slots = Slots::new(&Capacity::Size(5), &[]);
        slots.take(5);
        slots.set_capacity(&Capacity::Size(3));
        assert_eq!((slots.out(), slots.room()), (5, 0));
        slots.put_back(&vec![(0, 0)], &[]);
        assert_eq!(slots.room(), 0);
        slots.put_back(&vec![(1, 2)], &[]);
        assert_eq!(slots.room(), 1);
        assert_eq!(taken(&mut slots, 1), "0 ");
        slots.set_capacity(&Capacity::Size(5));
        assert_eq!(taken(&mut slots, 2), "1,2 ");
    }

    #[test]
    fn rule_11_reordering_renames_nothing() {
        let mut slots = Slots::new(&names("a b c"), &[]);
        slots.set_capacity(&names("c b a"));
        assert_eq!(taken(&mut slots, 3), "0,1,2 a,b,c");
    }

    #[test]
    fn rule_11_a_removed_name_is_not_given_again_and_keeps_its_slot_to_the_end() {
        let mut slots = Slots::new(&names("a b"), &[]);
        assert_eq!(taken(&mut slots, 1), "0 a");
        slots.set_capacity(&names("b d"));
        assert_eq!(slots.names().len(), 2);
        assert_eq!(slots.room(), 1, "a is still out");
        slots.put_back(&vec![(0, 0)], &[SlotName::new("a").unwrap()]);
        assert_eq!(taken(&mut slots, 2), "1,2 b,d");
    }

    #[test]
    fn rule_11_a_name_that_comes_back_while_it_is_out_is_its_slot() {
        let mut slots = Slots::new(&names("a b"), &[]);
        assert_eq!(taken(&mut slots, 2), "0,1 a,b");
        slots.set_capacity(&names("x y"));
        slots.set_capacity(&names("b z"));
        assert_eq!(slots.room(), 0);
        slots.put_back(&vec![(0, 0)], &[SlotName::new("a").unwrap()]);
        assert_eq!(taken(&mut slots, 1), "2 z");
        assert!(slots.names().contains(&(1, SlotName::new("b").unwrap())));
    }

    #[test]
    fn rule_11_holders_without_names_keep_their_slots_when_names_come() {
        let mut slots = Slots::new(&Capacity::Size(3), &[]);
        assert_eq!(taken(&mut slots, 2), "0,1 ");
        slots.set_capacity(&names("a b c"));
        assert_eq!(slots.room(), 1);
        assert_eq!(taken(&mut slots, 1), "2 c");
        slots.put_back(&vec![(0, 1)], &[]);
        assert_eq!(taken(&mut slots, 2), "0,1 a,b");
    }
}
