//! How many connections there may be, and who leaves first when there are too many: the one that is idle longest.

use super::link::Link;
use crate::metrics::Metrics;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The places for connections.
pub(super) struct Slots {
    max: usize,
    table: Mutex<Table>,
    /// A slot or an idle connection may have turned up. Only the accept loop waits for it.
    changed: Notify,
    pub(super) metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Table {
    open: usize,
    /// Connections that were asked to leave and have not left yet.
    leaving: usize,
    next: u64,
    /// Idle connections in the order in which they became so.
    idle: BTreeMap<u64, Arc<Link>>,
    /// Somebody waits for a slot.
    short: bool,
}

impl Slots {
    pub(super) fn new(max: usize, metrics: Arc<Metrics>) -> Self {
        Self { max: max.max(1), table: Mutex::default(), changed: Notify::new(), metrics }
    }

    /// Waits for a slot, and takes it. When there is none, the connection that is idle longest is asked to leave; when
    /// none is idle, the first that becomes idle.
    pub(super) async fn take(&self) {
        while !self.try_take() {
            self.changed.notified().await;
        }
        self.metrics.connections.opened();
    }

    fn try_take(&self) -> bool {
        let mut table = self.lock();
        table.short = table.open >= self.max;
        if !table.short {
            table.open += 1;
        } else if table.open - table.leaving >= self.max {
            ask_oldest(&mut table);
        }
        !table.short
    }

    /// Asks the connection that is idle longest to leave; false if none is idle.
    pub(super) fn evict(&self) -> bool {
        ask_oldest(&mut self.lock())
    }

    /// The connection is idle from now on; returns its place in the order.
    pub(super) fn idle(&self, link: &Arc<Link>) -> u64 {
        let mut table = self.lock();
        let at = table.next;
        table.next += 1;
        table.idle.insert(at, Arc::clone(link));
        if table.short {
            self.changed.notify_one();
        }
        at
    }

    /// The connection with that place is not idle any more.
    pub(super) fn not_idle(&self, at: u64) {
        let removed = self.lock().idle.remove(&at);
        // Dropped outside of the lock.
        drop(removed);
    }

    /// The connection was asked to leave and stays: somebody else has to.
    pub(super) fn stays(&self, link: &Link) {
        let mut table = self.lock();
        if link.evicted.swap(false, Ordering::AcqRel) {
            table.leaving -= 1;
        }
        self.changed.notify_one();
    }

    /// The connection is gone.
    pub(super) fn release(&self, link: &Link) {
        let mut table = self.lock();
        if link.evicted.swap(false, Ordering::AcqRel) {
            table.leaving -= 1;
        }
        table.open -= 1;
        self.metrics.connections.closed();
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ask_oldest(table: &mut Table) -> bool {
    let Some((_, link)) = table.idle.pop_first() else {
        return false;
    };
    link.evicted.store(true, Ordering::Release);
    table.leaving += 1;
    link.evict.notify_one();
    true
}
