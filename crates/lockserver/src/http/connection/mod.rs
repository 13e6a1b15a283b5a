//! From the listening socket to the router, and the knowledge whether a client is still there and whether an answer
//! reached it.
//!
//! One task a connection (`drive`) shakes hands where TLS is wanted (`tls`), and drives HTTP over it (`http1`; `http2` if
//! the client chose it in the handshake). What it does is kept in one small state (`flow`), fed by wrappers around the
//! socket (`io`: bytes given to the kernel, below TLS; requests and ends of answers, above it) and around the router
//! (`answer`). From it follow the deadlines (`keeper`), the idle connections, and the receipts that can be settled. HTTP/1 runs with half-close:
//! a client that has closed its sending side (FIN, or the good-bye of TLS) gets its answer; a handler that waits learns of
//! it by [`Connection::closed`] and decides itself. Nothing here cancels a handler because of what the client does; only
//! the end of the connection drops it: its reset while an answer is written, or [`Limits::drain_time`] of a stopping
//! server.
//!
//! Two things are different in HTTP/2. Each request has its own [`Connection`], which is closed when the client resets
//! that stream, or ends the connection, in either direction: then nobody is there for any answer. And an answer may stay
//! behind in HTTP, because its client's window is full: it is written when the frame that ends its stream was (`frames`).
//!
//! There are so many connections and no more (`slots`). Whose they are decides who gives way when a place is needed
//! (`crowd`). Handshakes take turns (`turns`), since they cost more than anything else that a stranger can ask for.
//!
//! What is not bounded here: the time of a handler and of its reading the request's body (the routes do that), and the
//! time of an answer that its client takes slowly but steadily.

mod accept;
mod address;
mod answer;
mod client;
mod crowd;
mod delivery;
mod drive;
mod flow;
mod frames;
mod guard;
mod handed;
mod http1;
mod http2;
mod io;
mod keeper;
mod link;
mod listener;
mod local;
mod pace;
mod probe;
mod receipt;
mod responder;
mod slots;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod turns;
mod unread;

pub use accept::{TlsNow, serve};
pub use address::ListenError;
pub use client::Connection;
pub(in crate::http) use client::Held;
pub(in crate::http) use crowd::Holder;
pub use guard::{Guard, guard};
pub use handed::{HandedOver, KEPT};
pub use listener::{Listener, Origin};
pub use local::{LocalError, LocalListener};
pub use receipt::{Receipt, attach};
pub use responder::Responder;
pub use stream::Peer;

use lock_core::limits;
use std::time::Duration;

/// The bounds of connections. The defaults are those of `lock_core::limits`, for 1024 open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at a time. At the limit the one that is missed least is closed for a new one; while all are held by
    /// who waits the new one waits, unanswered: an unmodified client of 0.36 dies of any refusal.
    pub connections: usize,
    /// Largest head of a request, in bytes; at least 8192. A larger one is answered 431.
    pub head_bytes: usize,
    /// How long a request's head may take from its first byte, and a TLS handshake from the connection's beginning; a
    /// quarter of it while most connections are taken.
    pub header_time: Duration,
    /// How long a connection may be idle.
    pub idle_time: Duration,
    /// A connection of HTTP/1 that is idle for so long gives up HTTP's buffers until something comes.
    pub rest_time: Duration,
    /// HTTP/2 with requests under way: how long the peer may be silent before it is sent a PING, and how
    /// long it may take to give one.
    pub ping_time: Duration,
    /// How long a peer may take no byte of an answer that is being written.
    pub write_time: Duration,
    /// How long a written answer with receipts may stay unacknowledged.
    pub receipt_time: Duration,
    /// How long a connection is listened to after its last answer, so that bytes which the client still sends do not
    /// make its kernel throw the answer away.
    pub linger_time: Duration,
    /// How long a stopping server waits for the first request of a connection that was just made.
    pub first_time: Duration,
    /// How long a stopping server waits for the answers under way.
    pub drain_time: Duration,
}

/// Long beside the pauses of a client that is at work, short beside those of one that is not.
const REST_TIME: Duration = Duration::from_millis(500);
/// The usual soft limit of open files.
const OPEN_FILES_USUAL: u64 = 1024;
/// Open files kept for everything but connections, at least: the store, logs, event queues, connections to other servers.
const FILES_KEPT_MIN: u64 = 64;

impl Limits {
    /// As many connections as fit into `open_files` (see [`crate::os::raise_open_files`]) with a tenth kept back.
    #[must_use]
    pub fn with_open_files(self, open_files: u64) -> Self {
        let kept = FILES_KEPT_MIN.max(open_files / 10);
        let left = usize::try_from(open_files.saturating_sub(kept)).unwrap_or(usize::MAX);
        Self { connections: left.clamp(1, limits::CONNECTIONS_MAX), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let unsized_limits = Self {
            connections: 1,
            head_bytes: limits::HEAD_BYTES_MAX,
            header_time: Duration::from_millis(limits::HEADER_TIME_MAX_MS),
            idle_time: Duration::from_millis(limits::IDLE_TIME_MAX_MS),
            rest_time: REST_TIME,
            ping_time: Duration::from_millis(limits::PING_TIME_MS),
            write_time: Duration::from_millis(limits::WRITE_TIME_MAX_MS),
            receipt_time: Duration::from_millis(limits::RECEIPT_TIME_MAX_MS),
            linger_time: Duration::from_millis(limits::LINGER_TIME_MAX_MS),
            first_time: Duration::from_millis(limits::FIRST_TIME_MAX_MS),
            drain_time: Duration::from_millis(limits::DRAIN_TIME_MAX_MS),
        };
        unsized_limits.with_open_files(OPEN_FILES_USUAL)
    }
}
