//! One client's connection, as handlers and the engine see it: who it is, and whether it is still there.

use super::flow::Flow;
use super::slots::Slots;
use super::stream::{Peer, Stream};
use crate::os;
use socket2::SockRef;
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often [`Connection::closed`] looks while unread bytes hide the end of the stream from the event queue.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// A client's connection. Each request carries an `Arc` of it among its extensions.
///
/// Keeping one keeps the descriptor open, not the connection: when the connection ends, [`Self::is_open`] turns false
/// and the peer sees it closed, whoever still has one.
pub struct Connection {
    pub(super) stream: Stream,
    peer: Peer,
    ended: AtomicBool,
    flow: Mutex<Flow>,
    pub(super) slots: Arc<Slots>,
    /// Its place among the idle connections, if it has one. Locked before the table of [`Slots`].
    place: Mutex<Option<u64>>,
    /// Somebody needs the slot of this idle connection.
    pub(super) evict: Notify,
    pub(super) evicted: AtomicBool,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, slots: Arc<Slots>) -> Self {
        Self {
            stream,
            // A socket bound to `::` shows IPv4 peers as ::ffff:a.b.c.d; people know them as a.b.c.d.
            peer: match peer {
                Peer::Tcp(address) => Peer::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port())),
                local @ Peer::Local { .. } => local,
            },
            ended: AtomicBool::new(false),
            flow: Mutex::new(Flow::new(Instant::now())),
            slots,
            place: Mutex::new(None),
            evict: Notify::new(),
            evicted: AtomicBool::new(false),
        }
    }

    /// Who is at the other end.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Looks at the socket, now, without waiting: false if the peer closed the connection or its sending side (FIN), if
    /// it was reset or timed out, or if the server ended it. May be called from any thread. A peer whose machine lost
    /// power or network looks open until the kernel's probes give up, about ten seconds later.
    pub fn is_open(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && os::look(&self.stream).is_ok_and(|look| !look.closed)
    }

    /// Resolves when [`Self::is_open`] has become false: within milliseconds normally, within about 100 ms while bytes
    /// of the client lie unread (a request sent ahead of its answer).
    pub async fn closed(&self) {
        while !self.ended.load(Ordering::Acquire) {
            // The readiness may be left over from the bytes of this request. A fresh look under `try_io` clears it when
            // there is nothing to read, so that `ready` below waits for the next event instead of spinning.
            let looked = self.stream.try_io(Interest::READABLE, || {
                let look = os::look(&self.stream)?;
                if look.readable || look.closed { Ok(look) } else { Err(io::ErrorKind::WouldBlock.into()) }
            });
            match looked {
                Ok(look) if !look.closed => tokio::time::sleep(LOOK_PAUSE).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stream.ready(Interest::READABLE).await.is_err() {
                        return;
                    }
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Changes or reads the connection's state, and keeps its place among the idle ones in step with it.
    pub(super) fn flow<T>(self: &Arc<Self>, change: impl FnOnce(&mut Flow) -> T) -> T {
        let (result, idle) = {
            let mut flow = self.lock_flow();
            (change(&mut flow), flow.is_idle())
        };
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        match (idle, *place) {
            (true, None) if !self.ended.load(Ordering::Acquire) => *place = Some(self.slots.idle(self)),
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
        let failed = os::look(&self.stream).is_ok_and(|look| look.failed);
        let written = self.lock_flow().written();
        let unacknowledged = os::unacknowledged(&self.stream).unwrap_or(written);
        let acknowledged = written.saturating_sub(unacknowledged);
        let settled = self.flow(|flow| flow.acknowledged(acknowledged, failed, Instant::now()));
        for (receipt, reached) in settled {
            receipt.settle(reached);
        }
    }

    /// Says that nothing more will be written (FIN).
    pub(super) fn end_writing(&self) {
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    /// The connection is over: the peer sees it closed (or reset), receipts without outcome hear `false`, and the slot is
    /// free.
    pub(super) fn end(self: &Arc<Self>, reset: bool) {
        if !self.lock_flow().is_settled() {
            self.settle();
        }
        self.ended.store(true, Ordering::Release);
        // Also wakes `closed()` wherever it waits.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
        let lost = self.flow(Flow::abandon);
        if reset || !lost.is_empty() {
            // Otherwise the kernel might deliver later what is reported as lost here.
            let _ = os::reset(&self.stream);
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

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
