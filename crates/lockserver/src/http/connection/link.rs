//! One client's connection, as its own task sees it: its state, its slot, and its end.

use super::client::Connection;
use super::crowd::Standing;
use super::delivery::Wire;
use super::flow::{Flow, Settled};
use super::slots::Slot;
use crate::metrics::Metrics;
use crate::os;
use socket2::SockRef;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Answers of so many bytes are not counted.
const ANSWER_BYTES_SMALL: usize = 16 * 1024;

/// How a connection stands, as its slot was told last.
struct Told {
    standing: Standing,
    /// Since when it was idle when that was told last. Who has been idle longest is asked first to make room.
    since: Instant,
}

/// What is behind a [`Connection`].
pub(super) struct Link {
    pub(super) client: Arc<Connection>,
    flow: Mutex<(Flow, Told)>,
    pub(super) slot: Arc<Slot>,
    /// Bytes of answers that its slot was told of and that are not written.
    owing: AtomicUsize,
    /// We have said that nothing more will be written. The kernel counts that as a byte.
    finished: AtomicBool,
}

impl Link {
    pub(super) fn new(client: Arc<Connection>, slot: Arc<Slot>) -> Self {
        let now = Instant::now();
        let flow = Flow::new(now);
        let told = Told { standing: flow.standing(), since: now };
        let (owing, finished) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { client, flow: Mutex::new((flow, told)), slot, owing, finished }
    }

    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        self.slot.metrics()
    }

    /// Changes or reads the connection's state, and keeps its slot in step with it.
    pub(super) fn flow<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        // Told under the lock: requests of HTTP/2 change it from several threads.
        let (flow, told) = &mut *self.lock_flow();
        let result = change(flow);
        let (standing, since) = (flow.standing(), flow.rests_since());
        if standing != told.standing || since.is_some_and(|since| since > told.since) {
            *told = Told { standing, since: since.unwrap_or(told.since) };
            self.slot.stands(standing);
        }
        result
    }

    /// The same, and its slot hears of it with the next change, or when HTTP has done what it can for now: of a request that
    /// has been answered by then it hears once.
    pub(super) fn quietly<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        change(&mut self.lock_flow().0)
    }

    /// Has its slot hear how it stands.
    pub(super) fn report_standing(&self) {
        self.flow(|_| ());
    }

    fn lock_flow(&self) -> MutexGuard<'_, (Flow, Told)> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the kernel how far everything has come, and tells the receipts that know their outcome by it.
    pub(super) fn poll_acks(&self) {
        let wire = self.wire();
        resolve_receipts(self.flow(|flow| flow.looked(wire, Instant::now())));
    }

    /// How far everything has come, as the kernel says.
    fn wire(&self) -> Wire {
        let stream = &*self.client.stream;
        // The end is looked for first: whatever is unacknowledged or unsent *after* it stays so for ever.
        let over = os::is_over(stream);
        let written = self.quietly(|flow| flow.written());
        let unacknowledged = os::unacknowledged(stream).unwrap_or(written);
        let finish = u64::from(self.finished.load(Ordering::Acquire));
        // Before its end the kernel may send the rest at any moment.
        let unsent = if over { os::unsent(stream).unwrap_or(0).saturating_sub(finish) } else { 0 };
        Wire { sent: written.saturating_sub(unsent), acknowledged: written.saturating_sub(unacknowledged), over }
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
        self.finished.store(true, Ordering::Release);
        let _ = SockRef::from(&*self.client.stream).shutdown(Shutdown::Write);
    }

    /// The connection is over: the peer sees it closed (or reset), all receipts hear their outcome, and the slot is free.
    pub(super) fn end(&self, reset: bool) {
        // Before the socket is touched: what the kernel has not sent *then* it may send until it is reset.
        let wire = self.wire();
        self.client.end();
        // Also wakes `closed()` wherever it waits.
        let _ = SockRef::from(&*self.client.stream).shutdown(Shutdown::Both);
        let settled = self.flow(|flow| flow.abandon(wire));
        if reset {
            let _ = os::reset(&*self.client.stream);
        }
        self.slot.release();
        resolve_receipts(settled);
    }
}

/// Tells receipts their outcome.
pub(super) fn resolve_receipts(settled: Settled) {
    for (receipt, delivery) in settled {
        receipt.resolve(delivery);
    }
}
