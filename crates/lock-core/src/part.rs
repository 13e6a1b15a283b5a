//! What a ticket asks for and has of each of its locks: of most tickets that is one, of a bundle there are several (rule 13).

use crate::{LockName, Ms, Permits, SlotName, SlotRanges, TicketRecord};

/// What a ticket asks for and has of one of its locks, the first one included: see [`TicketRecord::parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRef<'a> {
    /// The lock.
    pub lock: &'a LockName,
    /// What it asks for there.
    pub permits: Permits,
    /// Slots of its last grant.
    pub slots: &'a SlotRanges,
    /// Names of those slots, in their order; empty if they have none.
    pub slot_names: &'a Vec<SlotName>,
    /// Service time before which these permits are not given again (rule 17).
    pub not_before: Option<Ms>,
}

impl TicketRecord {
    /// Whether it is for several locks (rule 13).
    #[must_use]
    pub fn is_bundle(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.parts.is_empty())
    }

    /// What it asks for and has of each of its locks, in the order of their names; of most tickets that is one.
    pub fn parts(&self) -> impl Iterator<Item = PartRef<'_>> {
        let first = PartRef {
            lock: &self.lock,
            permits: self.permits,
            slots: &self.slots,
            slot_names: &self.slot_names,
            not_before: self.more().not_before,
        };
        std::iter::once(first).chain(self.more().parts.iter().map(|part| PartRef {
            lock: &part.lock,
            permits: part.permits,
            slots: &part.slots,
            slot_names: &part.slot_names,
            not_before: part.not_before,
        }))
    }

    /// What it asks for and has of the lock that is the `at`th of its locks.
    pub(crate) fn part_at(&self, at: usize) -> PartRef<'_> {
        self.parts().nth(at).expect("one of its locks")
    }

    /// It has these slots of its `at`th lock.
    pub(crate) fn set_slots(&mut self, at: usize, slots: SlotRanges, slot_names: Vec<SlotName>) {
        match at.checked_sub(1) {
            None => (self.slots, self.slot_names) = (slots, slot_names),
            Some(at) => {
                let part = &mut self.more.as_mut().expect("a bundle").parts[at];
                (part.slots, part.slot_names) = (slots, slot_names);
            }
        }
    }

    /// It has no slots of its `at`th lock any more; which it had.
    pub(crate) fn take_slots(&mut self, at: usize) -> (SlotRanges, Vec<SlotName>) {
        match at.checked_sub(1) {
            None => (std::mem::take(&mut self.slots), std::mem::take(&mut self.slot_names)),
            Some(at) => {
                let part = &mut self.more.as_mut().expect("a bundle").parts[at];
                (std::mem::take(&mut part.slots), std::mem::take(&mut part.slot_names))
            }
        }
    }

    /// Its permits of its `at`th lock are not given again before that.
    pub(crate) fn set_not_before(&mut self, at: usize, not_before: Option<Ms>) {
        self.change_more(|more| match at.checked_sub(1) {
            None => more.not_before = not_before,
            Some(at) => more.parts[at].not_before = not_before,
        });
    }

    /// What it asks for and has of that lock; `None` if it is not for it.
    #[must_use]
    pub fn part(&self, lock: &LockName) -> Option<PartRef<'_>> {
        self.parts().find(|part| part.lock == lock)
    }

    /// Whether it is for that lock, alone or among others.
    #[must_use]
    pub fn is_of(&self, lock: &LockName) -> bool {
        self.part(lock).is_some()
    }
}
