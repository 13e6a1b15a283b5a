//! Where the table survives: a trait of two methods, and its implementations.

use lock_core::{Change, Snapshot};

/// A durable home of the table. The engine is its only caller, from one thread.
///
/// # What correctness needs
/// - `commit` returns `Ok` only when *all* changes of the batch survive a power loss; a batch is never applied in part.
/// - After an `Err` the outcome is unknown: the batch may be there as a whole or not at all. The engine then drops its
///   table and calls `load`, which must show one of the two, and the same one ever after.
/// - `load` gives back exactly what the committed batches wrote.
/// - Only one server at a time has the store open; a second one is refused when it opens.
pub trait Store: Send {
    /// Everything that is stored. The order of records does not matter.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Makes a batch durable. At most one change for each key.
    ///
    /// # Errors
    /// See [`StoreError`]; the outcome is then unknown.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later without anybody's help but the operator's: no room, busy, read-only for now. The text says what, where and what to do.
    #[error("{0}")]
    Unavailable(String),
    /// The store is damaged or its device fails: going on would make it worse. Ends the process with exit code 74.
    #[error("{0}")]
    Damaged(String),
}
