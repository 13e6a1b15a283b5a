//! How often and how long a call is repeated.

use std::time::Duration;

/// Bounds of repeating. A delay is drawn at random between half of a growing step and the whole of it, so that many clients
/// of a server that comes back do not all arrive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Rounds through all servers, the first one included. At least 1.
    pub rounds: u32,
    /// No new round begins later than this after the first.
    pub within: Duration,
    /// First step.
    pub first: Duration,
    /// Longest step.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            rounds: 12,
            within: Duration::from_secs(30),
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
        }
    }
}

impl Retry {
    /// One round, no more.
    pub const ONCE: Self = Self { rounds: 1, within: Duration::ZERO, first: Duration::ZERO, longest: Duration::ZERO };

    /// The pause after that many rounds, `spent` after the first began; nothing when it is enough.
    pub(crate) fn pause(&self, rounds: u32, spent: Duration, server_asks: Option<Duration>) -> Option<Duration> {
        let step = self.first.saturating_mul(1_u32.checked_shl(rounds.saturating_sub(1)).unwrap_or(u32::MAX));
        let pause = server_asks.unwrap_or_default().max(jitter(step)).min(self.longest);
        (rounds < self.rounds && spent + pause <= self.within).then_some(pause)
    }
}

/// Between half of it and the whole.
pub(crate) fn jitter(step: Duration) -> Duration {
    step.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end() {
        let retry = Retry::default();
        for rounds in 1..12 {
            let step = Duration::from_millis(100 << (rounds - 1)).min(retry.longest);
            let pause = retry.pause(rounds, Duration::ZERO, None).unwrap();
            assert!(pause >= step / 2 && pause <= step, "{rounds}: {pause:?}");
        }
        assert_eq!(retry.pause(12, Duration::ZERO, None), None, "by count");
        assert_eq!(retry.pause(40, Duration::ZERO, None), None, "no overflow");
        assert_eq!(retry.pause(1, Duration::from_secs(30), None), None, "by time");
        assert_eq!(retry.pause(1, Duration::ZERO, Some(Duration::from_secs(2))), Some(Duration::from_secs(2)));
        assert_eq!(retry.pause(1, Duration::ZERO, Some(Duration::from_secs(900))), Some(retry.longest));
        assert_eq!(Retry::ONCE.pause(1, Duration::ZERO, None), None);
    }
}
