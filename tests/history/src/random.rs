//! Random numbers from a seed (SplitMix64), so that a run's faults and clients can be chosen again.

use std::time::Duration;

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of this seed, for this user of it.
    pub(crate) fn new(seed: u64, of: u64) -> Self {
        // Mixed once each: two that are a multiple of the step apart would be one sequence, the one ahead of the other.
        Self(mix(seed) ^ mix(of).rotate_left(32))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something happens that does so in that many of a hundred cases.
    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    /// Milliseconds between these.
    pub(crate) fn ms(&mut self, from: u64, until: u64) -> Duration {
        Duration::from_millis(from + self.below(until - from + 1))
    }

    /// 16 characters.
    pub(crate) fn id(&mut self) -> String {
        format!("{:016x}", self.next())
    }
}

fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::collections::HashSet;

    #[test]
    fn no_two_clients_draw_the_same_ids() {
        let mut seen = HashSet::new();
        for of in 0..50 {
            let mut random = Random::new(7, of);
            assert!((0..1000).all(|_| seen.insert(random.id())), "{of}");
        }
    }
}
