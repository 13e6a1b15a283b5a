//! Service time: the milliseconds during which the service ran (rule 9).

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

/// Turns looks at the monotonic clock into service time.
#[derive(Debug, Default)]
pub(crate) struct ServiceClock {
    last_ms: Option<u64>,
}

impl ServiceClock {
    /// Service milliseconds since the last look, and whether the process stood still for longer than counts.
    pub(crate) fn advance(&mut self, tick: Tick) -> (u64, bool) {
        let last = self.last_ms.replace(tick.mono_ms).unwrap_or(tick.mono_ms);
        let passed = tick.mono_ms.saturating_sub(last);
        (passed.min(GAP_MAX_MS), passed > GAP_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_9_a_gap_counts_as_two_seconds() {
        let mut clock = ServiceClock::default();
        let mut at = |mono_ms| clock.advance(Tick { mono_ms, wall_us: 0 });
        assert_eq!(at(5000), (0, false));
        assert_eq!(at(5250), (250, false));
        assert_eq!(at(7250), (2000, false));
        assert_eq!(at(67_251), (2000, true));
        assert_eq!(at(67_300), (49, false));
    }
}
