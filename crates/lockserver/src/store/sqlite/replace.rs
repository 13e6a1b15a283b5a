//! Putting a copy of another store in the place of one, while no server has it.

use super::file::{locate_existing, sync_directory_of, with_suffix};
use super::guard::Guard;
use super::reader::SqliteReader;
use super::scratch::SaveError;
use super::{OpenError, checkpoint};
use lock_core::{Meta, Snapshot};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database; together with the database this is the store.
const BESIDE: [&str; 3] = ["-wal", "-journal", "-shm"];
/// Names that are tried for what is set aside.
const NAMES_MAX: usize = 100;

/// The place of a store. As long as this lives, no server starts on it.
#[derive(Debug)]
pub struct SqlitePlace {
    path: PathBuf,
    guard: Guard,
}

/// What was put in place.
#[derive(Debug)]
pub struct Replaced {
    /// What the store holds now.
    pub snapshot: Snapshot,
    /// Where the store is that was there before.
    pub kept: Option<PathBuf>,
}

impl SqlitePlace {
    /// Takes the place, in a directory that is there.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while a server has it; or the directory cannot be used.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let path = locate_existing(path)?;
        let guard = Guard::take(&path)?;
        Ok(Self { path, guard })
    }

    /// Where it is, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a copy there. Its counters begin above those of the store that was there, and where a server starts with it, at
    /// the clock (rule 10). The file is of the owner of the directory, mode 0600.
    ///
    /// # Errors
    /// See [`SaveError`]; the place is then as it was. A store that is there is replaced only if `replace`; it is kept
    /// under a name that ends in `suffix`, or in that and a number.
    pub fn fill(&self, from: &SqliteReader, replace: bool, suffix: &str) -> Result<Replaced, SaveError> {
        if self.path.symlink_metadata().is_ok() && !replace {
            return Err(SaveError::Exists { path: self.path.clone() });
        }
        let (scratch, snapshot) = from.draft(&self.path, &self.floor())?;
        scratch.give_to_owner_of_directory()?;
        let kept = self.set_aside(suffix)?;
        scratch.publish(true)?;
        Ok(Replaced { snapshot, kept })
    }

    /// The highest counters that are known of the store that is there; a damaged one need not tell them.
    fn floor(&self) -> Meta {
        let there = SqliteReader::open(&self.path).ok().and_then(|there| there.load().ok());
        let (there, mark) = (there.map_or_else(Meta::default, |there| there.meta), self.guard.mark());
        Meta {
            last_token: there.last_token.max(mark.last_token),
            last_number: there.last_number.max(mark.last_number),
            last_revision: there.last_revision.max(mark.last_revision),
            ..Meta::default()
        }
    }

    /// Gives the present store a second name and takes its log away: SQLite would play it into the new database. If the
    /// machine stops before the new one has its name, the old one is there under both.
    fn set_aside(&self, suffix: &str) -> Result<Option<PathBuf>, SaveError> {
        if self.path.symlink_metadata().is_err()
            && BESIDE.iter().all(|beside| !with_suffix(&self.path, beside).exists())
        {
            return Ok(None);
        }
        // A damaged one is kept as it is, with its log: SQLite throws a log away that fits to nothing.
        if SqliteReader::open(&self.path).is_ok() {
            checkpoint_wal(&self.path);
        }
        let kept = self.free_name(suffix)?;
        let wrong = |error: io::Error| SaveError::target(&kept, "made", &error);
        for part in ["", "-wal", "-journal"] {
            match fs::hard_link(with_suffix(&self.path, part), with_suffix(&kept, part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
                _ => {}
            }
        }
        sync_directory_of(&self.path)?;
        for beside in BESIDE {
            match fs::remove_file(with_suffix(&self.path, beside)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
                _ => {}
            }
        }
        Ok(Some(kept))
    }

    fn free_name(&self, suffix: &str) -> Result<PathBuf, SaveError> {
        let names = (1..=NAMES_MAX).map(|number| match number {
            1 => with_suffix(&self.path, suffix),
            _ => with_suffix(&self.path, &format!("{suffix}-{number}")),
        });
        let free = |name: &PathBuf| {
            ["", "-wal", "-journal"].iter().all(|part| with_suffix(name, part).symlink_metadata().is_err())
        };
        names.into_iter().find(free).ok_or_else(|| {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            SaveError::target(&with_suffix(&self.path, suffix), "made", &error)
        })
    }
}

/// Moves the log of a store into its database, if that can be done: then it is one file.
fn checkpoint_wal(path: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    if let Ok(connection) = Connection::open_with_flags(path, flags) {
        // If it cannot, the log is kept beside it.
        drop(checkpoint(&connection));
    }
}
