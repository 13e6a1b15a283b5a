//! What is measured: a server, and a client of it that takes a lock and gives it back.

use crate::child::Process;
use crate::fault::Fault;
use std::fmt;
use std::pin::Pin;

/// Something to wait for.
pub(crate) type Waits<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Which lock a client takes; all but the last are of size 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// One of its own.
    Own(usize),
    /// The one that all want.
    One,
    /// One of size 2.
    Two,
}

impl fmt::Display for Lock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(number) => write!(out, "own-{number}"),
            Self::One => out.write_str("one"),
            Self::Two => out.write_str("two"),
        }
    }
}

/// Locks of their own that servers have whose locks are configured.
pub(crate) const OWN_LOCKS: usize = 256;

/// A server that runs.
pub(crate) trait Peer: Send + Sync {
    /// Its process, of which the processor time is told.
    fn process(&self) -> &Process;

    /// A client with a connection of its own. `requests` is how many a cycle has, where the server leaves that open (the echo).
    fn client(&self, lock: Lock, requests: u8) -> Waits<'_, Box<dyn Cycle>>;
}

/// One client.
pub(crate) trait Cycle: Send {
    /// Takes its lock; waits for it.
    fn take(&mut self) -> Waits<'_, ()>;

    /// Gives it back.
    fn give_back(&mut self) -> Waits<'_, ()>;
}
