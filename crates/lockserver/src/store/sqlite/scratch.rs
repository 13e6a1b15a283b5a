//! A file beside another one, which takes its name when it is complete: nobody ever sees half of it.

use super::OpenError;
use super::file::{give_to_owner_of_directory, sync_directory_of, with_suffix};
use crate::store::StoreError;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Why a copy of a store was not made.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The store that was to be copied.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// A file of that name is there.
    #[error("{} exists already, and nothing was changed; name another file, or use --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The new file cannot be written.
    #[error("{} cannot be {act}: {error}; nothing was changed", path.display())]
    Target {
        /// The file.
        path: PathBuf,
        /// What was tried, as a past participle.
        act: &'static str,
        /// The system's answer, and what to do.
        error: String,
    },
    /// The copy was made, and is not good.
    #[error("the copy was removed, because it failed its check: {0}")]
    Bad(StoreError),
}

impl SaveError {
    pub(super) fn target(path: &Path, act: &'static str, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => ": is its directory there?",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ": make room, or name a file elsewhere"
            }
            _ => "",
        };
        Self::Target { path: path.to_owned(), act, error: format!("{error}{hint}") }
    }
}

/// What the name has between that of the file to be and something random.
const MARK: &str = ".partial-";
/// Left behind by a process that was killed: nothing takes that long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Files that are being made in this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the files that are being made, for a process that ends now. As long as the guard lives, none takes its name.
pub(crate) fn abandon_unfinished() -> impl Drop {
    let all = unfinished();
    for path in all.iter() {
        drop(fs::remove_file(path));
        drop(fs::remove_file(with_suffix(path, "-journal")));
    }
    all
}

/// Removes the file when it is dropped, unless it was published.
#[derive(Debug)]
pub(super) struct Scratch {
    target: PathBuf,
    path: PathBuf,
    file: File,
    published: bool,
}

impl Scratch {
    /// An empty file, mode 0600, in the directory of `target`. Removes what was left behind there for it.
    pub(super) fn beside(target: &Path) -> Result<Self, SaveError> {
        let name = target
            .file_name()
            .ok_or_else(|| SaveError::target(target, "written", &io::Error::from(io::ErrorKind::IsADirectory)))?;
        let mut prefix = name.to_owned();
        prefix.push(MARK);
        sweep(target, prefix.as_encoded_bytes());
        prefix.push(uuid::Uuid::new_v4().simple().to_string());
        let path = target.with_file_name(prefix);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| SaveError::target(target, "written", &error))?;
        unfinished().push(path.clone());
        Ok(Self { target: target.to_owned(), path, file, published: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// For a file that another user's server will use.
    pub(super) fn give_to_owner_of_directory(&self) -> Result<(), SaveError> {
        Ok(give_to_owner_of_directory(&self.file, &self.target)?)
    }

    /// Makes it durable and gives it its name; a file that has the name already is replaced only if `replace`.
    pub(super) fn publish(mut self, replace: bool) -> Result<(), SaveError> {
        let wrong = |error: &io::Error| SaveError::target(&self.target, "written", error);
        self.file.sync_all().map_err(|error| wrong(&error))?;
        let mut unfinished = unfinished();
        if replace {
            fs::rename(&self.path, &self.target).map_err(|error| wrong(&error))?;
        } else {
            match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => return Err(SaveError::Exists { path: self.target.clone() }),
                // A file system that cannot do that; a second name fails too if there is one already.
                Err(_) => {
                    fs::hard_link(&self.path, &self.target).map_err(|error| match error.kind() {
                        io::ErrorKind::AlreadyExists => SaveError::Exists { path: self.target.clone() },
                        _ => wrong(&error),
                    })?;
                    fs::remove_file(&self.path).map_err(|error| wrong(&error))?;
                }
            }
        }
        unfinished.retain(|path| *path != self.path);
        drop(unfinished);
        self.published = true;
        Ok(sync_directory_of(&self.target)?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.published {
            // It has no name that anybody looks for, and the next one removes what is old.
            drop(fs::remove_file(&self.path));
            unfinished().retain(|path| *path != self.path);
        }
    }
}

/// Removes what processes that were killed have left of files with this beginning of their names.
fn sweep(target: &Path, prefix: &[u8]) {
    let Some(entries) = target.parent().and_then(|directory| fs::read_dir(directory).ok()) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().as_encoded_bytes().starts_with(prefix);
        let changed = entry.metadata().and_then(|found| found.modified());
        let age = changed.ok().and_then(|changed| SystemTime::now().duration_since(changed).ok());
        if ours && age.is_some_and(|age| age > ABANDONED) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(place: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_has_its_name_when_it_is_complete_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("a.db");
        drop(Scratch::beside(&target).unwrap());
        assert!(names(place.path()).is_empty());
        let first = Scratch::beside(&target).unwrap();
        let second = Scratch::beside(&target).unwrap();
        first.publish(false).unwrap();
        let refused = second.publish(false).unwrap_err();
        assert!(matches!(refused, SaveError::Exists { .. }), "{refused}");
        assert_eq!(names(place.path()), ["a.db"]);
        let third = Scratch::beside(&target).unwrap();
        fs::write(third.path(), "third").unwrap();
        third.publish(true).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "third");
        assert_eq!(names(place.path()), ["a.db"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_a_day_later() {
        let place = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - ABANDONED - Duration::from_secs(60);
        for (name, modified) in
            [("a.db.partial-1", old), ("a.db.partial-2", SystemTime::now()), ("b.db.partial-3", old), ("a.db.old", old)]
        {
            File::create(place.path().join(name)).unwrap().set_modified(modified).unwrap();
        }
        drop(Scratch::beside(&place.path().join("a.db")).unwrap());
        assert_eq!(names(place.path()), ["a.db.old", "a.db.partial-2", "b.db.partial-3"]);
    }
}
