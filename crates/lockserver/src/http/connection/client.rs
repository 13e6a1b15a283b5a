//! One client's connection, as handlers and the engine see it: who it is, and whether it is still there.

use super::crowd::Holder;
use super::probe::{self, Probes, Probing};
use super::slots::Slot;
use super::stream::{Peer, Stream};
use crate::os;
use axum::http::Request;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// How often [`Connection::closed`] looks while unread bytes hide the end of the stream from the event queue.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// A wait that lasts so long has its peer probed often. Most end sooner, and are spared the calls.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// A client's connection. Each request carries an `Arc` of it among its extensions; of one HTTP/2 connection each request
/// has its own, for it ends with the request: a stream that the client resets has nobody at its other end.
///
/// Keeping one keeps the descriptor open, not the connection: when the connection ends, [`Self::is_open`] turns false
/// and the peer sees it closed, even if others still have one.
pub struct Connection {
    pub(super) stream: Arc<Stream>,
    peer: Peer,
    from: Arc<str>,
    /// The connection is over.
    ended: Arc<AtomicBool>,
    pub(super) probes: Arc<Probes>,
    /// What TLS found out; nothing in plain HTTP.
    tls: Arc<OnceLock<Vec<String>>>,
    /// The client said that it goes, by TLS or by HTTP/2; the socket may not know.
    left: watch::Sender<bool>,
    slot: Arc<Slot>,
    /// A request on it was allowed something.
    known: Arc<AtomicBool>,
    /// Its request's place among those of its connection that are handled at a time.
    work: Mutex<Option<OwnedSemaphorePermit>>,
    /// A request among others: only `left` says that its client is gone, without so many eyes on one socket.
    one_of_many: bool,
}

impl Connection {
    /// That of a request.
    ///
    /// # Panics
    /// If the request came from nowhere: this module gives each one its connection.
    pub(in crate::http) fn of<B>(request: &Request<B>) -> &Arc<Self> {
        request.extensions().get().expect("each request has its connection")
    }

    pub(super) fn new(stream: Stream, peer: Peer, slot: Arc<Slot>) -> Self {
        // A socket bound to `::` shows IPv4 peers as ::ffff:a.b.c.d; people know them as a.b.c.d.
        let peer = match peer {
            Peer::Tcp(address) => Peer::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port())),
            local @ Peer::Local { .. } => local,
        };
        Self {
            stream: Arc::new(stream),
            peer,
            from: Arc::from(peer.name()),
            ended: Arc::default(),
            probes: Arc::default(),
            tls: Arc::default(),
            left: watch::Sender::new(false),
            slot,
            known: Arc::default(),
            work: Mutex::default(),
            one_of_many: false,
        }
    }

    /// For one request of an HTTP/2 connection, with its place among those that are handled.
    pub(super) fn of_request(&self, work: OwnedSemaphorePermit) -> Self {
        Self {
            stream: Arc::clone(&self.stream),
            peer: self.peer,
            from: Arc::clone(&self.from),
            ended: Arc::clone(&self.ended),
            probes: Arc::clone(&self.probes),
            tls: Arc::clone(&self.tls),
            left: watch::Sender::new(false),
            slot: Arc::clone(&self.slot),
            known: Arc::clone(&self.known),
            work: Mutex::new(Some(work)),
            one_of_many: true,
        }
    }

    /// The peer.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// [`Peer::name`] of it.
    pub(in crate::http) const fn from(&self) -> &Arc<str> {
        &self.from
    }

    /// A request on it is allowed something: from now on it is missed more than one that only connects. `proxy`: the request
    /// came through a proxy that is trusted.
    pub(in crate::http) fn mark_known(&self, proxy: bool) {
        if !self.known.load(Ordering::Relaxed) && !self.known.swap(true, Ordering::Relaxed) {
            self.slot.known(proxy);
        }
    }

    /// A request on it is about to wait, or an event stream to begin: until what this gives is dropped the connection is not
    /// asked to make room for others. `None` if this holder has so many such connections that too few would be left for
    /// others, and for those who come to renew.
    pub(in crate::http) fn hold(&self, holder: &Holder) -> Option<Held> {
        let held = self.slot.hold(holder).then(|| Held(Arc::clone(&self.slot)))?;
        // A waiting request leaves its place to others.
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        Some(held)
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls.get().is_some()
    }

    /// The names (DNS, e-mail, URI) in the client's certificate, which one of `CLIENT_CA` vouches for and whose key the
    /// client has. Empty if it showed none, and without TLS.
    pub fn certificate_names(&self) -> &[String] {
        self.tls.get().map_or(&[], Vec::as_slice)
    }

    /// It is encrypted, and the client's certificate has these names.
    pub(super) fn secured(&self, names: Vec<String>) {
        // Once for each connection.
        let _ = self.tls.set(names);
    }

    /// Looks at the socket, now, without waiting: false if the peer closed the connection or its sending side (FIN, or
    /// the good-bye of TLS), if it was reset or timed out, if the server ended it, or if the client reset this request's
    /// stream. May be called from any thread. A peer whose machine lost power or network looks open until the kernel's
    /// probes give up, some eleven seconds later.
    pub fn is_open(&self) -> bool {
        !self.has_ended() && !*self.left.borrow() && os::look(&*self.stream).is_ok_and(|look| !look.closed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// The client goes, or does not want this request's answer any more.
    pub(super) fn leave(&self) {
        self.left.send_if_modified(|left| !std::mem::replace(left, true));
    }

    /// Resolves when [`Self::is_open`] has become false: within milliseconds normally, within about 100 ms while bytes
    /// of the client lie unread (a request sent ahead of its answer). After a second a silent peer is probed often.
    pub async fn closed(&self) {
        let probing = async {
            tokio::time::sleep(PROBE_AFTER).await;
            let _probing = Probing::new(&self.probes, &self.stream);
            std::future::pending::<()>().await;
        };
        let mut left = self.left.subscribe();
        let said = async {
            // The sender is ours.
            let _ = left.wait_for(|left| *left).await;
        };
        let seen = async {
            if self.one_of_many {
                return std::future::pending().await;
            }
            self.socket_closed().await;
        };
        tokio::select! {
            () = said => {}
            () = seen => {}
            () = probing => {}
        }
    }

    /// To be asked just before an answer goes out that counts as told once it is written: whether the peer's machine is there.
    /// If not, nothing may be written.
    pub(super) async fn is_heard(&self) -> bool {
        probe::is_heard(&self.probes, &self.stream, || self.has_ended()).await
    }

    async fn socket_closed(&self) {
        while !self.has_ended() {
            // The readiness may be left over from the bytes of this request. A fresh look under `try_io` clears it when
            // there is nothing to read, so that `ready` below waits for the next event instead of spinning.
            let looked = self.stream.try_io(Interest::READABLE, || {
                let look = os::look(&*self.stream)?;
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
}

/// A connection that is held by a request; see [`Connection::hold`].
pub(in crate::http) struct Held(Arc<Slot>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held_no_more();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
