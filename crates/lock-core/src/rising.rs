//! A map whose keys are given in order and once: numbers of tickets. It has no room between its entries, where a tree that grows
//! at its end is half empty; and there may be a million of them.

use std::ops::Index;

/// Values by rising keys. To find one costs the logarithm of their number; to add or remove one costs O(1), counted over many,
/// for what is gone is swept out when it is the larger half.
#[derive(Debug)]
pub(crate) struct Rising<V> {
    keys: Vec<u64>,
    values: Vec<V>,
    gone: Vec<bool>,
    live: usize,
}

impl<V> Default for Rising<V> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), gone: Vec::new(), live: 0 }
    }
}

impl<V> FromIterator<(u64, V)> for Rising<V> {
    /// # Panics
    /// If the keys do not rise.
    fn from_iter<I: IntoIterator<Item = (u64, V)>>(entries: I) -> Self {
        let (keys, values): (Vec<u64>, Vec<V>) = entries.into_iter().unzip();
        assert!(keys.is_sorted_by(|one, next| one < next), "keys rise");
        let live = keys.len();
        Self { keys, values, gone: vec![false; live], live }
    }
}

impl<V> Index<&u64> for Rising<V> {
    type Output = V;

    fn index(&self, key: &u64) -> &V {
        self.get(key).expect("a key from the table's own lists")
    }
}

impl<V> Rising<V> {
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Adds an entry behind all others.
    pub(crate) fn push(&mut self, key: u64, value: V) {
        assert!(self.keys.last().is_none_or(|&last| last < key), "keys rise");
        self.keys.push(key);
        self.values.push(value);
        self.gone.push(false);
        self.live += 1;
    }

    fn at(&self, key: u64) -> Option<usize> {
        self.keys.binary_search(&key).ok().filter(|&at| !self.gone[at])
    }

    pub(crate) fn get(&self, key: &u64) -> Option<&V> {
        self.at(*key).map(|at| &self.values[at])
    }

    pub(crate) fn contains_key(&self, key: &u64) -> bool {
        self.at(*key).is_some()
    }

    /// False if it was not there.
    pub(crate) fn remove(&mut self, key: u64) -> bool {
        let Some(at) = self.at(key) else { return false };
        self.gone[at] = true;
        self.live -= 1;
        if self.live < self.keys.len() / 2 && self.keys.len() > 64 {
            self.sweep();
        }
        true
    }

    fn sweep(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        let (mut keys, mut values) = (gone.iter(), gone.iter());
        self.keys.retain(|_| keys.next() == Some(&false));
        self.values.retain(|_| values.next() == Some(&false));
        self.gone = vec![false; self.live];
        self.keys.shrink_to(self.live * 2);
        self.values.shrink_to(self.live * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn as_a_map_has_it(begin in 0_usize..100, acts in prop::collection::vec((0_u64..3, any::<prop::sample::Index>()), 0..400)) {
            let mut model: BTreeMap<u64, u64> = (0..begin as u64).map(|key| (key * 3, key)).collect();
            let mut rising: Rising<u64> = model.iter().map(|(&key, &value)| (key, value)).collect();
            let mut last = begin as u64 * 3;
            for (act, pick) in acts {
                if act == 0 {
                    last += 2;
                    rising.push(last, act);
                    model.insert(last, act);
                } else {
                    let key = pick.index(usize::try_from(last + 2).unwrap()) as u64;
                    prop_assert_eq!(rising.contains_key(&key), model.contains_key(&key));
                    let removed = model.remove(&key).is_some();
                    prop_assert_eq!(rising.remove(key), removed);
                    prop_assert_eq!(rising.get(&key), None);
                    let is_swept = rising.keys.len() <= 64.max(2 * rising.len() + 1);
                    prop_assert!(!removed || is_swept, "what is gone is swept out");
                }
                prop_assert_eq!(rising.len(), model.len());
                prop_assert!(model.iter().all(|(key, value)| rising[key] == *value));
            }
        }
    }
}
