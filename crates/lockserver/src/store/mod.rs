//! Where the table survives: a trait, and its implementations.

pub mod codec;
#[cfg(test)]
pub(crate) mod contract;
mod etcd;
mod memory;
mod sqlite;

pub use etcd::{EtcdPlace, EtcdReader, EtcdStore};
pub use memory::MemoryStore;
pub(crate) use sqlite::{GOES_ON, abandon_unfinished};
pub use sqlite::{OpenError, Replaced, SaveError, SqlitePlace, SqliteReader, SqliteStore};

use lock_core::{Change, Snapshot};
use std::path::PathBuf;
use std::sync::Arc;

/// A durable home of the table. The engine is its only caller, from one thread.
///
/// # What correctness needs
/// - `commit` returns `Ok` only when *all* changes of the batch survive a power loss; a batch is never applied in part.
/// - After an `Err` the outcome is unknown: the batch may be there as a whole or not at all. The engine then drops its
///   table and calls `load`, which must show one of the two, and the same one ever after: what `load` shows is durable,
///   even if the process that wrote it was killed between the writing and the flushing.
/// - `load` gives back exactly what the committed batches wrote.
/// - Only one server at a time has the store open; a second one is refused when it opens.
///
/// `contract::test_all` checks as much of this as a test can; every store passes it.
pub trait Store: Send {
    /// Everything that is stored. The order of records does not matter.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Makes a batch durable. At most one change for each key.
    ///
    /// # Errors
    /// See [`StoreError`]; the outcome is then unknown, and the store takes no other batch before the next `load`.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// Whether `commit` never waits for anything, so that it may be called on a thread that serves connections.
    fn is_immediate(&self) -> bool {
        false
    }

    /// Whether this server may still tell anybody what it has committed or read: false once another one may have the store. Asked
    /// just before each answer.
    fn is_authoritative(&self) -> bool {
        true
    }

    /// How it takes several batches, if it does: always or never. [`Store::commit`] and [`Store::load`] are called only while none
    /// is under way.
    fn pipeline(&mut self) -> Option<&mut dyn Pipeline> {
        None
    }
}

/// The commits of a store that flushes while others are prepared.
pub trait Pipeline {
    /// How many batches it takes before it has said of the first whether that is durable; at least 1.
    fn max(&self) -> usize;

    /// Begins to make a batch durable, behind those that are under way.
    fn begin(&mut self, changes: &[Change]);

    /// Whether the oldest batch that is under way is durable; `None` if that is not known yet. After an error, none of the
    /// batches behind it may take effect, and nothing is under way any more.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn poll(&mut self) -> Option<Result<(), StoreError>>;

    /// The same, once it is known.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn wait(&mut self) -> Result<(), StoreError>;
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later without anybody's help but the operator's: no room, busy, read-only for now. The text says what, where and what to do.
    #[error("{0}")]
    Unavailable(String),
    /// Another server has the store, or may have it by now, and this one stands by. The outcome of a commit is unknown.
    #[error("{reason}")]
    Standby {
        /// Who leads, or that nobody does, for people.
        reason: String,
        /// Who leads, as far as it is known.
        leader: Option<Arc<Leader>>,
    },
    /// The store is damaged or its device fails: going on would make it worse. Ends the process with exit code 74.
    #[error("{0}")]
    Damaged(String),
}

/// The server that has a store which several share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// What it is called.
    pub name: String,
    /// Where others reach it, if it says so.
    pub url: Option<String>,
    /// Since when, in milliseconds since 1970 by its own clock.
    pub since_ms: u64,
}

impl StoreError {
    /// Whether the store does not do its work; another server that has it is no failure.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::Standby { .. })
    }

    /// Too much time has passed to know who leads.
    #[must_use]
    pub fn deposed() -> Self {
        let reason = "this server does not lead any more: the store did not answer it in time, so another server may \
                      lead by now";
        Self::Standby { reason: reason.to_owned(), leader: None }
    }
}

/// Which store, as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StoreChoice {
    /// Forgets everything with the process, as lockserver 0.36 did.
    #[default]
    Memory,
    /// An SQLite database in this file; made if it is missing, its directory too.
    Sqlite(PathBuf),
    /// Keys in etcd, shared with other servers of which one leads.
    Etcd(Box<EtcdPlace>),
}

impl std::fmt::Display for StoreChoice {
    /// As the setting `STORE` is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Etcd(place) => write!(f, "etcd:{}", place.endpoints.join(",")),
        }
    }
}

/// What about the files of a store that is there is not as the server would make it, for people; nothing if all is well.
#[must_use]
pub fn weaknesses(choice: &StoreChoice) -> Vec<String> {
    match choice {
        StoreChoice::Memory | StoreChoice::Etcd(_) => Vec::new(),
        StoreChoice::Sqlite(path) => sqlite::weaknesses(path),
    }
}

/// Opens a store for this process alone.
///
/// # Errors
/// Why it cannot be used; the text says what, where and what to do. Never falls back to another store.
pub fn open(choice: &StoreChoice) -> Result<Box<dyn Store>, OpenError> {
    Ok(match choice {
        StoreChoice::Memory => Box::new(MemoryStore::default()),
        StoreChoice::Sqlite(path) => Box::new(SqliteStore::open(path)?),
        StoreChoice::Etcd(place) => Box::new(EtcdStore::open((**place).clone())?),
    })
}
