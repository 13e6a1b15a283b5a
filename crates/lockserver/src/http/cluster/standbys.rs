//! The servers that stand by, as far as one of them knows.

use crate::wall;
use lock_api::Standby;
use lock_core::WallMs;
use lock_core::limits::STANDBYS_MAX;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A standby that was not heard of for so long is gone.
const GONE: Duration = Duration::from_secs(10);

/// What a leader was told by a standby.
#[derive(Debug)]
struct Heard {
    url: Option<String>,
    /// Its clock less ours, in milliseconds; the way of the message counts as behind.
    ahead_ms: i64,
    at: Instant,
}

impl Heard {
    fn is_there(&self, now: Instant) -> bool {
        now.duration_since(self.at) < GONE
    }
}

/// The standbys, as far as this server knows.
#[derive(Debug, Default)]
pub(super) struct Standbys {
    /// By what they are called: those that told this server, which leads.
    heard: Mutex<BTreeMap<String, Heard>>,
    /// What the leader told this server, which stands by, and when.
    told: Mutex<Option<(Instant, Vec<Standby>)>>,
}

impl Standbys {
    /// Those that told this server lately.
    pub(super) fn heard(&self, now: Instant) -> Vec<Standby> {
        let mut heard = lock(&self.heard);
        heard.retain(|_, one| one.is_there(now));
        let told = |(name, one): (&String, &Heard)| Standby {
            name: name.clone(),
            url: one.url.clone(),
            clock_ahead_s: one.ahead_ms as f64 / 1000.0,
        };
        heard.iter().map(told).collect()
    }

    /// Those of which the leader told this server lately.
    pub(super) fn told(&self, now: Instant) -> Vec<Standby> {
        let told = lock(&self.told);
        told.iter().filter(|(at, _)| now.duration_since(*at) < GONE).flat_map(|(_, told)| told.clone()).collect()
    }

    /// The leader hears of a standby: what it is called, where it is reached, and what its clock says.
    pub(super) fn hear(&self, name: String, url: Option<String>, wall_ms: WallMs, now: Instant) {
        let ahead_ms = wall_ms.cast_signed().saturating_sub(wall::now_ms().cast_signed());
        let mut heard = lock(&self.heard);
        heard.retain(|_, one| one.is_there(now));
        if heard.len() < STANDBYS_MAX || heard.contains_key(&name) {
            heard.insert(name, Heard { url, ahead_ms, at: now });
        }
    }

    /// A standby hears of all from the leader.
    pub(super) fn learn(&self, told: Vec<Standby>, now: Instant) {
        *lock(&self.told) = Some((now, told));
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(standbys: &Standbys, now: Instant) -> Vec<String> {
        standbys.heard(now).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_standby_that_says_nothing_more_is_gone() {
        let (standbys, start) = (Standbys::default(), Instant::now());
        standbys.hear("one".to_owned(), None, wall::now_ms(), start);
        standbys.hear("two".to_owned(), None, wall::now_ms() + 5000, start + GONE / 2);
        assert_eq!(names(&standbys, start + GONE / 2), ["one", "two"]);
        let ahead = standbys.heard(start + GONE / 2)[1].clock_ahead_s;
        assert!((4.0..=5.0).contains(&ahead), "{ahead}");
        assert_eq!(names(&standbys, start + GONE), ["two"]);
    }

    #[test]
    fn no_more_standbys_are_remembered_than_the_bound_allows() {
        let (standbys, start) = (Standbys::default(), Instant::now());
        for number in 0..=STANDBYS_MAX {
            standbys.hear(format!("standby {number}"), None, 0, start);
        }
        assert_eq!(names(&standbys, start).len(), STANDBYS_MAX);
        standbys.hear("another".to_owned(), None, 0, start + GONE);
        assert_eq!(names(&standbys, start + GONE), ["another"]);
    }
}
