//! `lockserver store copy`: from one store to another, of whatever kind, through the trait that every store has.

use super::restore::place_error;
use super::source::Source;
use super::summary::Summary;
use super::{Failed, which};
use crate::cli::Cli;
use crate::store::{self, EtcdPlace, EtcdStore, GOES_ON, SqlitePlace, Store, StoreChoice, StoreError};
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
    #[error("it is not empty")]
    NotEmpty,
    /// The second one gave back something else than was given to it.
    #[error(
        "it differs from the data that was written to it; do not use it, and please report this as a bug of \
         lockserver"
    )]
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

pub(super) fn run(cli: &Cli, from: &str, to: &str) -> Result<(), Failed> {
    let [from, to] = [which::parse(cli, from)?, which::parse(cli, to)?].map(for_itself);
    for choice in [&from, &to] {
        if *choice == StoreChoice::Memory {
            let text = "a store in memory cannot be copied: only the server's process has it";
            return Err(Failed::new(exit::USAGE, text));
        }
    }
    if from == to {
        return Err(Failed::new(exit::USAGE, format!("{from} cannot be copied to itself")));
    }
    let (snapshot, kept_still) = read(&from)?;
    if let StoreChoice::Sqlite(path) = &to {
        if let StoreChoice::Sqlite(first) = &from
            && path.canonicalize().is_ok_and(|path| first.canonicalize().is_ok_and(|first| first == path))
        {
            return Err(Failed::new(exit::USAGE, format!("{to} is {from}: name another file")));
        }
        // The server's user may be another one than that of this command, and could not use a directory that is made here.
        which::existing(path.parent().unwrap_or(path))
            .map_err(|failed| Failed::new(exit::CANNOT_CREATE, format!("{}; make the directory first", failed.text)))?;
    }
    let mut second = store::open(&to).map_err(place_error)?;
    let copied = copy_table(snapshot, &mut *second, wall::now_us()).map_err(|error| match error {
        CopyError::NotEmpty => {
            Failed::new(exit::CANNOT_CREATE, format!("{to} is not empty, and nothing was changed; name a new store"))
        }
        CopyError::Store(error @ StoreError::Standby { .. }) => error.into(),
        CopyError::Store(error) => Failed::new(exit::CANNOT_CREATE, error.to_string().replace(GOES_ON, "")),
        CopyError::Load(error) => Failed::new(exit::STORE, format!("{from}: {error}")),
        CopyError::Different => Failed::new(exit::IMPOSSIBLE, format!("{to}: {error}")),
    })?;
    if !kept_still.holds() {
        let text = format!(
            "etcd did not answer in time, so a server may have gone on with {from} meanwhile; empty {to} and copy again"
        );
        return Err(Failed::new(exit::IN_USE, text));
    }
    drop(kept_still);
    say::done(format_args!("copied {from} to {to}: {}", Summary::of(&copied)));
    Ok(())
}

/// What keeps servers away from a store that is copied.
enum KeptStill {
    File(#[expect(dead_code, reason = "it is held")] Option<SqlitePlace>),
    Etcd(EtcdStore),
}

impl KeptStill {
    /// Whether it surely has done so until now.
    fn holds(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Etcd(store) => store.is_authoritative(),
        }
    }
}

/// Reads the store that is copied. A file is not written: an older one stays as it is. As long as the second value lives, no
/// server starts on it, or leads; a file without lock file has never had a server.
fn read(from: &StoreChoice) -> Result<(Snapshot, KeptStill), Failed> {
    if let StoreChoice::Sqlite(path) = from {
        which::existing(path)?;
    }
    let source = Source::open(from.clone())?;
    match from {
        StoreChoice::Etcd(place) => {
            // Before anything is written there: it is to be a store already.
            source.load()?;
            let mut store = EtcdStore::open((**place).clone())?;
            Ok((store.load()?, KeptStill::Etcd(store)))
        }
        StoreChoice::Sqlite(_) | StoreChoice::Memory => {
            let Source::File(reader) = source else { unreachable!("it is a file") };
            let mut lock = reader.path().as_os_str().to_owned();
            lock.push(".lock");
            let is_known = Path::new(&lock).symlink_metadata().is_ok();
            let place = is_known.then(|| SqlitePlace::take(reader.path())).transpose()?;
            Ok((reader.load()?, KeptStill::File(place)))
        }
    }
}

/// In etcd, the command leads while it copies: servers hear that it does, and give it no requests.
fn for_itself(choice: StoreChoice) -> StoreChoice {
    match choice {
        StoreChoice::Etcd(place) => {
            let name = format!("'lockserver store copy' on {}", place.name);
            StoreChoice::Etcd(Box::new(EtcdPlace { name, url: None, ..*place }))
        }
        other => other,
    }
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
            outside: None,
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
