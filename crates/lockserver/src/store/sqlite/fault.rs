//! What went wrong in SQLite, sorted into what the engine must know: may it work later, or is the store damaged?

use crate::store::StoreError;
use rusqlite::{Connection, ErrorCode, ffi};
use std::path::{Display, Path};

/// A failure before it is known what it means.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// A value in the file means nothing, or a record contradicts another one. The text names table, row and column.
    Value(String),
    /// The structure of the file is broken. The text is SQLite's.
    Structure(String),
    /// A value does not fit into the file.
    TooLarge(u64),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What a server adds to the text of a failure that may pass.
pub(crate) const GOES_ON: &str = "; the server goes on by itself";

impl Fault {
    /// What it means for a server. `connection` is the one it happened on, before anything else is done with it.
    pub(super) fn into_error(self, connection: Option<&Connection>, path: &Path) -> StoreError {
        match self.explain(connection, path) {
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{text}{GOES_ON}")),
            other => other,
        }
    }

    /// As [`Fault::into_error`], for a command: nothing goes on by itself.
    pub(super) fn explain(self, connection: Option<&Connection>, path: &Path) -> StoreError {
        let path = path.display();
        match self {
            Self::Value(what) => StoreError::Damaged(format!(
                "the store {path} holds a record that no server wrote: {what}; restore it from a backup, or correct \
                 the row with \
                 sqlite3 while no server runs"
            )),
            Self::Structure(said) => StoreError::Damaged(is_damaged(path, &said)),
            Self::TooLarge(value) => StoreError::Damaged(format!(
                "the number {value} does not fit into the store {path}; this is an error of lockserver, please report it"
            )),
            Self::Sqlite(error) => {
                let said = error.to_string();
                let rusqlite::Error::SqliteFailure(code, _) = error else {
                    return StoreError::Damaged(format!("the store {path} cannot be read: {said}"));
                };
                match meaning(code, connection.map_or(0, system_errno)) {
                    Meaning::NoRoom => StoreError::Unavailable(format!(
                        "no space left for the store {path} ({said}): make room on its file system, or raise the quota or \
                         file size limit"
                    )),
                    Meaning::Busy => StoreError::Unavailable(format!(
                        "another program keeps the store {path} locked ({said}): end it, it may be sqlite3 within a \
                         transaction"
                    )),
                    Meaning::ReadOnly => StoreError::Unavailable(format!(
                        "the store {path} cannot be written ({said}): check its owner and mode, and whether its file \
                         system is mounted read-only"
                    )),
                    Meaning::CannotOpen => StoreError::Unavailable(format!(
                        "the store {path} cannot be opened ({said}): check that it is there and that the server may write \
                         to it and to its directory"
                    )),
                    Meaning::NoMemory => StoreError::Unavailable(format!(
                        "not enough memory to use the store {path} ({said}): end other programs, or give it more"
                    )),
                    Meaning::Device => StoreError::Damaged(format!(
                        "the device of the store {path} fails ({said}): look into the system's log for errors of the disk, \
                         and restore the store from a backup if it does not open"
                    )),
                    Meaning::Content => StoreError::Damaged(is_damaged(path, &said)),
                }
            }
        }
    }
}

fn is_damaged(path: Display<'_>, said: &str) -> String {
    format!(
        "the store {path} is damaged or is not a database ({said}): restore it from a backup, or move it away with \
         its -wal \
         file to begin with an empty one"
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NoRoom,
    Busy,
    ReadOnly,
    CannotOpen,
    NoMemory,
    Device,
    Content,
}

fn meaning(error: ffi::Error, errno: i32) -> Meaning {
    match error.code {
        ErrorCode::DiskFull => Meaning::NoRoom,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Meaning::Busy,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Meaning::ReadOnly,
        ErrorCode::CannotOpen => Meaning::CannotOpen,
        ErrorCode::OutOfMemory => Meaning::NoMemory,
        ErrorCode::SystemIoFailure => match error.extended_code {
            ffi::SQLITE_IOERR_NOMEM => Meaning::NoMemory,
            // SQLite calls only ENOSPC "full". Reading needs no room, and after a failed flush nothing is certain.
            ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMMAP => match errno {
                libc::ENOSPC | libc::EDQUOT | libc::EFBIG => Meaning::NoRoom,
                libc::EROFS | libc::EPERM | libc::EACCES => Meaning::ReadOnly,
                _ => Meaning::Device,
            },
            _ => Meaning::Device,
        },
        _ => Meaning::Content,
    }
}

/// The system's error number behind the last I/O error or failed opening of this connection.
pub(super) fn system_errno(connection: &Connection) -> i32 {
    #[expect(unsafe_code, reason = "rusqlite has no safe function for it; the handle is valid while it is borrowed")]
    unsafe {
        ffi::sqlite3_system_errno(connection.handle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_errors_mean() {
        for (code, errno, expected) in [
            (ffi::SQLITE_FULL, 0, Meaning::NoRoom),
            (ffi::SQLITE_BUSY, 0, Meaning::Busy),
            (ffi::SQLITE_BUSY_RECOVERY, 0, Meaning::Busy),
            (ffi::SQLITE_READONLY, 0, Meaning::ReadOnly),
            (ffi::SQLITE_READONLY_DBMOVED, 0, Meaning::ReadOnly),
            (ffi::SQLITE_CANTOPEN, libc::ENOENT, Meaning::CannotOpen),
            (ffi::SQLITE_NOMEM, 0, Meaning::NoMemory),
            (ffi::SQLITE_IOERR_NOMEM, 0, Meaning::NoMemory),
            (ffi::SQLITE_IOERR_WRITE, libc::EIO, Meaning::Device),
            (ffi::SQLITE_IOERR_WRITE, libc::EDQUOT, Meaning::NoRoom),
            (ffi::SQLITE_IOERR_WRITE, libc::EFBIG, Meaning::NoRoom),
            (ffi::SQLITE_IOERR_WRITE, libc::EROFS, Meaning::ReadOnly),
            (ffi::SQLITE_IOERR_SHMSIZE, libc::ENOSPC, Meaning::NoRoom),
            (ffi::SQLITE_IOERR_READ, libc::EIO, Meaning::Device),
            (ffi::SQLITE_IOERR_READ, libc::ENOSPC, Meaning::Device),
            (ffi::SQLITE_IOERR_FSYNC, libc::ENOSPC, Meaning::Device),
            (ffi::SQLITE_CORRUPT, 0, Meaning::Content),
            (ffi::SQLITE_NOTADB, 0, Meaning::Content),
            (ffi::SQLITE_ERROR, 0, Meaning::Content),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, 0, Meaning::Content),
        ] {
            assert_eq!(meaning(ffi::Error::new(code), errno), expected, "code {code}, errno {errno}");
        }
    }
}
