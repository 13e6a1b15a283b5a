//! What each owner has of a lock with a cap, and which of its waiters are passed over (rule 16).

use crate::QuotaOwner;
use crate::queue::{Place, Selected};
use std::collections::{BTreeMap, BTreeSet};

/// The owners of one lock who have permits of it, or waiters that are passed over.
#[derive(Debug, Default)]
pub(crate) struct Caps {
    owners: BTreeMap<QuotaOwner, Share>,
}

#[derive(Debug, Default)]
struct Share {
    permits: u64,
    /// Waiters that are passed over, by what they ask for.
    passed: BTreeMap<Kind, BTreeSet<Place>>,
}

/// Permits that a ticket asks for, 0 is "all", and slots that it selects.
pub(crate) type Kind = (u32, Selected);

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
    pub(crate) fn pass(&mut self, owner: QuotaOwner, kind: Kind, place: Place) {
        self.owners.entry(owner).or_default().passed.entry(kind).or_default().insert(place);
    }

    /// A waiter is passed over no longer, if it was: it leaves its place, or is looked at again.
    pub(crate) fn forget(&mut self, owner: &QuotaOwner, kind: &Kind, place: Place) {
        self.change(owner, |share| {
            if let Some(places) = share.passed.get_mut(kind) {
                places.remove(&place);
                if places.is_empty() {
                    share.passed.remove(kind);
                }
            }
        });
    }

    /// Of the owner's waiters that are passed over, the first of each that ask for the same, if that is within the room that it has. `all` is what "all" asks for.
    pub(crate) fn worth_a_look(&self, owner: &QuotaOwner, cap: u64, all: u32) -> Vec<(Kind, Place)> {
        let Some(share) = self.owners.get(owner) else { return Vec::new() };
        let room = cap.saturating_sub(share.permits);
        let fits = |wants: u32| u64::from(if wants == 0 { all } else { wants }) <= room;
        let kinds = share.passed.iter().take_while(|((wants, _), _)| u64::from(*wants) <= room);
        let kinds = kinds.filter(|((wants, _), _)| fits(*wants));
        kinds.filter_map(|(kind, places)| Some((kind.clone(), *places.first()?))).collect()
    }

    /// Every waiter that is passed over.
    pub(crate) fn passed(&self) -> impl Iterator<Item = (&Kind, Place)> + '_ {
        let all = self.owners.values().flat_map(move |share| share.passed.iter());
        all.flat_map(|(kind, places)| places.iter().map(move |place| (kind, *place)))
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
