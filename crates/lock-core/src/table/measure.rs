//! All locks in numbers, for the metrics and the page: no ticket is copied, and a lock costs as much whatever it holds.

use super::{Lock, Table};
use crate::{LockName, Prefix, Target, TicketId, Usage, UsageTotals, WallMs};
use std::collections::BTreeMap;

impl Table {
    /// Gives the numbers of each template, those of its instances together and zeros if it has none, and then of each lock
    /// that is no instance. An instance that is `alone` counts for its template as a lock, and has its other numbers to itself.
    /// `wall` is now.
    pub fn measure(&self, wall: WallMs, alone: impl Fn(&LockName) -> bool, mut each: impl FnMut(Target, UsageTotals)) {
        let mut templates: BTreeMap<&Prefix, UsageTotals> =
            self.templates.keys().map(|prefix| (prefix, UsageTotals::default())).collect();
        for lock in self.locks.values() {
            if let Some(prefix) = &lock.record.template {
                let sum = templates.entry(prefix).or_default();
                *sum = match alone(&lock.record.name) {
                    true => UsageTotals { locks: sum.locks + 1, ..*sum },
                    false => sum.with(self.usage_totals(lock, wall)),
                };
            }
        }
        for (prefix, sum) in templates {
            each(Target::Template(prefix.clone()), sum);
        }
        for (name, lock) in self.locks.iter().filter(|(name, lock)| lock.record.template.is_none() || alone(name)) {
            each(Target::Lock(name.clone()), self.usage_totals(lock, wall));
        }
    }

    /// The numbers of one lock; `None` if there is none, or not for long any more.
    #[must_use]
    pub fn usage_of(&self, name: &LockName) -> Option<Usage> {
        self.locks.get(name).filter(|lock| !lock.deleting).map(|lock| self.measure_usage(lock))
    }

    /// The names of all locks, in order.
    pub fn lock_names(&self) -> impl ExactSizeIterator<Item = &LockName> {
        self.locks.keys()
    }

    pub(super) fn measure_usage(&self, lock: &Lock) -> Usage {
        let head = lock.queue.head();
        let since = |id: Option<&TicketId>| id.and_then(|&id| self.ticket(id).granted_at);
        Usage {
            size: lock.slots.size(),
            free: if lock.exclusive { 0 } else { lock.slots.room() },
            in_use: lock.slots.out() - lock.withheld,
            granted: lock.granted,
            withheld: lock.withheld,
            holding: lock.active.len() as u64,
            queued: lock.queue.len() as u64,
            queued_elsewhere: lock.queue.bundles_behind_another(&lock.record.name) as u64,
            head: head.and_then(|(_, id)| Some(self.ticket(id).part(&lock.record.name)?.permits)),
            elsewhere: head.is_none() && lock.queue.bundle_heads().next().is_some(),
            wanted: lock.queue.wanted(lock.slots.size()),
            exclusive: lock.exclusive,
            paused: lock.record.pause.is_some(),
            waiting_since: lock.queue.longest_in_line().map(|id| self.ticket(id).created_at),
            holding_since: since(lock.active.values().next()),
            last_granted: since(lock.active.values().next_back()),
        }
    }

    fn usage_totals(&self, lock: &Lock, wall: WallMs) -> UsageTotals {
        let usage = self.measure_usage(lock);
        UsageTotals {
            locks: 1,
            paused: usage.paused.into(),
            size: usage.size.into(),
            held: usage.in_use - usage.granted,
            granted: usage.granted,
            withheld: usage.withheld,
            withheld_by: lock.withheld_by,
            queued: usage.queued,
            dormant: usage.queued - lock.queue.ready() as u64,
            oldest_waiter: usage.waiting_since.map_or(0, |since| wall.saturating_sub(since)),
            oldest_holder: usage.holding_since.map_or(0, |since| wall.saturating_sub(since)),
        }
    }
}
