//! The grant (rules 1, 2, 3, 5): the only place where permits leave the lock.

use super::{StepContext, Table};
use crate::event::Transition;
use crate::{EndedAs, LockName, Permits, SlotRanges, State, TicketId, ranges};

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
        if self.lock(name).queue.has_bundles()
            && let Some(&(_, id, _)) = self.lock(name).queue.first_bundle()
        {
            let fits = self.ticket(id).parts().all(|part| self.fits(part.lock, part.permits));
            return fits.then_some((id, None));
        }
        if self.lock(name).queue.has_classes() {
            return self.next_of_classes(name);
        }
        loop {
            let lock = self.lock(name);
            let (_, id) = lock.queue.head()?;
            if lock.caps.is_some()
                && let Some(over) = self.over_cap(id)
            {
                self.pass_over_cap(id, over);
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

    fn give(&mut self, at: StepContext<'_>, id: TicketId, mut chosen: Option<SlotRanges>) {
        self.meta.last_token += 1;
        let token = self.meta.last_token;
        self.leave_queues(id);
        let ticket = self.ticket_mut(id);
        let (waits, has_more) = (ticket.waiting, ticket.more.is_some());
        ticket.state = State::Granted;
        ticket.token = Some(token);
        ticket.granted_at = Some(at.wall);
        let waited = at.wall.saturating_sub(ticket.created_at);
        self.for_each_lock(id, |table, of, name| table.give_of(name, id, of, token, chosen.take()));
        if has_more {
            self.leave_superseding(id);
        }
        self.restart_lease(id);
        self.mark_ticket(id);
        self.emit_transition(at, id, Transition::Granted { token, waited });
        if waits > 0 {
            self.claim(at, id);
            self.for_each_lock(id, |table, _, name| table.lock_mut(name).statistics.got += u64::from(waits));
            self.served.push(id);
        }
    }

    /// Gives what the ticket asks for of its `of`th lock.
    fn give_of(&mut self, name: &LockName, id: TicketId, of: usize, token: u64, chosen: Option<SlotRanges>) {
        let ticket = self.ticket(id);
        let permits = ticket.part_at(of).permits;
        let chosen = if ticket.is_bundle() { self.lock(name).choose(permits) } else { chosen };
        let lock = self.lock_mut(name);
        let (slots, slot_names) = match (chosen, permits) {
            (Some(chosen), _) => lock.slots.take_these(chosen),
            (None, Permits::Count(count)) => lock.slots.take(count.into()),
            (None, Permits::All) => lock.slots.take(lock.slots.room()),
        };
        let count = ranges::count(&slots);
        lock.active.insert(token, id);
        lock.granted += count;
        lock.exclusive = permits == Permits::All;
        lock.statistics.grants += 1;
        let has_cap = lock.caps.is_some();
        self.ticket_mut(id).set_slots(of, slots, slot_names);
        if has_cap {
            self.count_cap(id, name, count);
        }
    }
}
