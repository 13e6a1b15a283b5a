//! Caps (rule 16): who has as much of a lock as its owner may have is passed over until some of that comes back, and holds up
//! nobody.

use super::acquire::asked_of;
use super::{Lock, Table};
use crate::caps::Caps;
use crate::queue::{Place, Selected};
use crate::{LockName, TicketId};

impl Lock {
    /// Whether that is more than one owner may have.
    pub(super) fn is_over(&self, permits: u64) -> bool {
        self.record.settings.max_per_owner.is_some_and(|cap| permits > u64::from(cap))
    }
}

impl Table {
    /// Which of its locks has a cap that the grant of this ticket would take its owner over; the first of them.
    pub(super) fn over_cap(&self, id: TicketId) -> Option<usize> {
        let ticket = self.ticket(id);
        ticket.parts().position(|part| {
            let lock = self.lock(part.lock);
            lock.caps.as_ref().is_some_and(|caps| {
                let asked = asked_of(part.permits, lock.slots.size());
                lock.is_over(caps.used(&ticket.quota_owner()) + u64::from(asked))
            })
        })
    }

    /// Passes over a waiter whose owner has as much of its `at`th lock as it may have: in all of its locks.
    pub(super) fn pass_over_cap(&mut self, id: TicketId, at: usize) {
        let ticket = self.ticket(id);
        let (place, kind, owner, seats) = (ticket.place(), ticket.kind(at), ticket.quota_owner(), ticket.seats());
        let name = ticket.part_at(at).lock.clone();
        for (_, seat) in seats.iter() {
            self.lock_mut(&seat.lock).queue.set_passed(&kind.1, place, true);
        }
        self.lock_mut(&name).caps.as_mut().expect("the lock has a cap").pass(owner, kind, place);
    }

    /// The ticket has that many permits of this lock now.
    pub(super) fn count_cap(&mut self, id: TicketId, name: &LockName, permits: u64) {
        let owner = self.ticket(id).quota_owner();
        self.lock_mut(name).caps.as_mut().expect("the lock has a cap").take(owner, permits);
        self.look_again(id, name);
    }

    /// The ticket has those permits of this lock no longer: its owner's waiters are looked at again.
    pub(super) fn put_back_cap(&mut self, id: TicketId, name: &LockName, permits: u64) {
        let owner = self.ticket(id).quota_owner();
        self.lock_mut(name).caps.as_mut().expect("the lock has a cap").put_back(&owner, permits);
        self.look_again(id, name);
    }

    /// The ticket has left the queue of its `at`th lock, or is dormant or awake: it is not passed over any more.
    pub(super) fn leave_caps(&mut self, id: TicketId, at: usize, name: &LockName) {
        let ticket = self.ticket(id);
        if self.lock(name).caps.is_some() {
            let (place, kind, owner) = (ticket.place(), ticket.kind(at), ticket.quota_owner());
            self.lock_mut(name).caps.as_mut().expect("just looked at").forget(&owner, &kind, place);
            self.look_again(id, name);
        }
    }

    /// Of the waiters of this ticket's owner, the first of each that ask for the same is passed over no longer, if it may
    /// have them. When it leaves its place or is granted, it is the next one's turn: so the first that may be served is never
    /// passed over, however many there are.
    fn look_again(&mut self, id: TicketId, name: &LockName) {
        let owner = self.ticket(id).quota_owner();
        let lock = self.lock_mut(name);
        let (cap, size) = (lock.record.settings.max_per_owner, lock.slots.size());
        let (Some(caps), Some(cap)) = (&mut lock.caps, cap) else { return };
        let again = caps.worth_a_look(&owner, cap.into(), size);
        again.iter().for_each(|(kind, place)| caps.forget(&owner, kind, *place));
        for ((_, selected), place) in again {
            self.pass_no_longer(name, &selected, place);
        }
        self.ripen(name);
    }

    /// The waiter at that place is not passed over any more: in all of its locks, of which this is one.
    fn pass_no_longer(&mut self, name: &LockName, selected: &Selected, place: Place) {
        let Selected::Bundle(bundle) = selected else {
            return self.lock_mut(name).queue.set_passed(selected, place, false);
        };
        for name in bundle.locks() {
            self.lock_mut(name).queue.set_passed(selected, place, false);
            self.ripen(name);
        }
    }

    /// Another cap, or none: counts what each owner has, and passes over nobody until the next look.
    pub(super) fn count_caps_anew(&mut self, name: &LockName) {
        if let Some(caps) = self.lock_mut(name).caps.take() {
            caps.passed().for_each(|((_, selected), place)| self.pass_no_longer(name, selected, place));
        }
        if self.lock(name).record.settings.max_per_owner.is_none() {
            return;
        }
        let mut caps = Caps::default();
        for &id in self.lock(name).active.values() {
            let ticket = self.ticket(id);
            let part = ticket.part(name).expect("it has permits of the lock");
            caps.take(ticket.quota_owner(), crate::ranges::count(part.slots));
        }
        self.lock_mut(name).caps = Some(Box::new(caps));
    }
}
