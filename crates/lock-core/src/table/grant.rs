//! The grant (rules 1, 2, 3, 5): the only place where permits leave the lock.

use super::{Lock, StepContext, Table};
use crate::event::Transition;
use crate::{EndedAs, Key, LockName, Permits, SlotName, SlotRanges, State, TicketId};

impl Table {
    /// Notes that a grant of this lock may have become possible, or a waiter that asks for more than its size impossible.
    pub(super) fn ripen(&mut self, name: &LockName) {
        if !self.ripe.contains(name) {
            self.ripe.insert(name.clone());
        }
    }

    /// Ends waiters that have become impossible, and grants whatever has become possible, in the same step as what made it
    /// so: nothing waits for a timer (rule 3). A command and the passing of time note the locks, and call this at their end.
    pub(super) fn grant_ripe(&mut self, at: StepContext<'_>) {
        if self.queued_bundles > 0 {
            return self.grant_in_order(at);
        }
        while let Some(name) = self.ripe.pop_first() {
            // One look, after which most locks need no other.
            let Some(lock) = self.locks.get(&name) else { continue };
            if lock.queue.is_empty() && lock.awaiting.is_empty() {
                continue;
            }
            let (ends_some, feeds_some) = (lock.oversized().is_some(), !lock.awaiting.is_empty());
            if ends_some && !self.end_oversized(at, &name) {
                self.unfinished.insert(name.clone());
            }
            // The end of its last waiter may have removed it.
            if ends_some && !self.locks.contains_key(&name) {
                continue;
            }
            if feeds_some {
                self.feed_withholdings(&name);
            }
            self.grant(at, &name);
            self.ripe.remove(&name);
        }
    }

    /// Ends waiters that ask for more than the size or the cap, if the step may end as many. Both are durable, so which they are
    /// follows from them, however many there are and wherever a crash fell.
    pub(super) fn end_oversized(&mut self, at: StepContext<'_>, name: &LockName) -> bool {
        while let Some(lock) = self.locks.get(name)
            && let Some(id) = lock.oversized()
        {
            if !self.may_end() {
                return false;
            }
            self.end(at, id, EndedAs::Oversized, None);
        }
        true
    }

    /// Grants to the head of the queue as long as it fits.
    pub(super) fn grant(&mut self, at: StepContext<'_>, name: &LockName) {
        while let Some((id, chosen)) = self.next_to_grant(name) {
            self.give_if_connected(at, id, chosen);
        }
    }

    /// The last look before permits are given away: is the client that waits for them still connected?
    pub(super) fn give_if_connected(&mut self, at: StepContext<'_>, id: TicketId, chosen: Option<SlotRanges>) {
        if self.ticket(id).waiting > 0 && !(at.is_connected)(id) {
            self.set_dormant(id, true);
        } else {
            self.give(at, id, chosen);
        }
    }

    /// Whose turn it is, and the slots that it gets; without those the lowest ones.
    pub(super) fn next_to_grant(&mut self, name: &LockName) -> Option<(TicketId, Option<SlotRanges>)> {
        loop {
            let lock = self.lock(name);
            if let Some(&(_, id, _)) = lock.queue.first_bundle() {
                let fits = self.ticket(id).parts().all(|part| self.lock(part.lock).fits(part.permits));
                return fits.then_some((id, None));
            }
            if lock.queue.has_classes() {
                return self.next_of_classes(name);
            }
            let (_, id) = lock.queue.head()?;
            if lock.caps.is_some()
                && let Some(over) = self.over_cap(id)
            {
                self.pass_over_cap(id, over);
                continue;
            }
            let permits = self.ticket(id).permits;
            return lock.fits(permits).then(|| (id, lock.choose(permits)));
        }
    }

    fn give(&mut self, at: StepContext<'_>, id: TicketId, mut chosen: Option<SlotRanges>) {
        self.meta.last_token += 1;
        let token = self.meta.last_token;
        let ticket = self.ticket(id);
        let (seats, place, selected) = (ticket.seats(), ticket.place(), ticket.selected());
        let (number, waits, has_more) = (ticket.number, ticket.waiting, ticket.more.is_some());
        let waited = at.wall.saturating_sub(ticket.created_at);
        self.queued_bundles -= usize::from(seats.is_bundle());
        for (of, seat) in seats.iter() {
            if seats.is_bundle() {
                chosen = self.lock(&seat.lock).choose(seat.permits);
            }
            let lock = self.lock_mut(&seat.lock);
            lock.queue.remove(&selected, place, seat.wants());
            let (slots, slot_names, count) = lock.give(seat.permits, chosen.take(), id, token);
            let has_cap = lock.caps.is_some();
            let ticket = self.ticket_mut(id);
            ticket.state = State::Granted;
            ticket.token = Some(token);
            ticket.granted_at = Some(at.wall);
            ticket.set_slots(of, slots, slot_names);
            if has_cap {
                self.count_cap(id, &seat.lock, count);
            }
        }
        if has_more {
            self.leave_superseding(id);
        }
        self.restart_lease(id);
        self.mark(Key::Ticket(number, id));
        self.emit_transition(at, id, Transition::Granted { token, waited });
        if waits > 0 {
            self.claim(at, id, waits.into());
            self.served.push(id);
        }
    }
}

impl Lock {
    /// Takes the permits of a ticket out of what can be given, without chosen slots the lowest ones: slots, names, and how many they are.
    fn give(
        &mut self,
        permits: Permits,
        chosen: Option<SlotRanges>,
        id: TicketId,
        token: u64,
    ) -> (SlotRanges, Vec<SlotName>, u64) {
        let count = match permits {
            Permits::Count(count) => u64::from(count),
            Permits::All => self.slots.room(),
        };
        let (slots, slot_names) = match chosen {
            Some(chosen) => self.slots.take_these(chosen),
            None => self.slots.take(count),
        };
        self.active.insert(token, id);
        self.granted += count;
        self.exclusive = permits == Permits::All;
        self.statistics.grants += 1;
        (slots, slot_names, count)
    }

    /// Whether a ticket at the head would get its permits now.
    pub(super) fn fits(&self, permits: Permits) -> bool {
        !self.is_stopped()
            && match permits {
                Permits::Count(count) => u64::from(count) <= self.slots.room(),
                Permits::All => self.slots.out() == 0,
            }
    }
}
