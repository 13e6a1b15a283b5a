//! What is measured: a server, and a client of it that takes a lock and gives it back.

use crate::child::Process;
use crate::fault::Fault;
use std::pin::Pin;

/// Something to wait for.
pub(crate) type Waits<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// A server that runs.
pub(crate) trait Peer: Send + Sync {
    /// Its process, of which the processor time is told.
    fn process(&self) -> &Process;

    /// A client with a connection of its own. `requests` is how many a cycle has, where the server leaves that open (the echo).
    fn client(&self, lock: &str, requests: u8) -> Waits<'_, Box<dyn Cycle>>;
}

/// One client.
pub(crate) trait Cycle: Send {
    /// Takes its lock; waits for it.
    fn take(&mut self) -> Waits<'_, ()>;

    /// Gives it back.
    fn give_back(&mut self) -> Waits<'_, ()>;
}
