//! Words that many tickets have in common are kept once: addresses, names of keys, and what one client says of each of its jobs.

use std::sync::Arc;

/// Texts that are remembered; a power of two.
const PLACES: usize = 1024;
/// Longer ones are not remembered: together they take a quarter of a megabyte at most.
const BYTES_MAX: usize = 256;

/// The texts that came last. One that is forgotten, because another has its place, costs room when it comes again, and nothing else;
/// so a client that makes texts of one place on purpose costs what it would cost without this.
#[derive(Debug)]
pub(crate) struct SharedTexts(Vec<Option<Arc<str>>>);

impl Default for SharedTexts {
    fn default() -> Self {
        Self(vec![None; PLACES])
    }
}

impl SharedTexts {
    /// The same text, in the memory of the one before if that is still known.
    pub(crate) fn one(&mut self, text: &Arc<str>) -> Arc<str> {
        if text.len() > BYTES_MAX {
            return Arc::clone(text);
        }
        let place = &mut self.0[place_of(text)];
        match place {
            Some(known) if *known == *text => Arc::clone(known),
            _ => Arc::clone(place.insert(Arc::clone(text))),
        }
    }
}

/// FNV-1a: short, and good enough where nothing but room depends on it.
fn place_of(text: &str) -> usize {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    usize::try_from(hash % PLACES as u64).expect("less than that")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_until_another_has_the_place() {
        let mut shared = SharedTexts::default();
        let first = shared.one(&Arc::from("backup of db1"));
        assert!(Arc::ptr_eq(&first, &shared.one(&Arc::from("backup of db1"))));
        for number in 0..10 * PLACES {
            let text: Arc<str> = Arc::from(number.to_string());
            assert_eq!(shared.one(&text), text);
        }
        assert_eq!(shared.one(&Arc::from("backup of db1")), first);
        let long: Arc<str> = Arc::from("x".repeat(BYTES_MAX + 1));
        assert!(Arc::ptr_eq(&shared.one(&long), &long));
        assert!(shared.0.iter().flatten().all(|text| text.len() <= BYTES_MAX));
    }
}
