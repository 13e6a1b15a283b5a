//! One client's connection, as its own task sees it: its state, its slot, and its end.

use super::client::Connection;
use super::crowd::Standing;
use super::flow::Flow;
use super::slots::Slot;
use crate::metrics::Metrics;
use crate::os;
use socket2::SockRef;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Answers of so many bytes are not counted.
const ANSWER_BYTES_SMALL: usize = 16 * 1024;

/// What is behind a [`Connection`].
pub(super) struct Link {
    pub(super) client: Arc<Connection>,
    flow: Mutex<Flow>,
    pub(super) slot: Arc<Slot>,
    /// Bytes of answers that its slot was told of and that are not written.
    owing: AtomicUsize,
    /// How it stands, as its slot was told last. Locked after `flow`.
    standing: Mutex<Standing>,
}

impl Link {
    pub(super) fn new(client: Arc<Connection>, slot: Arc<Slot>) -> Self {
        let flow = Flow::new(Instant::now());
        let standing = Mutex::new(flow.standing());
        Self { client, flow: Mutex::new(flow), slot, owing: AtomicUsize::new(0), standing }
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        self.slot.metrics()
    }

    /// Changes or reads the connection's state, and keeps its slot in step with it.
    pub(super) fn flow<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        let mut flow = self.lock_flow();
        let result = change(&mut flow);
        let standing = flow.standing();
        // Under the lock of the state: requests of HTTP/2 change it from several threads.
        let mut told = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *told, standing) != standing {
            self.slot.stands(standing);
        }
        result
    }

    fn lock_flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the kernel what has arrived, and tells the receipts that know their outcome by it.
    pub(super) fn settle(&self) {
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

    /// HTTP/1: an answer of so many bytes is about to be written.
    pub(super) fn owes(&self, bytes: usize) {
        // What fits into the kernel's buffers is gone at once.
        if bytes > ANSWER_BYTES_SMALL {
            self.owing.fetch_add(bytes, Ordering::Relaxed);
            self.slot.owes(bytes);
        }
    }

    /// HTTP/1: everything was written.
    pub(super) fn paid(&self) {
        if self.owing.load(Ordering::Relaxed) > 0 {
            self.slot.paid(self.owing.swap(0, Ordering::Relaxed));
        }
    }

    /// Says that nothing more will be written (FIN).
    pub(super) fn end_writing(&self) {
        let _ = SockRef::from(&*self.client.stream).shutdown(Shutdown::Write);
    }

    /// The connection is over: the peer sees it closed (or reset), receipts without outcome hear `false`, and the slot is
    /// free.
    pub(super) fn end(&self, reset: bool) {
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
        self.slot.release();
        for receipt in lost {
            receipt.settle(false);
        }
    }
}
