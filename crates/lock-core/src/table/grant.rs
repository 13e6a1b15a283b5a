//! The grant (rules 1, 2, 3, 5): the only place where permits leave the lock.

use super::{StepContext, Table};
use crate::event::Transition;
use crate::{EndedAs, LockName, Permits, SlotRanges, State, TicketId};

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
        while let Some(name) = self.ripe.pop_first() {
            if !self.end_oversized(at, &name) {
                self.unfinished.insert(name.clone());
            }
            // The end of its last waiter may have removed it.
            if self.locks.contains_key(&name) {
                self.feed_withholdings(&name);
                self.grant(at, &name);
                self.ripe.remove(&name);
            }
        }
    }

    /// Ends waiters that ask for more than the size or the cap, if the step may end as many. Both are durable, so which they are
    /// follows from them, however many there are and wherever a crash fell.
    fn end_oversized(&mut self, at: StepContext<'_>, name: &LockName) -> bool {
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
    fn grant(&mut self, at: StepContext<'_>, name: &LockName) {
        while let Some((id, chosen)) = self.next_to_grant(name) {
            // The last look before a permit is given away: is the client that waits for it still connected?
            if self.ticket(id).waiting > 0 && !(at.is_connected)(id) {
                self.set_dormant(id, true);
                continue;
            }
            self.give(at, name, id, chosen);
        }
    }

    /// Whose turn it is, and the slots that it gets; without those the lowest ones.
    fn next_to_grant(&mut self, name: &LockName) -> Option<(TicketId, Option<SlotRanges>)> {
        if self.lock(name).queue.has_classes() {
            return self.next_of_classes(name);
        }
        loop {
            let lock = self.lock(name);
            let (_, id) = lock.queue.head()?;
            if lock.caps.is_some() && self.is_over_cap(id) {
                self.pass_over_cap(id);
                continue;
            }
            let permits = self.ticket(id).permits;
            return self.fits(name, permits).then(|| (id, self.lock(name).choose(permits)));
        }
    }

    /// Whether a ticket at the head would get its permits now.
    pub(super) fn fits(&self, name: &LockName, permits: Permits) -> bool {
        let lock = self.lock(name);
        !lock.is_stopped()
            && match permits {
                Permits::Count(count) => u64::from(count) <= lock.slots.room(),
                Permits::All => lock.slots.out() == 0,
            }
    }

    fn give(&mut self, at: StepContext<'_>, name: &LockName, id: TicketId, chosen: Option<SlotRanges>) {
        self.meta.last_token += 1;
        let token = self.meta.last_token;
        let ticket = self.ticket(id);
        let (place, wants, permits, waits) = (ticket.place(), ticket.wants(), ticket.permits, ticket.waiting);
        let selected = ticket.selected();
        let lock = self.lock_mut(name);
        lock.queue.remove(&selected, place, wants);
        let has_cap = lock.caps.is_some();
        let count = match permits {
            Permits::Count(count) => u64::from(count),
            Permits::All => lock.slots.room(),
        };
        let (slots, slot_names) = match chosen {
            Some(chosen) => lock.slots.take_these(chosen),
            None => lock.slots.take(count),
        };
        lock.active.insert(token, id);
        lock.granted += count;
        lock.exclusive = permits == Permits::All;
        lock.statistics.grants += 1;
        let ticket = self.ticket_mut(id);
        ticket.state = State::Granted;
        ticket.token = Some(token);
        ticket.slots = slots;
        ticket.slot_names = slot_names;
        ticket.granted_at = Some(at.wall);
        let waited = at.wall.saturating_sub(ticket.created_at);
        let has_more = ticket.more.is_some();
        if has_cap {
            self.count_cap(id, count);
        }
        if has_more {
            self.leave_superseding(id);
        }
        self.restart_lease(id);
        self.mark_ticket(id);
        self.emit_transition(at, id, Transition::Granted { token, waited });
        if waits > 0 {
            self.claim(at, id);
            self.lock_mut(name).statistics.got += u64::from(waits);
            self.served.push(id);
        }
    }
}
