//! Looking into a database that a server may be using at this moment, and making copies of it.
//!
//! In SQLite's write-ahead mode a reader and the writer do not wait for each other. The lock of [`super::guard`] is not
//! touched: it is about who writes. What SQLite makes beside the database (`-wal`, `-shm`) belongs to the database's owner
//! even if root is the first who looks.

use super::fault::{Fault, system_errno};
use super::file::{Identity, with_suffix};
use super::schema::{self, SCHEMA};
use super::scratch::{SaveError, Scratch};
use super::{OpenError, decode};
use crate::store::StoreError;
use lock_core::limits::COUNTER_MAX;
use lock_core::{Continuity, Meta, Snapshot, Table};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most findings that a check tells.
const FINDINGS_MAX: usize = 100;

/// A store that is looked into and never written.
#[derive(Debug)]
pub struct SqliteReader {
    path: PathBuf,
    connection: Connection,
    schema: i32,
}

impl SqliteReader {
    /// Opens the database of a server that runs or does not, or a backup.
    ///
    /// # Errors
    /// If it is not there, cannot be read, or is not ours or of a later version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |error| OpenError::io(path, "opened for reading", error);
        let path = path.canonicalize().map_err(unreadable)?;
        // Before it is opened: a pipe would wait for a writer, and SQLite takes a directory for a disk that fails.
        let found = fs::metadata(&path).map_err(unreadable)?;
        let no_database = |why| unreadable(io::Error::new(io::ErrorKind::InvalidInput, why));
        if !found.is_file() {
            return Err(no_database("it is not a file; name a database in it, or elsewhere"));
        }
        if found.len() == 0 {
            return Err(no_database("it is empty, and not a database"));
        }
        fs::File::open(&path).map_err(unreadable)?;
        let (connection, schema) = schema::connect_to_read(&path)?;
        Ok(Self { path, connection, schema })
    }

    /// Where it is, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The schema it was written with.
    #[must_use]
    pub fn schema(&self) -> i32 {
        self.schema
    }

    /// Looks through the whole file for damage of its structure. Takes some seconds for each gigabyte.
    ///
    /// # Errors
    /// All that is wrong, up to a bound, one finding a line.
    pub fn check(&self) -> Result<(), StoreError> {
        let ask = || -> Result<Vec<String>, Fault> {
            let sql = format!("PRAGMA integrity_check({FINDINGS_MAX})");
            let mut statement = self.connection.prepare(&sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        match ask() {
            Ok(findings) if findings == ["ok"] => Ok(()),
            Ok(findings) => Err(self.explain(Fault::Structure(findings.join("\n")))),
            Err(fault) => Err(self.explain(fault)),
        }
    }

    /// Everything that is stored, of one moment. It counts as a copy if the file is not the one it was last written as.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn load(&self) -> Result<Snapshot, StoreError> {
        let read = || -> Result<Snapshot, Fault> {
            let transaction = self.connection.unchecked_transaction()?;
            let (mut snapshot, file) = if self.schema == SCHEMA {
                decode::snapshot(&transaction)?
            } else {
                decode::snapshot(&schema::copy_brought_forward(&transaction, &self.path, self.schema)?)?
            };
            snapshot.restart_counters = Identity::of(&self.path).is_none_or(|identity| identity.0 != file);
            Ok(snapshot)
        };
        read().map_err(|fault| self.explain(fault))
    }

    /// Makes a copy of this moment in the file `target`, mode 0600, and proves it by a look through it and a load. The
    /// store's writer does not wait for it, nor it for the writer. A server that starts on it begins with counters that
    /// were never given (rule 10). Returns what was saved.
    ///
    /// # Errors
    /// See [`SaveError`]; `target` is then as it was. One that is there is replaced only if `replace`.
    pub fn save(&self, target: &Path, replace: bool) -> Result<Snapshot, SaveError> {
        // SQLite would play a log that was left there into the new file.
        for suffix in ["-wal", "-journal"] {
            let beside = with_suffix(target, suffix);
            if beside.symlink_metadata().is_ok() {
                let error =
                    format!("{} exists: a program uses that database, or was killed while it did", beside.display());
                return Err(SaveError::Target { path: target.to_owned(), act: "written", error });
            }
        }
        match target.symlink_metadata() {
            Ok(_) if !replace => return Err(SaveError::Exists { path: target.to_owned() }),
            Ok(found) if !found.is_file() => {
                let error = "it is not a file; name one".to_owned();
                return Err(SaveError::Target { path: target.to_owned(), act: "replaced", error });
            }
            _ => {}
        }
        let (scratch, snapshot) = self.draft(target, &Meta::default())?;
        scratch.publish(replace)?;
        Ok(snapshot)
    }

    /// A copy beside `target`, complete and proven, and what is in it. Its counters are at least those of `floor`.
    pub(super) fn draft(&self, target: &Path, floor: &Meta) -> Result<(Scratch, Snapshot), SaveError> {
        let scratch = Scratch::beside(target)?;
        let Some(name) = scratch.path().to_str() else {
            let error = "its name is not UTF-8".to_owned();
            return Err(SaveError::Target { path: target.to_owned(), act: "written", error });
        };
        self.connection.execute("VACUUM INTO ?1", [name]).map_err(|error| self.save_error(error, target))?;
        mark_as_copy(scratch.path(), floor).map_err(|fault| SaveError::Bad(fault.explain(None, scratch.path())))?;
        let copy = Self::open(scratch.path())?;
        let snapshot = copy.check().and_then(|()| copy.load()).map_err(SaveError::Bad)?;
        drop(copy);
        Table::load(snapshot.clone(), 0, &Continuity::None)
            .map_err(|error| SaveError::Bad(StoreError::Damaged(error.to_string())))?;
        Ok((scratch, snapshot))
    }

    fn explain(&self, fault: Fault) -> StoreError {
        fault.explain(Some(&self.connection), &self.path)
    }

    /// Which of the two files it is about: nothing is written to the one that is read.
    fn save_error(&self, error: rusqlite::Error, target: &Path) -> SaveError {
        let errno = match &error {
            rusqlite::Error::SqliteFailure(code, _) => match (code.code, code.extended_code) {
                (ErrorCode::DiskFull, _) => Some(libc::ENOSPC),
                (_, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_TRUNCATE) => {
                    Some(system_errno(&self.connection))
                }
                _ => None,
            },
            _ => None,
        };
        match errno {
            Some(errno) => SaveError::target(target, "written", &io::Error::from_raw_os_error(errno)),
            None => SaveError::Source(OpenError::Store(self.explain(Fault::from(error)))),
        }
    }
}

/// Whatever file this becomes, it is not the one that it says it is.
fn mark_as_copy(path: &Path, floor: &Meta) -> Result<(), Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    // It is thrown away if anything goes wrong, and flushed as a whole in the end.
    connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    let floor = [floor.last_token, floor.last_number, floor.last_revision]
        .map(|counter| if counter <= COUNTER_MAX / 2 { counter.cast_signed() } else { 0 });
    connection.execute(
        "UPDATE meta SET file = '', last_token = max(last_token, ?1), last_number = max(last_number, ?2),
         last_revision = max(last_revision, ?3)",
        floor,
    )?;
    Ok(())
}
