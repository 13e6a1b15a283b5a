//! Looking into a store beside its server, and putting copies in the place of one.

use super::{Directory, SqliteStore, meta, ticket, unavailable};
use crate::store::sqlite::replace::SqlitePlace;
use crate::store::sqlite::schema::{self, SCHEMA};
use crate::store::sqlite::{OpenError, SaveError, SqliteReader, decode};
use crate::store::{Store, contract};
use lock_core::limits::COUNTER_MAX;
use lock_core::{Change, Snapshot};
use std::fs;
use std::path::{Path, PathBuf};

fn sorted(mut snapshot: Snapshot) -> Snapshot {
    snapshot.sort();
    snapshot
}

#[test]
fn a_reader_sees_what_was_committed_and_writes_nothing() {
    let place = Directory::filled();
    let mut store = place.open();
    let reader = SqliteReader::open(&place.path()).unwrap();
    store.commit(&[meta(8), Change::PutTicket(ticket(8))]).unwrap();
    assert_eq!(sorted(reader.load().unwrap()).tickets, [ticket(7), ticket(8)]);
    reader.check().unwrap();
    let copy = schema::copy_brought_forward(&reader_connection(&place), &place.path(), SCHEMA).unwrap();
    assert_eq!(sorted(decode::snapshot(&copy).unwrap().0).tickets, [ticket(7), ticket(8)]);
    store.commit(&[meta(9), Change::DeleteTicket { number: 7, id: ticket(7).id }]).unwrap();
    assert_eq!(reader.load().unwrap().tickets, [ticket(8)]);
    assert!(!reader.load().unwrap().restart_counters);
    let said = reader_connection(&place).execute("UPDATE meta SET last_token = 1", []).unwrap_err().to_string();
    assert!(said.contains("readonly"), "{said}");
    assert!(matches!(SqliteReader::open(&place.0.path().join("none.db")), Err(OpenError::Io { .. })));
}

fn reader_connection(place: &Directory) -> rusqlite::Connection {
    schema::connect_to_read(&place.path()).unwrap().0
}

#[test]
fn what_is_saved_counts_as_a_copy_wherever_it_is_put() {
    let place = Directory::filled();
    let backup = place.0.path().join("backup.db");
    let mut store = place.open();
    SqliteReader::open(&place.path()).unwrap().save(&backup, false).unwrap();
    store.commit(&[meta(8)]).unwrap();
    assert!(!store.load().unwrap().restart_counters, "the original is none");
    // By hand, with the inode that it was saved from.
    drop(store);
    for beside in ["-wal", "-shm", ".lock"] {
        drop(fs::remove_file(format!("{}{beside}", place.path().display())));
    }
    fs::write(place.path(), fs::read(&backup).unwrap()).unwrap();
    let found = place.open().load().unwrap();
    assert_eq!((found.meta.last_token, found.restart_counters), (7, true));
}

fn fill(place: &Directory, from: &Path, replace: bool) -> Result<Option<PathBuf>, SaveError> {
    let reader = SqliteReader::open(from).unwrap();
    SqlitePlace::take(&place.path()).unwrap().fill(&reader, replace, ".old").map(|replaced| replaced.kept)
}

#[test]
fn a_copy_is_put_in_place_and_the_old_store_is_kept() {
    let place = Directory::filled();
    let backup = place.0.path().join("backup.db");
    SqliteReader::open(&place.path()).unwrap().save(&backup, false).unwrap();
    place.open().commit(&[meta(1000), Change::PutTicket(ticket(8))]).unwrap();

    let store = place.open();
    assert!(matches!(SqlitePlace::take(&place.path()), Err(OpenError::InUse { .. })));
    drop(store);
    assert!(matches!(fill(&place, &backup, false), Err(SaveError::Exists { .. })));
    assert_eq!(place.open().load().unwrap().meta.last_token, 1000, "nothing was changed");

    let kept = fill(&place, &backup, true).unwrap().unwrap();
    assert_eq!(kept, PathBuf::from(format!("{}.old", place.path().canonicalize().unwrap().display())));
    assert_eq!(SqliteReader::open(&kept).unwrap().load().unwrap().tickets.len(), 2);
    let mut store = place.open();
    let found = store.load().unwrap();
    assert_eq!((found.tickets, found.restart_counters), (vec![ticket(7)], true));
    // Also where the clock is wrong: never below what is known to have been given.
    assert_eq!((found.meta.last_token, found.meta.last_number, found.meta.last_revision), (1000, 1000, 1000));
    drop(store);

    let again = fill(&place, &backup, true).unwrap().unwrap();
    assert!(again.to_str().unwrap().ends_with(".old-2"), "{again:?}");
    fs::remove_file(place.path()).unwrap();
    assert_eq!(fill(&place, &backup, false).unwrap(), None, "there is nothing to keep");
}

#[test]
fn a_lock_file_that_says_nonsense_does_not_raise_the_counters() {
    let place = Directory::filled();
    let backup = place.0.path().join("backup.db");
    SqliteReader::open(&place.path()).unwrap().save(&backup, false).unwrap();
    let lock = format!("{}.lock", place.path().display());
    fs::write(lock, format!("process 1\nlast_token {}\nlast_number {}\n", u64::MAX, COUNTER_MAX)).unwrap();
    fill(&place, &backup, true).unwrap();
    let found = place.open().load().unwrap();
    assert_eq!((found.meta.last_token, found.meta.last_number), (7, 7));
}

/// A damaged store is kept with its log, and what stays in its place has none: it would be played into the new one.
#[test]
fn a_damaged_store_is_kept_with_its_log() {
    let place = Directory::filled();
    let backup = place.0.path().join("backup.db");
    SqliteReader::open(&place.path()).unwrap().save(&backup, false).unwrap();
    fs::write(place.path(), "my thesis, ".repeat(1000)).unwrap();
    let log = PathBuf::from(format!("{}-wal", place.path().display()));
    fs::write(&log, "its log").unwrap();
    let kept = fill(&place, &backup, true).unwrap().unwrap();
    assert!(fs::read_to_string(&kept).unwrap().starts_with("my thesis"));
    assert_eq!(fs::read_to_string(format!("{}-wal", kept.display())).unwrap(), "its log");
    assert!(!log.exists());
    assert_eq!(contract::load(&mut place.open()).tickets, [ticket(7)]);
}

#[test]
fn a_lock_file_that_is_a_link_is_refused() {
    let place = Directory::filled();
    let lock = format!("{}.lock", place.path().display());
    let elsewhere = place.0.path().join("precious");
    fs::write(&elsewhere, "precious").unwrap();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    let said = SqliteStore::open(&place.path()).err().unwrap().to_string();
    assert!(said.contains("lockserver.db.lock"), "{said}");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "precious");
    fs::remove_file(&lock).unwrap();
    let mut store = place.open();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
    unavailable(store.commit(&[meta(8)]).unwrap_err());
}
