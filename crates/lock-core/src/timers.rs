//! Timers: each key has one time at most, at which it is due.

use std::collections::{BTreeMap, BTreeSet};

/// Keys by the time at which they are due, in whatever clock their owner counts. Every operation costs the logarithm of their
/// number.
#[derive(Debug)]
pub(crate) struct TimerTable<K> {
    by_time: BTreeSet<(u64, K)>,
    times: BTreeMap<K, u64>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), times: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> TimerTable<K> {
    /// Has the key be due at that time, and at no other.
    pub(crate) fn set(&mut self, key: K, at: u64) {
        if let Some(before) = self.times.insert(key.clone(), at) {
            if before == at {
                return;
            }
            let moved = (before, key);
            self.by_time.remove(&moved);
            self.by_time.insert((at, moved.1));
        } else {
            self.by_time.insert((at, key));
        }
    }

    /// The key is due no longer.
    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some((key, at)) = self.times.remove_entry(key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// When the key is due.
    pub(crate) fn at(&self, key: &K) -> Option<u64> {
        self.times.get(key).copied()
    }

    /// The earliest time at which a key is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the first key that is due by now: of those that are due at the same time, the smallest.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.times.remove(&key);
        Some(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_due_at_the_time_that_it_was_set_to_last() {
        let mut timers = TimerTable::default();
        timers.set("a", 10);
        timers.set("b", 20);
        timers.set("a", 30);
        timers.set("c", 15);
        timers.set("c", 15);
        assert_eq!((timers.next(), timers.at(&"a"), timers.pop_due(14)), (Some(15), Some(30), None));
        assert_eq!((timers.pop_due(100), timers.at(&"c")), (Some("c"), None));
        timers.cancel(&"b");
        timers.cancel(&"b");
        assert_eq!((timers.pop_due(29), timers.pop_due(30), timers.pop_due(100)), (None, Some("a"), None));
        assert!(timers.is_empty());
        timers.set("z", 1);
        timers.set("y", 1);
        assert_eq!([timers.pop_due(1), timers.pop_due(1), timers.pop_due(1)], [Some("y"), Some("z"), None]);
    }
}
