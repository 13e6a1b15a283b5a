//! One client's connection, as its own task sees it: its state, its slot, and its end.

use super::client::Connection;
use super::flow::Flow;
use super::slots::Slots;
use crate::metrics::Metrics;
use crate::os;
use socket2::SockRef;
use std::net::Shutdown;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is behind a [`Connection`].
pub(super) struct Link {
    pub(super) client: Arc<Connection>,
    flow: Mutex<Flow>,
    slots: Arc<Slots>,
    /// Its place among the idle connections, if it has one. Locked after `flow` and before the table of [`Slots`].
    place: Mutex<Option<u64>>,
    /// Somebody needs the slot of this idle connection.
    pub(super) evict: Arc<Notify>,
    pub(super) evicted: AtomicBool,
}

impl Link {
    pub(super) fn new(client: Arc<Connection>, slots: Arc<Slots>) -> Self {
        Self {
            client,
            flow: Mutex::new(Flow::new(Instant::now())),
            slots,
            place: Mutex::new(None),
            evict: Arc::default(),
            evicted: AtomicBool::new(false),
        }
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.slots.metrics
    }

    /// Changes or reads the connection's state, and keeps its place among the idle ones in step with it.
    pub(super) fn flow<T>(self: &Arc<Self>, change: impl FnOnce(&mut Flow) -> T) -> T {
        let mut flow = self.lock_flow();
        let result = change(&mut flow);
        // Under the lock of the state: requests of HTTP/2 change it from several threads.
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        match (flow.is_idle(), *place) {
            (true, None) if !self.client.has_ended() => *place = Some(self.slots.idle(self)),
            (false, Some(at)) => {
                self.slots.not_idle(at);
                *place = None;
            }
            _ => {}
        }
        result
    }

    fn lock_flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the kernel what has arrived, and tells the receipts that know their outcome by it.
    pub(super) fn settle(self: &Arc<Self>) {
        // The failure is looked for first: whatever is unacknowledged *after* a failure stays so for ever.
        let failed = os::look(&*self.client.stream).is_ok_and(|look| look.failed);
        let written = self.lock_flow().written();
        let unacknowledged = os::unacknowledged(&*self.client.stream).unwrap_or(written);
        let acknowledged = written.saturating_sub(unacknowledged);
        let settled = self.flow(|flow| flow.acknowledged(acknowledged, failed, Instant::now()));
        for (receipt, reached) in settled {
            receipt.settle(reached);
        }
    }

    /// Says that nothing more will be written (FIN).
    pub(super) fn end_writing(&self) {
        let _ = SockRef::from(&*self.client.stream).shutdown(Shutdown::Write);
    }

    /// The connection is over: the peer sees it closed (or reset), receipts without outcome hear `false`, and the slot is
    /// free.
    pub(super) fn end(self: &Arc<Self>, reset: bool) {
        if !self.lock_flow().is_settled() {
            self.settle();
        }
        self.client.end();
        // Also wakes `closed()` wherever it waits.
        let _ = SockRef::from(&*self.client.stream).shutdown(Shutdown::Both);
        let lost = self.flow(Flow::abandon);
        if reset || !lost.is_empty() {
            // Otherwise the kernel might deliver later what is reported as lost here.
            let _ = os::reset(&*self.client.stream);
        }
        self.slots.release(self);
        self.give_up_place();
        for receipt in lost {
            receipt.settle(false);
        }
    }

    /// Was asked to leave and does not, because a request has arrived meanwhile.
    pub(super) fn stay(self: &Arc<Self>) {
        self.slots.stays(self);
        self.give_up_place();
        self.flow(|_| ());
    }

    fn give_up_place(&self) {
        if let Some(at) = self.place.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.slots.not_idle(at);
        }
    }
}
