//! The file beside the database that keeps a second server out and remembers how far the counters were.
//!
//! A lock of our own, because SQLite's exclusive mode would keep operators out too: with this one, `sqlite3` can look
//! into the database while the server runs. It is `flock` on `DATABASE.lock`, which ends with the process however it
//! ends, so a file that was left behind means nothing and need not be removed. The database itself is locked in the same way,
//! because it may have more names than one.
//!
//! The file also holds the counters of the last commit (the *mark*). It is written after the commit and never flushed, so
//! it is never ahead of the database, unless somebody has put an older database in its place: then the counters must
//! restart (rule 10), even where the file's inode is the same, as after `cp backup.db lockserver.db`.

use super::OpenError;
use super::file::{Identity, give_to_owner_of_directory, with_suffix};
use crate::store::StoreError;
use lock_core::Meta;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest content of the file that is read, in bytes.
const CONTENT_BYTES_MAX: u64 = 1024;

/// Holds the lock as long as it lives.
#[derive(Debug)]
pub(super) struct Guard {
    path: PathBuf,
    file: File,
    identity: Identity,
    mark: Meta,
    /// The database itself, locked too. Closed when SQLite does not have it open only: closing any descriptor of a file drops
    /// all POSIX locks that the process has on it.
    database: Option<(File, Identity)>,
}

impl Guard {
    /// Takes the lock of a database, or says who has it.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut guard = Self::take_name(database)?;
        guard.hold(database)?;
        Ok(guard)
    }

    /// Locks the database itself, if it is there and is not locked yet: another server may come to it by another name, through
    /// a hard link or after it was moved, and finds another lock file there. `flock`, which SQLite and `sqlite3` do not look
    /// at. To be called before SQLite has the file open.
    pub(super) fn hold(&mut self, database: &Path) -> Result<(), OpenError> {
        let held = self.database.as_ref().map(|(_, identity)| identity);
        if held.is_some() && held == Identity::of(database).as_ref() {
            return Ok(());
        }
        self.let_go();
        let wrong = |act, error| OpenError::io(database, act, error);
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(database) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(wrong("opened for reading", error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = ", which has it under another name".to_owned();
                return Err(OpenError::InUse { path: database.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(wrong("locked", error)),
        }
        let identity = Identity::from_metadata(&file.metadata().map_err(|error| wrong("read", error))?);
        self.database = Some((file, identity));
        Ok(())
    }

    /// The database itself is free again.
    fn let_go(&mut self) {
        if let Some((file, _)) = self.database.take() {
            // See `drop`.
            let _ = file.unlock();
        }
    }

    /// Takes the file beside the database.
    fn take_name(database: &Path) -> Result<Self, OpenError> {
        let path = with_suffix(database, ".lock");
        loop {
            let (file, made) = open(&path)?;
            if made {
                give_to_owner_of_directory(&file, &path)?;
            }
            let content = read(&file);
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let process = content.process.map_or_else(String::new, |id| format!(" (process {id})"));
                    return Err(OpenError::InUse { path: database.to_owned(), process });
                }
                Err(TryLockError::Error(error)) => return Err(OpenError::io(&path, "locked", error)),
            }
            let held = file.metadata().map_err(|error| OpenError::io(&path, "read", error))?;
            let identity = Identity::from_metadata(&held);
            // Somebody may have removed the file between the opening and the locking.
            if Identity::of(&path).as_ref() == Some(&identity) {
                let guard = Self { path, file, identity, mark: read_mark(&content), database: None };
                guard.write();
                return Ok(guard);
            }
        }
    }

    /// Checks that the lock still keeps others out. If its file was removed, takes the lock of a new one.
    pub(super) fn check(&mut self, database: &Path) -> Result<(), StoreError> {
        if Identity::of(&self.path).as_ref() == Some(&self.identity) {
            return Ok(());
        }
        let mark = self.mark;
        let path = self.path.display();
        let mut again = Self::take_name(database).map_err(|error| {
            StoreError::Unavailable(format!(
                "{path} was removed while the server ran, and cannot be taken again: {error}"
            ))
        })?;
        again.database = self.database.take();
        *self = again;
        self.mark = mark;
        self.write();
        tracing::warn!(file = %self.path.display(), "the lock file of the store was removed; made it again");
        Ok(())
    }

    /// The counters that the database had at least, when it was last written here.
    pub(super) fn mark(&self) -> &Meta {
        &self.mark
    }

    /// The counters begin anew: what they were before says nothing about what is committed from now on.
    pub(super) fn forget_mark(&mut self) {
        self.mark = Meta::default();
    }

    /// Remembers the counters of a commit that is durable.
    pub(super) fn set_mark(&mut self, meta: &Meta) {
        let mark = Meta {
            last_token: self.mark.last_token.max(meta.last_token),
            last_number: self.mark.last_number.max(meta.last_number),
            last_seq: self.mark.last_seq.max(meta.last_seq),
            last_revision: self.mark.last_revision.max(meta.last_revision),
            ..Meta::default()
        };
        if mark != self.mark {
            self.mark = mark;
            self.write();
        }
    }

    /// Every line has the same length for every value, so that one write replaces the whole content. A failure is passed
    /// over: the mark is a second line of defence, and the commit it belongs to is durable.
    fn write(&self) {
        let Meta { last_token, last_number, last_seq, last_revision, .. } = self.mark;
        let text = format!(
            "process {:020}\nlast_token {last_token:020}\nlast_number {last_number:020}\nlast_seq {last_seq:020}\n\
             last_revision {last_revision:020}\n",
            std::process::id()
        );
        let _ = self.file.write_all_at(text.as_bytes(), 0);
    }
}

impl Drop for Guard {
    /// Closing the file is not enough where a child process is being started at this moment: until it has become another
    /// program it has the file open too.
    fn drop(&mut self) {
        self.let_go();
        let _ = self.file.unlock();
    }
}

/// Opens the file, or makes it; `true`: it was made. A symbolic link is refused: root may be at work in another user's
/// directory, and what is written here must not end up in a file of root's.
fn open(path: &Path) -> Result<(File, bool), OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    loop {
        let error = match options.clone().create_new(true).open(path) {
            Ok(file) => return Ok((file, true)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match options.open(path) {
                Ok(file) => return Ok((file, false)),
                // Somebody has removed it between the two.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => error,
            },
            Err(error) => error,
        };
        return Err(OpenError::io(path, "opened for reading and writing", error));
    }
}

/// What a lock file says; whatever is unreadable counts as not said.
#[derive(Debug, Default)]
struct Content {
    process: Option<u64>,
    values: Vec<(String, u64)>,
}

fn read(file: &File) -> Content {
    let mut text = String::new();
    if file.take(CONTENT_BYTES_MAX).read_to_string(&mut text).is_err() {
        return Content::default();
    }
    let mut content = Content::default();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(' ')
            && let Ok(value) = value.parse()
        {
            if name == "process" {
                content.process = Some(value);
            } else {
                content.values.push((name.to_owned(), value));
            }
        }
    }
    content
}

fn read_mark(content: &Content) -> Meta {
    let value = |name| content.values.iter().find(|(found, _)| found == name).map_or(0, |(_, value)| *value);
    Meta {
        last_token: value("last_token"),
        last_number: value("last_number"),
        last_seq: value("last_seq"),
        last_revision: value("last_revision"),
        ..Meta::default()
    }
}

/// Whether a mark is ahead of what the database says.
pub(super) fn is_ahead(mark: &Meta, meta: &Meta) -> bool {
    mark.last_token > meta.last_token
        || mark.last_number > meta.last_number
        || mark.last_seq > meta.last_seq
        || mark.last_revision > meta.last_revision
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn keeps_others_out_and_remembers() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("a.db");
        let mut guard = Guard::take(&database).unwrap();
        guard.set_mark(&Meta { last_token: 7, last_number: 9, ..Meta::default() });
        guard.set_mark(&Meta { last_token: 6, last_number: 10, ..Meta::default() });
        let refused = Guard::take(&database).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(guard);
        let again = Guard::take(&database).unwrap();
        assert_eq!(*again.mark(), Meta { last_token: 7, last_number: 10, ..Meta::default() });
    }

    #[test]
    fn survives_the_removal_of_its_file() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("a.db");
        let file = place.path().join("a.db.lock");
        let mut guard = Guard::take(&database).unwrap();
        guard.set_mark(&Meta { last_token: 7, ..Meta::default() });
        fs::remove_file(&file).unwrap();
        guard.check(&database).unwrap();
        assert_eq!(guard.mark().last_token, 7);
        assert!(matches!(Guard::take(&database), Err(OpenError::InUse { .. })));

        fs::remove_file(&file).unwrap();
        let other = Guard::take(&database).unwrap();
        assert!(matches!(guard.check(&database), Err(StoreError::Unavailable(_))));
        drop(other);
        guard.check(&database).unwrap();
    }

    #[test]
    fn a_database_is_one_by_whichever_name() {
        let place = tempfile::tempdir().unwrap();
        let (database, other) = (place.path().join("a.db"), place.path().join("b.db"));
        fs::write(&database, "").unwrap();
        let mut guard = Guard::take(&database).unwrap();
        fs::hard_link(&database, &other).unwrap();
        assert!(matches!(Guard::take(&other), Err(OpenError::InUse { .. })));
        // Also where its lock file was made anew.
        fs::remove_file(place.path().join("a.db.lock")).unwrap();
        guard.check(&database).unwrap();
        assert!(matches!(Guard::take(&other), Err(OpenError::InUse { .. })));
        // Moved, the file is the same; a new one in its place is free.
        let moved = place.path().join("c.db");
        fs::rename(&other, &moved).unwrap();
        assert!(matches!(Guard::take(&moved), Err(OpenError::InUse { .. })));
        fs::write(&other, "").unwrap();
        drop(Guard::take(&other).unwrap());
        drop(guard);
        drop(Guard::take(&moved).unwrap());
    }

    #[test]
    fn nonsense_in_the_file_is_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let database = place.path().join("a.db");
        fs::write(place.path().join("a.db.lock"), b"\xff\xfelast_token x\nprocess\n").unwrap();
        assert_eq!(*Guard::take(&database).unwrap().mark(), Meta::default());
    }
}
