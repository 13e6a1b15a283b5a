//! Service time: the milliseconds during which the service ran (rule 9).

use lock_core::{Ms, StepContext, TicketId, WallMs};

/// The longest gap between two looks at the clock that counts in full.
const GAP_MAX_MS: u64 = 2000;

/// What the clocks show at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Monotonic clock of the machine in milliseconds, from its start.
    pub mono_ms: u64,
    /// Unix time in microseconds; only shown, and where counters begin (rule 10).
    pub wall_us: u64,
}

impl Tick {
    /// Unix time in milliseconds.
    pub(crate) const fn wall_ms(self) -> WallMs {
        self.wall_us / 1000
    }

    /// What the core is told of a step at this time, and at this service time.
    pub(crate) fn context(self, now: Ms, is_connected: &dyn Fn(TicketId) -> bool) -> StepContext<'_> {
        StepContext { now, wall: self.wall_ms(), is_connected }
    }
}

/// Service time that has passed since the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed {
    /// Milliseconds.
    pub(crate) ms: u64,
    /// The process stood still for longer than counts.
    pub(crate) stood_still: bool,
}

impl Elapsed {
    /// No time at all.
    pub(crate) const NOTHING: Self = Self { ms: 0, stood_still: false };
}

/// Turns looks at the monotonic clock into service time.
#[derive(Debug, Default)]
pub(crate) struct ServiceClock {
    last_ms: Option<u64>,
}

impl ServiceClock {
    /// Service time since the last look.
    pub(crate) fn advance(&mut self, tick: Tick) -> Elapsed {
        let last = self.last_ms.replace(tick.mono_ms).unwrap_or(tick.mono_ms);
        let passed = tick.mono_ms.saturating_sub(last);
        Elapsed { ms: passed.min(GAP_MAX_MS), stood_still: passed > GAP_MAX_MS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_9_a_gap_counts_as_two_seconds() {
        let mut clock = ServiceClock::default();
        let mut at = |mono_ms| clock.advance(Tick { mono_ms, wall_us: 0 });
        assert_eq!(at(5000), Elapsed { ms: 0, stood_still: false });
        assert_eq!(at(5250), Elapsed { ms: 250, stood_still: false });
        assert_eq!(at(7250), Elapsed { ms: 2000, stood_still: false });
        assert_eq!(at(67_251), Elapsed { ms: 2000, stood_still: true });
        assert_eq!(at(67_300), Elapsed { ms: 49, stood_still: false });
    }
}
