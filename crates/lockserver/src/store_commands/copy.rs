//! `lockserver store copy`: from one store to another, of whatever kind, through the trait that every store has.

use super::restore::place_error;
use super::summary::Summary;
use super::{Failed, which};
use crate::store::{self, GOES_ON, SqlitePlace, SqliteReader, Store, StoreChoice, StoreError};
use crate::wall;
use crate::{exit, say};
use lock_core::{Continuity, LoadError, Snapshot, Table};
use std::path::Path;

/// Why a table was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The second store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the first one holds contradicts itself.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The second one is not empty.
    #[error("it holds something already")]
    NotEmpty,
    /// The second one gave back something else than was given to it.
    #[error("it does not hold what was written to it; do not use it, and please report this as an error of lockserver")]
    Different,
}

/// Writes everything that a store holds to another one in one commit, so that this holds all or nothing, and reads it back.
/// The copy's counters begin at `wall_us`, Unix time in microseconds, if that is higher (rule 10): the first store may go on
/// being used. Returns what the copy holds, sorted.
///
/// # Errors
/// See [`CopyError`].
pub fn copy_table(mut snapshot: Snapshot, to: &mut dyn Store, wall_us: u64) -> Result<Snapshot, CopyError> {
    let there = to.load()?;
    if there != (Snapshot { restart_counters: there.restart_counters, ..Snapshot::default() }) {
        return Err(CopyError::NotEmpty);
    }
    snapshot.restart_counters = true;
    let snapshot = Table::load(snapshot, wall_us, &Continuity::None)?.snapshot();
    to.commit(&snapshot.clone().into_changes())?;
    let mut found = to.load()?;
    found.sort();
    found.restart_counters = snapshot.restart_counters;
    if found == snapshot { Ok(snapshot) } else { Err(CopyError::Different) }
}

pub(super) fn run(from: &str, to: &str) -> Result<(), Failed> {
    let (from, to) = (which::parse(from)?, which::parse(to)?);
    for choice in [&from, &to] {
        if *choice == StoreChoice::Memory {
            let text = "memory cannot be copied: it is in a server's process alone, and gone with it";
            return Err(Failed::new(exit::USAGE, text));
        }
    }
    if from == to {
        return Err(Failed::new(exit::USAGE, format!("{from} cannot be copied to itself")));
    }
    let (source, kept_still) = read(&from)?;
    if let StoreChoice::Sqlite(path) = &to {
        if path.canonicalize().is_ok_and(|path| path == source.path()) {
            return Err(Failed::new(exit::USAGE, format!("{to} is {from}: name another file")));
        }
        // The server's user may be another one than that of this command, and could not use a directory that is made here.
        which::existing(path.parent().unwrap_or(path))
            .map_err(|failed| Failed::new(exit::CANNOT_CREATE, format!("{}; make the directory first", failed.text)))?;
    }
    let snapshot = source.load()?;
    let mut second = store::open(&to).map_err(place_error)?;
    let copied = copy_table(snapshot, &mut *second, wall::now_us()).map_err(|error| match error {
        CopyError::NotEmpty => Failed::new(
            exit::CANNOT_CREATE,
            format!("{to} holds something already, and nothing was changed; name a store that is not there yet"),
        ),
        CopyError::Store(error) => Failed::new(exit::CANNOT_CREATE, error.to_string().replace(GOES_ON, "")),
        CopyError::Load(error) => Failed::new(exit::STORE, format!("{from}: {error}")),
        CopyError::Different => Failed::new(exit::IMPOSSIBLE, format!("{to}: {error}")),
    })?;
    drop(kept_still);
    say::done(format_args!("copied {from} to {to}: {}", Summary::of(&copied)));
    Ok(())
}

/// Opens the store that is copied, which is not written: an older one stays as it is. As long as the second value lives, no
/// server starts on it; a store without lock file has never had one.
fn read(from: &StoreChoice) -> Result<(SqliteReader, Option<SqlitePlace>), Failed> {
    let path = which::file(from.clone())?;
    which::existing(&path)?;
    let reader = SqliteReader::open(&path)?;
    let mut lock = reader.path().as_os_str().to_owned();
    lock.push(".lock");
    let place =
        if Path::new(&lock).symlink_metadata().is_ok() { Some(SqlitePlace::take(reader.path())?) } else { None };
    Ok((reader, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MemoryStore, SqliteStore};
    use lock_core::{Change, LockName, LockRecord, Meta, Settings};

    fn lock(name: &str) -> Change {
        Change::PutLock(LockRecord {
            name: LockName::new(name).unwrap(),
            settings: Settings::new(2),
            file: None,
            template: None,
            retiring: false,
            pause: None,
            slot_names: vec![],
            revision: 3,
        })
    }

    #[test]
    fn a_copy_is_complete_counts_as_one_and_goes_to_empty_stores_only() {
        let place = tempfile::tempdir().unwrap();
        let mut from = MemoryStore::default();
        let meta =
            Meta { service_ms: 5, last_token: 6, last_number: 7, last_seq: 8, last_revision: 3, ..Meta::default() };
        from.commit(&[Change::Meta(meta), lock("a"), lock("b")]).unwrap();
        let mut to = SqliteStore::open(&place.path().join("to.db")).unwrap();
        let copied = copy_table(from.load().unwrap(), &mut to, 1_790_000_000_000_000).unwrap();
        assert_eq!(copied.locks.len(), 2);
        let begun = 1_790_000_000_000_000;
        let expected = Meta { last_token: begun, last_number: begun, last_revision: begun, ..meta };
        assert_eq!(to.load().unwrap().meta, expected);
        assert_eq!(from.load().unwrap().meta, meta, "the first store is as it was");
        let refused = copy_table(from.load().unwrap(), &mut to, 0).unwrap_err();
        assert!(matches!(refused, CopyError::NotEmpty), "{refused}");
        let mut back = MemoryStore::default();
        assert_eq!(copy_table(to.load().unwrap(), &mut back, 1).unwrap(), copied, "counters never go back");
    }
}
