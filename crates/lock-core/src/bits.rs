//! A set of slots as bits, for the few thousand of a lock whose slots have names: what one selection may take, what is free,
//! what is set aside.

/// A set of slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn insert(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Adds those of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    /// Those that are not in another set.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let word = |at: usize| other.0.get(at).copied().unwrap_or(0);
        Self(self.0.iter().enumerate().map(|(at, own)| own & !word(at)).collect())
    }

    /// Those that are in both.
    pub(crate) fn both(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own & other).collect())
    }

    /// The slots, the lowest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| u32::try_from(at * 64).unwrap_or(u32::MAX) + bit)
        })
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> Self {
        let mut bits = Self::default();
        slots.into_iter().for_each(|slot| bits.insert(slot));
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn as_a_set_has_it(one in prop::collection::btree_set(0_u32..300, 0..40), other in prop::collection::btree_set(0_u32..200, 0..40)) {
            let (left, right): (Bits, Bits) = (one.iter().copied().collect(), other.iter().copied().collect());
            let list = |bits: &Bits| bits.slots().collect::<Vec<_>>();
            let of = |set: BTreeSet<u32>| set.into_iter().collect::<Vec<_>>();
            prop_assert_eq!(list(&left.without(&right)), of(&one - &other));
            prop_assert_eq!(list(&left.both(&right)), of(&one & &other));
            let mut all = left;
            all.add(&right);
            prop_assert_eq!((all.len(), list(&all)), ((&one | &other).len() as u64, of(&one | &other)));
        }
    }
}
