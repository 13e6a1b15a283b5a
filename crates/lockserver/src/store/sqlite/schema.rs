//! The connection's settings, and the schema: made, checked and brought forward when the database is opened.

use super::OpenError;
use super::fault::Fault;
use super::file::Identity;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// `lksv`: what `file` and [`connect`] know our databases by.
pub(super) const APPLICATION_ID: i32 = 0x6c6b_7376;

/// Each brings a database from the schema of its index to the next one, in one transaction. Never change one that was
/// released: add one.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
];

/// The schema that this version writes.
pub(super) const SCHEMA: i32 = MIGRATIONS.len() as i32;

/// How long another program's lock is waited for. The engine stands still meanwhile.
const BUSY_TIME: Duration = Duration::from_secs(2);

/// The same for who only looks: nobody waits for it, and the server closes its database within that.
const READER_BUSY_TIME: Duration = Duration::from_secs(10);

/// After that many pages (4 KiB each) in the write-ahead log they are moved to the database, within a commit.
const WAL_PAGES: i64 = 1000;

/// The write-ahead log's file is cut to this when it begins anew, so that one huge commit does not keep its room.
pub(super) const WAL_BYTES_MAX: i64 = 8 * 1024 * 1024;

/// Statements kept prepared; there are fewer.
const STATEMENTS_MAX: usize = 40;

/// Whether an empty file may become a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// At start: a new store.
    Make,
    /// While the server runs: its database was there before, so an empty one means that somebody replaced it.
    Refuse,
}

/// Opens the database, which exists as a file, and checks all that must hold before it is used.
pub(super) fn connect(path: &Path, empty: Empty) -> Result<Connection, OpenError> {
    // Neither CREATE nor URI: the file was made with its mode before, and a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .map_err(|error| OpenError::Store(Fault::from(error).into_error(None, path)))?;
    match prepare(&mut connection, path, empty) {
        Ok(()) => Ok(connection),
        Err(Refusal::Open(error)) => Err(error),
        Err(Refusal::Fault(fault)) => Err(OpenError::Store(fault.into_error(Some(&connection), path))),
    }
}

/// Looks through the whole file for damage of its structure. Takes about a second for each gigabyte.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    let fault = match found {
        Ok(found) if found == "ok" => return Ok(()),
        Ok(found) => Fault::Structure(found),
        Err(error) => Fault::from(error),
    };
    Err(OpenError::Store(fault.into_error(Some(connection), path)))
}

enum Refusal {
    Open(OpenError),
    Fault(Fault),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault::Sqlite(error))
    }
}

fn prepare(connection: &mut Connection, path: &Path, empty: Empty) -> Result<(), Refusal> {
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Before anything is written: a foreign file stays as it is.
    let version = check_owner(connection, path, empty)?;
    set(connection, path, "journal_mode", "WAL", "wal")?;
    set(connection, path, "synchronous", "FULL", "2")?;
    set(connection, path, "wal_autocheckpoint", &WAL_PAGES.to_string(), &WAL_PAGES.to_string())?;
    set(connection, path, "journal_size_limit", &WAL_BYTES_MAX.to_string(), &WAL_BYTES_MAX.to_string())?;
    set(connection, path, "trusted_schema", "OFF", "0")?;
    set(connection, path, "cell_size_check", "ON", "1")?;
    bring_forward(connection, path, version)
}

/// From that schema to the present one.
fn bring_forward(connection: &mut Connection, path: &Path, version: i32) -> Result<(), Refusal> {
    for (from, migration) in (0..).zip(MIGRATIONS).skip(usize::try_from(version).unwrap_or(0)) {
        migrate(connection, path, from, migration)?;
        // A step may take its time. In a new file none does.
        if version > 0 {
            tracing::info!(file = %path.display(), "the store has schema {} now", from + 1);
        }
    }
    if version == 0 {
        tracing::info!(file = %path.display(), "the store is new");
    }
    Ok(())
}

/// A connection beside the server's, or to a backup, that changes nothing; and the schema that it found.
pub(super) fn connect_to_read(path: &Path) -> Result<(Connection, i32), OpenError> {
    // No symbolic links, so that nobody can put one there in the meantime; and that also holds for what is saved to.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| OpenError::Store(Fault::from(error).explain(None, path)))?;
    let prepare = || -> Result<i32, Refusal> {
        connection.busy_timeout(READER_BUSY_TIME)?;
        let version = check_owner(&connection, path, Empty::Refuse)?;
        set(&connection, path, "trusted_schema", "OFF", "0")?;
        set(&connection, path, "cell_size_check", "ON", "1")?;
        Ok(version)
    };
    match prepare() {
        Ok(version) => Ok((connection, version)),
        Err(Refusal::Open(error)) => Err(error),
        Err(Refusal::Fault(fault)) => Err(OpenError::Store(fault.explain(Some(&connection), path))),
    }
}

/// The whole database in memory, with the present schema: how a file of an earlier one is read without changing it.
pub(super) fn copy_brought_forward(connection: &Connection, path: &Path, version: i32) -> Result<Connection, Fault> {
    let mut copy = Connection::open_in_memory()?;
    rusqlite::backup::Backup::new(connection, &mut copy)?.step(-1)?;
    match bring_forward(&mut copy, path, version) {
        Ok(()) => Ok(copy),
        Err(Refusal::Fault(fault)) => Err(fault),
        Err(Refusal::Open(error)) => Err(Fault::Structure(error.to_string())),
    }
}

/// The schema's version, if the file is ours or empty.
fn check_owner(connection: &Connection, path: &Path, empty: Empty) -> Result<i32, Refusal> {
    let (application, version, objects): (i32, i32, i64) = connection.query_row(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let path = path.to_owned();
    match (application, version) {
        (0, 0) if objects == 0 && empty == Empty::Make => Ok(0),
        (APPLICATION_ID, 1..=SCHEMA) => Ok(version),
        (APPLICATION_ID, found) if found > SCHEMA => {
            Err(Refusal::Open(OpenError::Newer { path, found, known: SCHEMA }))
        }
        _ => Err(Refusal::Open(OpenError::Foreign { path })),
    }
}

/// Sets a pragma and reads it back: SQLite passes over what it cannot do.
fn set(connection: &Connection, path: &Path, setting: &'static str, value: &str, wanted: &str) -> Result<(), Refusal> {
    connection.pragma_update_and_check(None, setting, value, |_| Ok(())).or_else(|error| match error {
        // Some pragmas answer with the new value, some with nothing.
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(error),
    })?;
    let found = connection.pragma_query_value(None, setting, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().map(str::to_owned).unwrap_or_default(),
        })
    })?;
    if found == wanted {
        return Ok(());
    }
    Err(Refusal::Open(OpenError::Setting { path: path.to_owned(), setting, wanted: wanted.to_owned(), found }))
}

fn migrate(connection: &mut Connection, path: &Path, from: i32, migration: &str) -> Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "user_version", from + 1)?;
    if from == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        let identity = Identity::of(path).map_or_else(String::new, |identity| identity.0);
        transaction.execute("INSERT INTO meta VALUES (1, 0, 0, 0, 0, 0, ?1, 0)", [identity])?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_does_not_take_is_an_error() {
        // An in-memory database has no write-ahead log.
        let connection = Connection::open_in_memory().unwrap();
        let refused = set(&connection, Path::new("/some/where"), "journal_mode", "WAL", "wal");
        let Err(Refusal::Open(OpenError::Setting { setting, found, .. })) = refused else {
            panic!("the setting was taken for granted");
        };
        assert_eq!((setting, found.as_str()), ("journal_mode", "memory"));
    }
}
