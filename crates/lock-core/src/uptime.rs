//! What is stored of the lives of the server: how much of its clock is known to have passed while it ran, and when it was
//! started (rule 9).

use crate::{Ms, WallMs};

/// A crash takes along what the clock had counted since its last commit. No more than this of the time until the next start
/// is counted instead: the most that the engine lets pass between two commits, 5 s and a look at the clock that is late.
pub const CLOCK_LAG_MAX_MS: Ms = 7000;

/// The lives of the server, saved with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uptime {
    /// Service time that was counted for the time between a crash and a start: not known to be uptime, so no lease is
    /// charged for it.
    pub downtime_ms: Ms,
    /// The machine's monotonic clock at this commit; 0 after an orderly stop, or if it is not known.
    pub monotonic_ms: u64,
    /// When the server was started.
    pub starts: Starts,
    /// Wall time at which the store was found to have lost commits, until an orderly stop; 0 if it has not.
    pub doubt_at: WallMs,
}

/// Moments at which the server was started, in uptime, rising. Few enough to be kept: those in between are left out, so that
/// what is asked of them is at worst answered with a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Starts {
    count: usize,
    at: [Ms; Self::MAX],
}

impl Starts {
    /// Most moments that are kept.
    pub const MAX: usize = 16;

    /// The moments, in their order.
    #[must_use]
    pub fn all(&self) -> &[Ms] {
        &self.at[..self.count]
    }

    /// Those moments; `None` if they are too many or do not rise.
    #[must_use]
    pub fn from_all(all: &[Ms]) -> Option<Self> {
        let mut at = [0; Self::MAX];
        at.get_mut(..all.len())?.copy_from_slice(all);
        all.is_sorted_by(|a, b| a < b).then_some(Self { count: all.len(), at })
    }

    /// The last start.
    #[must_use]
    pub fn last(&self) -> Ms {
        self.all().last().copied().unwrap_or(0)
    }

    /// The second start after that moment.
    #[must_use]
    pub fn second_after(&self, moment: Ms) -> Option<Ms> {
        self.all().iter().copied().filter(|start| *start > moment).nth(1)
    }

    /// A start at `now`. Nobody asks for anything before `oldest` any more.
    pub(crate) fn begin(&mut self, now: Ms, oldest: Ms) {
        let mut all: Vec<Ms> = self.all().iter().copied().filter(|start| *start > oldest && *start < now).collect();
        all.push(now);
        while all.len() > Self::MAX {
            // The one between whose neighbours lies the least, measured by how long ago that is.
            let gap = |place: &usize| {
                let (before, after) = (all[place - 1], all[place + 1]);
                (after - before).saturating_mul(1 << 20) / (now - before)
            };
            let least = (1..all.len() - 1).min_by_key(gap).expect("there are some between the first and the last");
            all.remove(least);
        }
        *self = Self::from_all(&all).expect("few, and rising");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Meta;

    #[test]
    fn rule_09_a_crash_costs_the_clock_nothing_and_never_adds_more_than_has_passed() {
        let counted = |saved, now| {
            let uptime = Uptime { monotonic_ms: saved, ..Uptime::default() };
            let mut meta = Meta { service_ms: 1000, uptime, ..Meta::default() };
            meta.count_downtime(now);
            assert_eq!(meta.uptime_ms(), 1000);
            meta.service_ms - 1000
        };
        assert_eq!(counted(50_000, 53_000), 3000);
        assert_eq!(counted(50_000, 50_000), 0);
        assert_eq!(counted(50_000, 900_000), CLOCK_LAG_MAX_MS);
        // Another boot, 2 s old.
        assert_eq!(counted(50_000, 2000), 2000);
        // An orderly stop.
        assert_eq!(counted(0, 900_000), 0);
    }

    #[test]
    fn starts_are_few_and_never_forget_by_more_than_they_must() {
        let mut starts = Starts::default();
        let mut every = Vec::new();
        for number in 1..=5000_u64 {
            let now = number * 700;
            every.push(now);
            starts.begin(now, 0);
            assert!(starts.all().len() <= Starts::MAX);
            assert_eq!((starts.all()[0], starts.last()), (700, now));
        }
        let now = starts.last();
        for moment in (0..now - 2000).step_by(997) {
            let exact = every.iter().copied().filter(|start| *start > moment).nth(1).expect("two starts later");
            let kept = starts.second_after(moment).expect("two starts later");
            assert!(kept >= exact, "never too early");
            assert!((now - kept) * 10 >= now - exact || now - exact < 20_000, "{moment}: {exact} became {kept}");
        }
        assert_eq!(Starts::from_all(starts.all()), Some(starts));
        assert_eq!(Starts::from_all(&[2, 1]), None);
        assert_eq!(Starts::from_all(&[1; Starts::MAX + 1]), None);
        starts.begin(now + 700, now - 1);
        assert_eq!(starts.all(), [now, now + 700]);
    }
}
