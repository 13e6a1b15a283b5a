//! Values that many rows have in common are kept once in memory.

use crate::store::codec::Scalar;
use std::hash::{BuildHasher, RandomState};

/// Values that are remembered; a power of two.
const PLACES: usize = 4096;

/// The values that came last. One that is forgotten is made anew when it comes again: that costs room, and nothing else.
pub(super) struct Seen<T> {
    /// Each at the place that its hash says.
    values: Vec<Option<T>>,
    hasher: RandomState,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { values: (0..PLACES).map(|_| None).collect(), hasher: RandomState::new() }
    }
}

impl<T: Scalar + Clone> Seen<T> {
    /// The value of a text, which shares its memory with the one before, or what is wrong with it.
    pub(super) fn value(&mut self, text: &str) -> Result<T, String> {
        let place = usize::try_from(self.hasher.hash_one(text) % PLACES as u64).expect("less than that");
        match &self.values[place] {
            Some(known) if known.to_text() == text => Ok(known.clone()),
            _ => {
                let new = T::from_text(text)?;
                self.values[place] = Some(new.clone());
                Ok(new)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn equal_texts_are_one() {
        let mut seen: Seen<Arc<str>> = Seen::default();
        let first = seen.value("a").unwrap();
        for number in 0..3 * PLACES {
            assert_eq!(*seen.value(&number.to_string()).unwrap(), *number.to_string());
        }
        let [again, once_more] = [seen.value("a").unwrap(), seen.value("a").unwrap()];
        assert!(*first == *again && Arc::ptr_eq(&again, &once_more));
    }

    #[test]
    fn what_is_wrong_is_not_kept() {
        let mut seen: Seen<lock_core::LockName> = Seen::default();
        assert!(seen.value("a/b").is_err() && seen.value("a/b").is_err());
        assert!(seen.value("a").is_ok());
    }
}
