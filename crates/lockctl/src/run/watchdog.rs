//! When the command has to end so that it is gone before somebody else can have the permit. Pure: time is an argument.

use super::plan::MARGIN;
use lock_client::BootTime;
use std::time::Duration;

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    None,
    /// TERM to the group.
    Term,
    /// KILL to the group.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fine,
    Terminating { kill_at: BootTime },
    Killed { at: BootTime },
}

/// Watches the leases of one command.
#[derive(Debug)]
pub(super) struct Watchdog {
    kill_after: Duration,
    phase: Phase,
}

impl Watchdog {
    pub(super) fn new(kill_after: Duration) -> Self {
        Self { kill_after, phase: Phase::Fine }
    }

    /// Once a lease is lost there is no way back: a command that was told to end ends.
    pub(super) fn is_ending(&self) -> bool {
        self.phase != Phase::Fine
    }

    /// When KILL was sent.
    pub(super) fn killed_at(&self) -> Option<BootTime> {
        match self.phase {
            Phase::Killed { at } => Some(at),
            _ => None,
        }
    }

    /// When KILL is sent, or was; nothing as long as all is well.
    pub(super) fn kill_at(&self) -> Option<BootTime> {
        match self.phase {
            Phase::Fine => None,
            Phase::Terminating { kill_at } => Some(kill_at),
            Phase::Killed { at } => Some(at),
        }
    }

    /// `deadline`: until then all permits are surely ours. `ended`: the server said that they are not.
    pub(super) fn judge(&mut self, now: BootTime, deadline: Option<BootTime>, ended: bool) -> Action {
        let kill_at = match (self.phase, deadline) {
            (Phase::Killed { .. }, _) => return Action::None,
            // An outer hold that ends sooner moves it; a renewal does not.
            (Phase::Terminating { kill_at }, Some(deadline)) => kill_at.min(deadline.before(MARGIN)),
            (Phase::Terminating { kill_at }, None) => kill_at,
            (Phase::Fine, _) if ended => now + self.kill_after,
            (Phase::Fine, Some(deadline)) if now >= self.term_at(deadline) => deadline.before(MARGIN),
            (Phase::Fine, _) => return Action::None,
        };
        if now >= kill_at {
            self.phase = Phase::Killed { at: now };
            return Action::Kill;
        }
        let first = self.phase == Phase::Fine;
        self.phase = Phase::Terminating { kill_at };
        if first { Action::Term } else { Action::None }
    }

    /// When to judge again if nothing happens before.
    pub(super) fn next(&self, deadline: Option<BootTime>) -> Option<BootTime> {
        match self.phase {
            Phase::Fine => deadline.map(|deadline| self.term_at(deadline)),
            Phase::Terminating { kill_at } => Some(kill_at),
            Phase::Killed { .. } => None,
        }
    }

    fn term_at(&self, deadline: BootTime) -> BootTime {
        deadline.before(self.kill_after + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime::from_ms(100_000 + ms)
    }

    #[test]
    fn term_then_kill_before_the_deadline() {
        let mut dog = Watchdog::new(Duration::from_secs(2));
        let deadline = Some(at(12_000));
        assert_eq!(dog.next(deadline), Some(at(9_000)));
        for (ms, action) in [
            (0, Action::None),
            (8_999, Action::None),
            (9_000, Action::Term),
            (9_001, Action::None),
            (10_999, Action::None),
        ] {
            assert_eq!(dog.judge(at(ms), deadline, false), action, "{ms}");
        }
        // A renewal that is answered now comes too late.
        assert_eq!(dog.judge(at(10_999), Some(at(20_000)), false), Action::None);
        assert_eq!(dog.next(Some(at(20_000))), Some(at(11_000)));
        assert_eq!(dog.judge(at(11_000), deadline, false), Action::Kill);
        assert_eq!(dog.judge(at(11_500), deadline, true), Action::None);
        assert_eq!(dog.killed_at(), Some(at(11_000)));
    }

    #[test]
    fn renewals_move_the_deadline() {
        let mut dog = Watchdog::new(Duration::from_secs(2));
        assert_eq!(dog.judge(at(8_000), Some(at(12_000)), false), Action::None);
        assert_eq!(dog.judge(at(11_000), Some(at(15_000)), false), Action::None);
        assert_eq!(dog.judge(at(99_000), None, false), Action::None, "a lease that does not end");
    }

    #[test]
    fn woken_too_late_it_kills_at_once() {
        let mut dog = Watchdog::new(Duration::from_secs(2));
        assert_eq!(dog.judge(at(60_000), Some(at(12_000)), false), Action::Kill);
    }

    #[test]
    fn a_ticket_that_the_server_ended() {
        let mut dog = Watchdog::new(Duration::from_secs(2));
        assert_eq!(dog.judge(at(0), Some(at(12_000)), true), Action::Term);
        assert_eq!(dog.judge(at(1_999), Some(at(12_000)), true), Action::None);
        assert_eq!(dog.judge(at(2_000), Some(at(12_000)), true), Action::Kill);
    }
}
