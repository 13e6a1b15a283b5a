//! Bundles: which is first in all of its queues, and the order of grants (rule 13).

use super::{Naive, Ticket, owner_of};
use lock_core::*;

/// See [`Naive::condition`].
pub(crate) const CONDITIONS: [&str; 8] = [
    "over",
    "granted",
    "held",
    "dormant",
    "over a cap",
    "not first in all",
    "first in all and holds up others",
    "first in all",
];

impl Naive {
    /// Whether everything before a bundle is passed over in each of its queues: what is not in line, and bundles of which the same is not true.
    pub(crate) fn is_first(&self, bundle: &Ticket) -> bool {
        let passes = |other: &&Ticket| !self.in_line(other) || (other.rec.is_bundle() && !self.is_first(other));
        self.in_line(bundle)
            && bundle.rec.parts().all(|part| {
                let queue = self.queue(part.lock);
                !self.is_paused(part.lock) && queue.iter().take_while(|one| one.rec.id != bundle.rec.id).all(passes)
            })
    }

    /// Which of the conditions a bundle is in.
    pub(crate) fn condition(&self, bundle: &Ticket) -> &'static str {
        let behind = |part: PartRef<'_>| {
            let queue = self.queue(part.lock);
            queue.iter().rev().take_while(|one| one.rec.id != bundle.rec.id).any(|one| self.in_line(one))
        };
        match bundle.rec.state {
            State::Ended { .. } => "over",
            State::Granted => "granted",
            State::Held => "held",
            State::Queued { dormant: true } => "dormant",
            State::Queued { .. } if !self.in_line(bundle) => "over a cap",
            State::Queued { .. } if !self.is_first(bundle) => "not first in all",
            State::Queued { .. } if bundle.rec.parts().any(behind) => "first in all and holds up others",
            State::Queued { .. } => "first in all",
        }
    }

    pub(crate) fn is_paused(&self, name: &LockName) -> bool {
        self.locks.iter().any(|lock| lock.rec.name == *name && lock.rec.pause.is_some())
    }

    /// Whether so many permits of a lock can be given.
    fn fits(&self, name: &LockName, permits: Permits) -> bool {
        let out = self.out(name).len();
        let enough = match permits {
            Permits::Count(count) => out + count as usize <= self.settings(name).size() as usize,
            Permits::All => out == 0,
        };
        enough && !self.is_paused(name) && !self.exclusive(name)
    }

    /// Whether a new bundle would get what it asks for of this lock.
    pub(crate) fn would_fit(&self, caller: &Caller, priority: i8, name: &LockName, permits: Permits) -> bool {
        let before = self.queue(name).into_iter().filter(|other| other.rec.priority >= priority);
        let in_its_way = |other: &Ticket| self.in_line(other) && (!other.rec.is_bundle() || self.is_first(other));
        let owner = owner_of(caller.owner.as_ref(), &caller.from);
        !before.into_iter().any(in_its_way) && self.fits(name, permits) && self.is_within_cap(&owner, name, permits)
    }

    /// Rules 2, 3 and 13 in all locks: of everybody who can be granted something the first, again and again.
    pub(crate) fn grant_connected(&mut self) {
        loop {
            let names: Vec<LockName> = self.locks.iter().map(|lock| lock.rec.name.clone()).collect();
            let alone = names.iter().filter_map(|name| {
                let (id, taken) = self.turn(name, None)?;
                Some((id?, vec![(name.clone(), taken)]))
            });
            let bundles = self.tickets.iter().filter(|one| one.rec.is_bundle() && self.is_first(one));
            let bundles = bundles.filter(|one| one.rec.parts().all(|part| self.fits(part.lock, part.permits)));
            let bundles = bundles.map(|one| {
                let slots = |part: PartRef<'_>| (part.lock.clone(), self.plainest(part.lock, part.permits));
                (one.rec.id, one.rec.parts().map(slots).collect())
            });
            let place = |id: TicketId| {
                let record = &self.find(id).expect("a ticket").rec;
                (-i32::from(record.priority), record.seq)
            };
            let Some((id, taken)) = alone.chain(bundles).min_by_key(|(id, _)| place(*id)) else { return };
            self.give(id, &taken);
        }
    }
}
