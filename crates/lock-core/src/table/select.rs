//! Which slot (rule 14): no slot that an earlier waiter could use is given to a later one, and later ones take what the earlier ones
//! cannot.

use super::acquire::asked_of;
use super::seats::Seats;
use super::{Lock, Table};
use crate::bits::Bits;
use crate::queue::{Place, Queued, Selected};
use crate::slots::Slots;
use crate::{LockName, Ms, Permits, Pick, Selection, Settings, SlotRanges, State, TicketId, ranges};
use std::collections::BTreeMap;

/// How many tags each slot has that has some.
pub(super) fn tagged(settings: &Settings, slots: &Slots) -> BTreeMap<u32, usize> {
    settings.tags.iter().filter_map(|(name, tags)| Some((slots.slot_of(name)?, tags.len()))).collect()
}

impl Lock {
    /// Whether nothing is granted for now, to any waiter.
    pub(crate) fn is_stopped(&self) -> bool {
        self.record.pause.is_some() || self.deleting || self.exclusive
    }

    /// The slots that fit a selection.
    pub(crate) fn slots_of(&self, selection: &Selection) -> Bits {
        self.record.settings.fitting(selection).into_iter().filter_map(|name| self.slots.slot_of(name)).collect()
    }

    /// Names or tags have changed.
    pub(super) fn refresh_selections(&mut self) {
        self.tagged = tagged(&self.record.settings, &self.slots);
        let (settings, slots) = (&self.record.settings, &self.slots);
        self.queue.refresh(|selection| {
            settings.fitting(selection).into_iter().filter_map(|name| slots.slot_of(name)).collect()
        });
    }

    /// The slots that are given to somebody who takes any; `None` for the lowest.
    pub(super) fn choose(&self, permits: Permits) -> Option<SlotRanges> {
        let Permits::Count(count) = permits else { return None };
        let lowest = self.tagged.is_empty() && self.record.settings.pick == Pick::First;
        (!lowest).then(|| self.pick(self.slots.free(), count))
    }

    /// So many of these slots: those with the fewest tags first, and of them as the lock picks.
    fn pick(&self, usable: impl Iterator<Item = u32>, count: u32) -> SlotRanges {
        let lru = self.record.settings.pick == Pick::Lru;
        let mut usable: Vec<u32> = usable.collect();
        usable.sort_by_key(|slot| {
            let used = if lru { self.used.get(slot).copied() } else { None };
            (self.tagged.get(slot).copied().unwrap_or(0), used, *slot)
        });
        usable.truncate(count as usize);
        usable.sort_unstable();
        ranges::of(usable.into_iter())
    }

    /// A ticket that had these slots has ended.
    pub(super) fn note_use(&mut self, slots: &SlotRanges, at: Ms, number: u64) {
        if self.record.settings.pick == Pick::Lru {
            for slot in ranges::slots(slots) {
                let used = self.used.entry(slot).or_default();
                *used = (*used).max((at, number));
            }
        }
    }
}

impl Table {
    /// Puts a ticket into its queue, as its state says.
    pub(super) fn enqueue(&mut self, id: TicketId) {
        let ticket = self.ticket(id);
        let (seats, place) = (ticket.seats(), ticket.place());
        let dormant = ticket.state != State::Queued { dormant: false };
        let selected = match ticket.selected() {
            // One for all who ask for the same.
            Selected::Bundle(bundle) => {
                let known = self.lock(&ticket.lock).queue.bundles_like(&bundle).map(|(known, _)| known.clone());
                Selected::Bundle(known.unwrap_or(bundle))
            }
            selected => selected,
        };
        self.queued_bundles += usize::from(seats.is_bundle());
        for (_, seat) in seats.iter() {
            let queued = Queued { place, id, permits: seat.wants(), dormant };
            let lock = self.lock_mut(&seat.lock);
            let fitting = match &selected {
                Selected::Slots(selection) if lock.queue.class(selection).is_none() => Some(lock.slots_of(selection)),
                _ => None,
            };
            lock.queue.push(&selected, queued, |_| fitting.unwrap_or_default());
        }
    }

    /// The ticket, which has ended, had its slots until now.
    pub(super) fn note_use(&mut self, id: TicketId, seats: &Seats) {
        for (at, seat) in seats.iter() {
            if self.lock(&seat.lock).record.settings.pick == Pick::Lru {
                let (ticket, now) = (self.ticket(id), self.now());
                let (slots, number) = (ticket.part_at(at).slots.clone(), ticket.number);
                self.lock_mut(&seat.lock).note_use(&slots, now, number);
            }
        }
    }

    /// Whose turn it is in a lock in which some wait for certain slots and no bundle is first, and which it gets: the first of each selection in the order of
    /// their places. Who cannot be served sets aside whatever it could use.
    pub(super) fn next_of_classes(&mut self, name: &LockName) -> Option<(TicketId, Option<SlotRanges>)> {
        loop {
            let lock = self.lock(name);
            if lock.is_stopped() {
                return None;
            }
            let free: Bits = lock.slots.free().collect();
            let mut heads: Vec<_> = lock.queue.heads().collect();
            heads.sort_unstable_by_key(|(place, ..)| *place);
            let (mut aside, mut over_cap) = (Bits::default(), None);
            for (_, id, fitting) in heads {
                if lock.caps.is_some()
                    && let Some(over) = self.over_cap(id)
                {
                    over_cap = Some((id, over));
                    break;
                }
                let Permits::Count(count) = self.ticket(id).permits else {
                    return (lock.slots.out() == 0).then_some((id, None));
                };
                let usable = fitting.map_or_else(|| free.clone(), |fitting| free.both(fitting)).without(&aside);
                if usable.len() >= count.into() {
                    let chosen = || (id, Some(lock.pick(usable.slots(), count)));
                    return (lock.slots.room() >= count.into()).then(chosen);
                }
                // Who takes any slot leaves none to those behind it.
                aside.add(fitting?);
            }
            let (id, over) = over_cap?;
            self.pass_over_cap(id, over);
        }
    }

    /// Whether a ticket at that place would get its slots now. Nobody is in line who could be served.
    pub(super) fn could_be_given(
        &self,
        lock: &Lock,
        place: Place,
        selection: Option<&Selection>,
        permits: Permits,
    ) -> bool {
        let held_up = lock.queue.first_bundle().is_some_and(|(first, ..)| *first < place);
        if lock.is_stopped() || held_up {
            return false;
        }
        let free: Bits = lock.slots.free().collect();
        let mut heads: Vec<_> = lock.queue.heads().filter(|(head, ..)| *head < place).collect();
        heads.sort_unstable_by_key(|(place, ..)| *place);
        let mut aside = Bits::default();
        for (_, id, fitting) in heads {
            let Some(fitting) = fitting else { return false };
            let asked = asked_of(self.ticket(id).permits, lock.slots.size());
            if free.both(fitting).without(&aside).len() >= asked.into() {
                // It waits for room: holders are out that the lock has no slots for any more.
                return false;
            }
            aside.add(fitting);
        }
        let Permits::Count(count) = permits else { return lock.slots.out() == 0 };
        let fitting = selection.map(|selection| lock.slots_of(selection));
        let usable = fitting.map_or_else(|| free.clone(), |fitting| free.both(&fitting)).without(&aside);
        usable.len() >= count.into() && lock.slots.room() >= count.into()
    }
}
