//! Whose share something counts against; and a bounded memory that several owners share: at its bound the owner who has most in it gives up its own oldest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The key or network whose tickets, instances and remembered records count against one bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QuotaOwner {
    Key(Arc<str>),
    /// The network of an address, as [`crate::network_name`] has it.
    Address(Arc<str>),
}

impl QuotaOwner {
    pub(crate) fn of(owner: Option<&Arc<str>>, from: &Arc<str>) -> Self {
        owner.map_or_else(|| Self::Address(crate::network_name(from)), |owner| Self::Key(owner.clone()))
    }
}

/// What is remembered, by owner and in the order of its age: the smallest `T` is the oldest. It knows no bound itself. Every
/// operation costs the logarithm of what is in it.
#[derive(Debug)]
pub struct Shares<O, T> {
    of: BTreeMap<O, BTreeSet<T>>,
    /// How much each owner has and what its oldest is: the last one makes room first. Of those who have equally much that is the
    /// one whose oldest is older.
    sizes: BTreeSet<(usize, Reverse<T>, O)>,
    len: usize,
}

impl<O, T> Default for Shares<O, T> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), sizes: BTreeSet::new(), len: 0 }
    }
}

impl<O: Ord + Clone, T: Ord + Clone> Shares<O, T> {
    /// Remembers something of an owner. False if that was there already.
    pub fn insert(&mut self, owner: &O, what: T) -> bool {
        self.change(owner, |all| all.insert(what))
    }

    /// Forgets it. False if it was not there.
    pub fn remove(&mut self, owner: &O, what: &T) -> bool {
        self.change(owner, |all| all.remove(what))
    }

    fn change(&mut self, owner: &O, change: impl FnOnce(&mut BTreeSet<T>) -> bool) -> bool {
        let size = |all: &BTreeSet<T>| all.first().map(|first| (all.len(), Reverse(first.clone()), owner.clone()));
        let all = self.of.entry(owner.clone()).or_default();
        let (before, len) = (size(all), all.len());
        let changed = change(all);
        let after = size(all);
        self.len = self.len - len + all.len();
        if let Some(before) = before {
            self.sizes.remove(&before);
        }
        match after {
            Some(after) => drop(self.sizes.insert(after)),
            None => drop(self.of.remove(owner)),
        }
        changed
    }

    /// How much is remembered of everybody.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How much is remembered of this owner.
    #[must_use]
    pub fn of(&self, owner: &O) -> usize {
        self.of.get(owner).map_or(0, BTreeSet::len)
    }

    /// What has to go for one more of this owner: its own oldest if nobody has more than it, otherwise the oldest of the owner that
    /// has most. `None` if nothing is remembered.
    #[must_use]
    pub fn makes_room(&self, newcomer: &O) -> Option<(&O, &T)> {
        let (most, Reverse(oldest), owner) = self.sizes.last()?;
        match self.of.get_key_value(newcomer) {
            Some((newcomer, own)) if own.len() >= *most => Some((newcomer, own.first()?)),
            _ => Some((owner, oldest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUND: usize = 12;

    proptest! {
        /// Beside a plain list: nobody below an equal share ever loses anything to somebody else.
        #[test]
        fn as_a_plain_list_has_it(acts in prop::collection::vec((0_u8..5, 0_u8..6), 0..300)) {
            let mut shares: Shares<u8, u32> = Shares::default();
            let mut list: Vec<(u32, u8)> = Vec::new();
            for (age, (owner, act)) in (0_u32..).zip(acts) {
                let count = |list: &[(u32, u8)], one: u8| list.iter().filter(|(_, owner)| *owner == one).count();
                if act == 0 {
                    if let Some(index) = list.iter().position(|(_, one)| *one == owner) {
                        prop_assert!(shares.remove(&owner, &list.remove(index).0));
                    }
                } else {
                    if list.len() >= BOUND {
                        let (loses, oldest) = shares.makes_room(&owner).map(|(one, what)| (*one, *what)).unwrap();
                        let most = (0..5).map(|one| count(&list, one)).max().unwrap();
                        prop_assert_eq!(count(&list, loses), most);
                        prop_assert!(loses == owner || count(&list, owner) < most);
                        let first = list.iter().position(|(_, one)| *one == loses).unwrap();
                        prop_assert_eq!(list.remove(first).0, oldest);
                        prop_assert!(shares.remove(&loses, &oldest));
                    }
                    prop_assert!(shares.insert(&owner, age));
                    list.push((age, owner));
                }
                prop_assert_eq!(shares.len(), list.len());
                for one in 0..5 {
                    prop_assert_eq!(shares.of(&one), count(&list, one));
                }
            }
        }
    }
}
