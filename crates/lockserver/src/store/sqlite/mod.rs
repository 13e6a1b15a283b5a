//! The durable store: an SQLite database that operators can read with `sqlite3` while the server runs.
//!
//! `schema` has the tables, `encode` and `decode` map records to rows and back, `fault` says what an error means, `guard`
//! keeps a second server out, `file` is about the file itself. `reader` looks into a database beside its server and copies
//! it, `replace` puts a copy in its place.

mod columns;
mod decode;
mod encode;
mod fault;
mod file;
mod guard;
mod reader;
mod replace;
mod schema;
mod scratch;
mod seen;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use fault::GOES_ON;
pub(super) use file::weaknesses;
pub use reader::SqliteReader;
pub use replace::{Replaced, SqlitePlace};
pub use scratch::SaveError;
pub(crate) use scratch::abandon_unfinished;

use super::{Store, StoreError};
use encode::Encoder;
use fault::Fault;
use file::Identity;
use guard::Guard;
use lock_core::{Change, Meta, Snapshot};
use rusqlite::Connection;
use schema::Empty;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be opened. Every text says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it.
    #[error(
        "the store {} is in use by another lockserver{process}: stop that one, or give each server a store of its own",
        path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// Which process, in parentheses after a blank, if it is known.
        process: String,
    },
    /// The file is an SQLite database of another program.
    #[error("{} is a database, but not of lockserver: name another file in STORE", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A later version of lockserver wrote it.
    #[error(
        "the store {} has schema {found}, and this lockserver knows schemas up to {known}: run the version that wrote it, \
         or a later one",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i32,
        /// The latest one known here.
        known: i32,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error(
        "the store {} cannot be used safely: {setting} is {found:?} instead of {wanted:?}; put it on a local file system",
        path.display()
    )]
    Setting {
        /// The database.
        path: PathBuf,
        /// The pragma.
        setting: &'static str,
        /// What was set.
        wanted: String,
        /// What is.
        found: String,
    },
    /// A file or directory could not be used.
    #[error("{} cannot be {act}: {error}; check that the server's user may do that, or name another file in STORE", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a past participle.
        act: &'static str,
        /// The system's answer.
        error: io::Error,
    },
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    fn io(path: &Path, act: &'static str, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), act, error }
    }

    /// The same during the run: only what the store itself calls damage ends the process, all else waits for the operator.
    fn into_store_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            other => StoreError::Unavailable(other.to_string()),
        }
    }
}

/// See the module.
pub struct SqliteStore {
    path: PathBuf,
    // Before the guard: fields are dropped in this order, and the lock must outlast the connection.
    connection: Option<Connection>,
    guard: Guard,
    encoder: Encoder,
    /// Of the file that the connection is open on.
    identity: Identity,
    /// It is older than what its lock file remembers: the next commit begins that anew.
    older: bool,
    /// The file is not the one it was last written as: the next commit writes down which it is.
    moved: bool,
    #[cfg(test)]
    pages_max: Option<u32>,
}

impl SqliteStore {
    /// The schema that this version writes; it reads all before it.
    pub const SCHEMA: i32 = schema::SCHEMA;

    /// Opens the database for this process alone, and looks through it for damage. Makes it, and its directory, if they
    /// are missing (modes 0600 and 0700).
    ///
    /// # Errors
    /// See [`OpenError`]. A file that is refused is left as it was.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = file::locate(path)?;
        let mut guard = Guard::take(&path)?;
        file::make(&path)?;
        guard.hold(&path)?;
        let connection = schema::connect(&path, Empty::Make)?;
        schema::check(&connection, &path)?;
        // For the write-ahead log, which SQLite has made beside it.
        file::sync_directory_of(&path)?;
        let identity = identity_of(&path)?;
        Ok(Self {
            path,
            connection: Some(connection),
            guard,
            encoder: Encoder::new(),
            identity,
            older: false,
            moved: false,
            #[cfg(test)]
            pages_max: None,
        })
    }

    /// Checks, before every use, that nobody has taken the lock or the file away: writing on would be writing to nowhere.
    fn check_place(&mut self) -> Result<(), StoreError> {
        self.guard.check(&self.path)?;
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        if Identity::of(&self.path).as_ref() == Some(&self.identity) {
            return Ok(());
        }
        // The write-ahead log must not be left to a file that it does not belong to: SQLite would play it into that.
        let busy = checkpoint(connection).map_err(|fault| fault.into_error(Some(connection), &self.path))?;
        if busy {
            return Err(StoreError::Unavailable(format!(
                "{} was removed or replaced while the server ran, and another program still reads the old one: end that \
                 program, and put the right file there",
                self.path.display()
            )));
        }
        self.connection = None;
        Err(StoreError::Unavailable(format!(
            "{} was removed or replaced while the server ran: put the right file there, and the server goes on by itself, or \
             restart it to begin with what is there",
            self.path.display()
        )))
    }

    /// The connection, made anew if a failure ended the last one.
    fn connect(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            file::check_writable(&self.path).map_err(OpenError::into_store_error)?;
            self.guard.hold(&self.path).map_err(OpenError::into_store_error)?;
            let connection = schema::connect(&self.path, Empty::Refuse).map_err(OpenError::into_store_error)?;
            self.identity = identity_of(&self.path).map_err(OpenError::into_store_error)?;
            self.connection = Some(connection);
            #[cfg(test)]
            self.apply_pages_max();
        }
        // `insert` cannot be used above: the borrow would last over the errors.
        self.connection.as_mut().ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))
    }

    /// Ends the connection after a failure, so that nothing of it lingers; the next load makes a new one.
    fn failed(&mut self, fault: Fault) -> StoreError {
        let error = fault.into_error(self.connection.as_ref(), &self.path);
        self.connection = None;
        error
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        // A file that was put in the place of the old one is what the operator wants to have loaded.
        let had_connection = self.connection.is_some();
        match self.check_place() {
            Err(_) if had_connection && self.connection.is_none() => {}
            checked => checked?,
        }
        let connection = self.connect()?;
        let (mut snapshot, file) = match flush_wal(connection).and_then(|()| decode::snapshot(connection)) {
            Ok(read) => read,
            Err(fault) => return Err(self.failed(fault)),
        };
        self.moved = file != self.identity.0;
        let older = guard::is_ahead(self.guard.mark(), &snapshot.meta);
        self.older = older;
        snapshot.lost_commits = older && !self.moved;
        if snapshot.lost_commits {
            tracing::error!(
                file = %self.path.display(),
                "the store is older than what was last committed to it: its -wal file was lost or damaged, or an older database \
                 was put in its place. Clients may still hold permits that were granted since, and those may be \
                 granted again"
            );
        }
        if self.moved || older {
            tracing::warn!(
                file = %self.path.display(),
                "the store is a copy, was restored or is new: fencing tokens and ticket numbers go on from the clock"
            );
        }
        snapshot.restart_counters = self.moved || older;
        Ok(snapshot)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.check_place()?;
        let moved_to = self.moved.then(|| self.identity.0.clone());
        let Some(connection) = &self.connection else {
            // Only a load knows what the file holds now.
            return Err(StoreError::Unavailable(format!(
                "the store {} failed before and was not loaded again since",
                self.path.display()
            )));
        };
        if let Err(fault) = write(connection, &self.encoder, changes, moved_to.as_deref()) {
            return Err(self.failed(fault));
        }
        self.moved = false;
        if let Some(meta) = meta_of(changes) {
            if std::mem::take(&mut self.older) {
                self.guard.forget_mark();
            }
            self.guard.set_mark(meta);
        }
        Ok(())
    }
}

fn meta_of(changes: &[Change]) -> Option<&Meta> {
    changes.iter().rev().find_map(|change| match change {
        Change::Meta(meta) => Some(meta),
        _ => None,
    })
}

fn identity_of(path: &Path) -> Result<Identity, OpenError> {
    Identity::of(path).ok_or_else(|| OpenError::io(path, "found", io::Error::from(io::ErrorKind::NotFound)))
}

/// One transaction: all of the changes, or nothing. After a failure the connection is closed, which takes back what was done.
fn write(connection: &Connection, encoder: &Encoder, changes: &[Change], moved_to: Option<&str>) -> Result<(), Fault> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for change in changes {
        encoder.apply(connection, change)?;
    }
    if let Some(identity) = moved_to {
        connection.execute("UPDATE meta SET file = ?1", [identity])?;
    }
    execute(connection, "COMMIT")
}

/// Executes a statement that is prepared once: to read it costs more than to execute it.
fn execute(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Makes durable what a reader sees. A process that was killed, or whose flush failed, may have left a batch in the
/// write-ahead log that is whole but only in the system's cache. A power failure could then undo what a reader has
/// answered from it. A small commit flushes the log, and shows at once, not at the first ticket, that the file can be
/// written. Moving the log into the database makes certain even what an earlier flush had failed to write.
fn flush_wal(connection: &Connection) -> Result<(), Fault> {
    connection.execute("UPDATE meta SET loads = loads + 1", [])?;
    // A program that reads the database keeps the log in use; then the commit above must be enough.
    checkpoint(connection)?;
    Ok(())
}

/// Moves the write-ahead log into the database and empties it. `true`: another program's reading kept it from that.
fn checkpoint(connection: &Connection) -> Result<bool, Fault> {
    Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).map(|busy| busy != 0)?)
}

#[cfg(test)]
impl SqliteStore {
    /// Lets the database have that many pages and no more, as a full disk would; `None` for no bound.
    fn limit_pages(&mut self, pages: Option<u32>) {
        self.pages_max = pages;
        self.apply_pages_max();
    }

    fn apply_pages_max(&self) {
        if let Some(connection) = &self.connection {
            let pages = self.pages_max.unwrap_or(u32::MAX - 1);
            connection.pragma_update(None, "max_page_count", pages).expect("a bound for the test");
        }
    }
}
