//! Caps (rule 16): who has as much of a lock as its owner may have is passed over until some of that comes back, and holds up
//! nobody.

use super::acquire::asked_of;
use super::{Lock, Table};
use crate::caps::Caps;
use crate::{LockName, TicketId};

impl Lock {
    /// Whether that is more than one owner may have.
    pub(super) fn is_over(&self, permits: u64) -> bool {
        self.record.settings.max_per_owner.is_some_and(|cap| permits > u64::from(cap))
    }
}

impl Table {
    /// Whether the grant of this ticket would take its owner over the cap of its lock.
    pub(super) fn is_over_cap(&self, id: TicketId) -> bool {
        let ticket = self.ticket(id);
        let lock = self.lock(&ticket.lock);
        let used = lock.caps.as_ref().map_or(0, |caps| caps.used(&ticket.quota_owner()));
        lock.is_over(used + u64::from(asked_of(ticket.permits, lock.slots.size())))
    }

    /// Passes over a waiter whose owner has as much as it may have.
    pub(super) fn pass_over_cap(&mut self, id: TicketId) {
        let ticket = self.ticket(id);
        let (place, kind, owner, name) = (ticket.place(), ticket.kind(), ticket.quota_owner(), ticket.lock.clone());
        let lock = self.lock_mut(&name);
        lock.queue.set_passed(&kind.1, place, true);
        lock.caps.as_mut().expect("the lock has a cap").pass(owner, kind, place);
    }

    /// The ticket has that many permits now.
    pub(super) fn count_cap(&mut self, id: TicketId, permits: u64) {
        let (owner, name) = (self.ticket(id).quota_owner(), self.ticket(id).lock.clone());
        self.lock_mut(&name).caps.as_mut().expect("the lock has a cap").take(owner, permits);
        self.look_again(id, &name);
    }

    /// The ticket has its permits no longer: its owner's waiters are looked at again.
    pub(super) fn put_back_cap(&mut self, id: TicketId) {
        let ticket = self.ticket(id);
        let (owner, name, permits) = (ticket.quota_owner(), ticket.lock.clone(), crate::ranges::count(&ticket.slots));
        self.lock_mut(&name).caps.as_mut().expect("the lock has a cap").put_back(&owner, permits);
        self.look_again(id, &name);
    }

    /// The ticket has left the queue of this lock, or is dormant or awake: it is not passed over any more.
    pub(super) fn leave_caps(&mut self, id: TicketId, name: &LockName) {
        let ticket = self.ticket(id);
        if self.lock(name).caps.is_some() {
            let (place, kind, owner) = (ticket.place(), ticket.kind(), ticket.quota_owner());
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
        for (kind, place) in caps.worth_a_look(&owner, cap.into(), size) {
            caps.forget(&owner, &kind, place);
            lock.queue.set_passed(&kind.1, place, false);
        }
        self.ripen(name);
    }

    /// Another cap, or none: counts what each owner has, and passes over nobody until the next look.
    pub(super) fn count_caps_anew(&mut self, name: &LockName) {
        let lock = self.lock_mut(name);
        if let Some(caps) = lock.caps.take() {
            caps.passed().for_each(|((_, selected), place)| lock.queue.set_passed(selected, place, false));
        }
        if lock.record.settings.max_per_owner.is_none() {
            return;
        }
        let mut caps = Caps::default();
        for &id in self.lock(name).active.values() {
            let ticket = self.ticket(id);
            caps.take(ticket.quota_owner(), crate::ranges::count(&ticket.slots));
        }
        self.lock_mut(name).caps = Some(Box::new(caps));
    }
}
