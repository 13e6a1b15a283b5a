//! Bundles (rule 13): which of them is first in all of its queues, and the order of grants where they connect locks.
//!
//! A bundle is passed over until everything before it is passed over in each of its queues. So earlier places alone decide whether it is
//! first. A change is therefore followed in the order of places, and each line of bundles is looked at once at most. In each line only the head
//! can be first: everything before the head of a line is before everybody else in it.

use super::{StepContext, Table};
use crate::queue::{Bundle, BundleHead, Place};
use crate::{LockName, TicketId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bundles that are to be looked at, in the order of their places.
type Heads = BTreeMap<Place, (TicketId, Arc<Bundle>)>;

/// In which locks something can be granted, and to which place: the first place is served first, whatever the locks are called.
#[derive(Default)]
struct Turns {
    by_place: BTreeSet<(Place, LockName)>,
    by_lock: BTreeMap<LockName, Place>,
}

impl Turns {
    fn set(&mut self, name: LockName, place: Option<Place>) {
        let before = match place {
            Some(place) => self.by_lock.insert(name.clone(), place),
            None => self.by_lock.remove(&name),
        };
        if let Some(before) = before {
            self.by_place.remove(&(before, name.clone()));
        }
        if let Some(place) = place {
            self.by_place.insert((place, name));
        }
    }

    fn first(&self) -> Option<LockName> {
        self.by_place.first().map(|(_, name)| name.clone())
    }
}

impl Table {
    /// Does what [`Table::grant_ripe`] does while bundles wait. Locks without one are served by themselves. The others are served together: a
    /// grant in one may make a bundle the first in all of its queues, which holds up somebody in another.
    pub(super) fn grant_in_order(&mut self, at: StepContext<'_>) {
        let mut ripe = BTreeSet::new();
        while let Some(name) = self.ripe.pop_first() {
            if !self.end_oversized(at, &name) {
                self.unfinished.insert(name.clone());
            }
            ripe.insert(name);
        }
        // The end of its last waiter may have removed one.
        ripe.retain(|name| self.locks.contains_key(name));
        let mut connected = BTreeSet::new();
        for name in ripe {
            self.feed_withholdings(&name);
            if self.lock(&name).queue.has_bundles() {
                connected.insert(name);
            } else {
                self.grant(at, &name);
            }
        }
        self.ripe = connected;
        let mut turns = Turns::default();
        loop {
            for name in self.find_first_bundles() {
                let next = self.next_to_grant(&name).map(|(id, _)| self.ticket(id).place());
                turns.set(name, next);
            }
            let Some(name) = turns.first() else { break };
            let (id, chosen) = self.next_to_grant(&name).expect("nothing has changed in it since");
            self.give_if_connected(at, id, chosen);
            for (_, seat) in self.ticket(id).seats().iter() {
                self.ripen(&seat.lock);
            }
        }
    }

    /// Finds out anew which bundles are first in all of their queues, after something has changed in the ripe locks. The result are those,
    /// and all locks in which that makes a difference: they may have something to grant now.
    fn find_first_bundles(&mut self) -> BTreeSet<LockName> {
        let mut changed = self.pass_heads_over_caps();
        let mut heads = Heads::new();
        for name in &changed {
            let queue = &mut self.lock_mut(name).queue;
            queue.check_first_bundle();
            heads.extend(queue.bundle_heads().map(|(place, id, bundle)| (place, (id, bundle.clone()))));
        }
        while let Some((place, (id, bundle))) = heads.pop_first() {
            let is_first = bundle.locks().all(|name| self.is_first_in(name, place));
            let was_first = |name| self.lock(name).queue.first_bundle().is_some_and(|(first, ..)| *first == place);
            let is_known = match is_first {
                true => bundle.locks().all(was_first),
                false => !bundle.locks().any(was_first),
            };
            if is_known {
                continue;
            }
            for name in bundle.locks() {
                match is_first {
                    true => heads.extend(self.set_first_bundle(name, (place, id, bundle.clone()))),
                    false => heads.extend(self.unset_first_bundle(name, place)),
                }
                changed.insert(name.clone());
            }
        }
        changed
    }

    /// Passes over every first in line of the ripe locks whose owner has as much as it may have. The result are those locks, and all
    /// others in which that makes a difference.
    fn pass_heads_over_caps(&mut self) -> BTreeSet<LockName> {
        let ripe = std::mem::take(&mut self.ripe);
        let mut changed = ripe.clone();
        for name in ripe {
            while let Some((id, over)) = self.head_over_cap(&name) {
                self.pass_over_cap(id, over);
                changed.extend(self.ticket(id).parts().map(|part| part.lock.clone()));
            }
        }
        changed
    }

    /// A first in line whose owner would be over a cap, and of which of its locks.
    fn head_over_cap(&self, name: &LockName) -> Option<(TicketId, usize)> {
        let queue = &self.lock(name).queue;
        let alone = queue.heads().map(|(_, id, _)| id);
        let bundles = queue.bundle_heads().map(|(_, id, _)| id);
        alone.chain(bundles).find_map(|id| Some((id, self.over_cap(id)?)))
    }

    /// Whether everything before this place, at which a bundle stands, is passed over in the queue of that lock, and the lock grants at all. A
    /// holder of all permits is waited for as for any other.
    fn is_first_in(&self, name: &LockName, place: Place) -> bool {
        let lock = self.lock(name);
        let is_before = |other: Place| other < place;
        lock.record.pause.is_none()
            && !lock.deleting
            && !lock.queue.head_alone().is_some_and(|(head, _)| is_before(head))
            && !lock.queue.first_bundle().is_some_and(|(first, ..)| is_before(*first))
    }

    /// Has a bundle be the first in this queue. The one that was it until now is to be looked at.
    fn set_first_bundle(&mut self, name: &LockName, first: BundleHead) -> Option<(Place, (TicketId, Arc<Bundle>))> {
        let place = first.0;
        let before = self.lock_mut(name).queue.set_first_bundle(Some(first))?;
        (before.0 != place).then_some((before.0, (before.1, before.2)))
    }

    /// The bundle at this place is not first in this queue any more. Those behind it are to be looked at.
    fn unset_first_bundle(&mut self, name: &LockName, place: Place) -> Heads {
        let queue = &mut self.lock_mut(name).queue;
        if queue.first_bundle().is_some_and(|(first, ..)| *first == place) {
            queue.set_first_bundle(None);
        }
        let behind = queue.bundle_heads().filter(|(head, ..)| *head > place);
        behind.map(|(head, id, bundle)| (head, (id, bundle.clone()))).collect()
    }
}
