//! The one source of chance: everything that a run does follows from its seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::ops::RangeInclusive;

/// A seeded generator with the few questions that the simulation asks.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True so often in a thousand.
    pub(crate) fn permille(&mut self, chance: u32) -> bool {
        self.0.random_range(0..1000) < chance
    }

    pub(crate) fn from(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.random_range(0..from.len())]
    }

    pub(crate) fn id(&mut self) -> u128 {
        self.0.random_range(1..u128::MAX)
    }
}
