//! What each owner has of a lock with a cap, and which of its waiters are passed over (rule 16).

use crate::QuotaOwner;
use crate::queue::Place;
use std::collections::{BTreeMap, BTreeSet};

/// The owners of one lock who have permits of it, or waiters that are passed over.
#[derive(Debug, Default)]
pub(crate) struct Caps {
    owners: BTreeMap<QuotaOwner, Share>,
}

#[derive(Debug, Default)]
struct Share {
    permits: u64,
    /// Waiters that are passed over, by what they ask for; 0 is "all".
    passed: BTreeMap<u32, BTreeSet<Place>>,
}

impl Caps {
    /// Permits that the owner has.
    pub(crate) fn used(&self, owner: &QuotaOwner) -> u64 {
        self.owners.get(owner).map_or(0, |share| share.permits)
    }

    /// The owner has that many more.
    pub(crate) fn take(&mut self, owner: QuotaOwner, permits: u64) {
        self.owners.entry(owner).or_default().permits += permits;
    }

    /// The owner has that many less.
    pub(crate) fn put_back(&mut self, owner: &QuotaOwner, permits: u64) {
        self.change(owner, |share| share.permits -= permits);
    }

    /// A waiter of the owner is passed over.
    pub(crate) fn pass(&mut self, owner: QuotaOwner, wants: u32, place: Place) {
        self.owners.entry(owner).or_default().passed.entry(wants).or_default().insert(place);
    }

    /// A waiter is passed over no longer, if it was: it leaves its place, or is looked at again.
    pub(crate) fn forget(&mut self, owner: &QuotaOwner, wants: u32, place: Place) {
        self.change(owner, |share| {
            if let Some(places) = share.passed.get_mut(&wants) {
                places.remove(&place);
                if places.is_empty() {
                    share.passed.remove(&wants);
                }
            }
        });
    }

    /// Of the owner's waiters that are passed over, the first of each that ask for equally many permits, if those are within the
    /// room that it has. `all` is what "all" asks for.
    pub(crate) fn worth_a_look(&self, owner: &QuotaOwner, cap: u64, all: u32) -> Vec<(u32, Place)> {
        let Some(share) = self.owners.get(owner) else { return Vec::new() };
        let room = cap.saturating_sub(share.permits);
        let fits = |wants: u32| u64::from(if wants == 0 { all } else { wants }) <= room;
        let kinds = share.passed.range(..=u32::try_from(room).unwrap_or(u32::MAX)).filter(|(wants, _)| fits(**wants));
        kinds.filter_map(|(&wants, places)| Some((wants, *places.first()?))).collect()
    }

    /// Every waiter that is passed over.
    pub(crate) fn passed(&self) -> impl Iterator<Item = Place> + '_ {
        self.owners.values().flat_map(|share| share.passed.values().flatten().copied())
    }

    /// What each owner has, for who has counted it anew.
    pub(crate) fn permits(&self) -> impl Iterator<Item = (&QuotaOwner, u64)> {
        self.owners.iter().map(|(owner, share)| (owner, share.permits)).filter(|(_, permits)| *permits > 0)
    }

    fn change(&mut self, owner: &QuotaOwner, change: impl FnOnce(&mut Share)) {
        let Some(share) = self.owners.get_mut(owner) else { return };
        change(share);
        if share.permits == 0 && share.passed.is_empty() {
            self.owners.remove(owner);
        }
    }
}
