//! Which file may be opened, by whom, and what happens when it is not where or what it was.

use super::{Directory, OpenError, SqliteStore, damaged, error_of, meta, ticket, unavailable};
use crate::store::{Store, StoreChoice, open};
use lock_core::{Change, Meta};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let place = Directory::filled();
    place.sql("PRAGMA user_version = 8");
    let before = fs::read(place.path()).unwrap();
    let error = error_of(&place.path());
    assert!(matches!(error, OpenError::Newer { found: 8, known: 7, .. }), "{error}");
    assert!(error.to_string().contains("run the version that wrote it"), "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_foreign_database_is_refused_and_left_alone() {
    for sql in [
        "CREATE TABLE songs (title TEXT)",
        "PRAGMA user_version = 1; CREATE TABLE songs (title TEXT)",
        "PRAGMA application_id = 252006675; CREATE TABLE songs (title TEXT)",
        "PRAGMA application_id = 252006675",
    ] {
        let place = Directory::new();
        fs::create_dir(place.path().parent().unwrap()).unwrap();
        place.sql(sql);
        let before = fs::read(place.path()).unwrap();
        let error = error_of(&place.path());
        assert!(matches!(error, OpenError::Foreign { .. }), "{sql}: {error}");
        assert_eq!(fs::read(place.path()).unwrap(), before, "{sql}");
    }
}

#[test]
fn a_file_that_is_no_database_is_damage_and_left_alone() {
    let place = Directory::new();
    fs::create_dir(place.path().parent().unwrap()).unwrap();
    let text = "my thesis, ".repeat(1000);
    fs::write(place.path(), &text).unwrap();
    let OpenError::Store(error) = error_of(&place.path()) else { panic!("refused for another reason") };
    let said = damaged(error);
    assert!(said.contains("is not a database") && said.contains("move it away"), "{said}");
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}

#[test]
fn a_damaged_file_is_damage() {
    let place = Directory::new();
    let mut store = place.open();
    let tickets: Vec<Change> = (1..3000).map(|number| Change::PutTicket(ticket(number))).collect();
    store.commit(&tickets).unwrap();
    drop(store);
    let mut content = fs::read(place.path()).unwrap();
    let pages = content.len() / 4096;
    assert!(pages > 100, "{pages} pages");
    for page in (10..pages).step_by(7) {
        content[page * 4096..][..64].fill(0xa5);
    }
    fs::write(place.path(), &content).unwrap();
    let OpenError::Store(error) = error_of(&place.path()) else { panic!("refused for another reason") };
    damaged(error);

    // Cut short, as a copy that was broken off.
    fs::write(place.path(), &content[..5 * 4096]).unwrap();
    let OpenError::Store(error) = error_of(&place.path()) else { panic!("refused for another reason") };
    damaged(error);
}

#[test]
fn damage_that_happens_while_it_runs_is_found_at_the_next_load() {
    let place = Directory::new();
    let mut store = place.open();
    store.commit(&(1..2000).map(|number| Change::PutTicket(ticket(number))).collect::<Vec<_>>()).unwrap();
    store.load().unwrap();
    let file = fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    let length = file.metadata().unwrap().len();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; (length - 8192) as usize], 8192).unwrap();
    // Another connection's cache has nothing of it.
    store.connection = None;
    damaged(store.load().unwrap_err());
}

#[test]
fn a_second_server_is_refused() {
    let place = Directory::filled();
    let first = place.open();
    let error = error_of(&place.path());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let link = place.0.path().join("link.db");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(matches!(error_of(&link), OpenError::InUse { .. }));
    drop(first);
    SqliteStore::open(&link).unwrap().load().unwrap();
}

/// Runs itself again in another process, which tries to open the store.
#[test]
fn a_second_server_is_refused_from_another_process() {
    const PLACE: &str = "LOCKSERVER_TEST_SECOND_PLACE";
    if let Some(path) = std::env::var_os(PLACE) {
        let error = error_of(&PathBuf::from(path)).to_string();
        assert!(error.contains("in use by another lockserver (process "), "{error}");
        return;
    }
    let place = Directory::filled();
    let second_is_refused = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["store::sqlite::tests::places::a_second_server_is_refused_from_another_process", "--exact"])
            .env(PLACE, place.path())
            .output()
            .unwrap()
    };
    let store = place.open();
    let output = second_is_refused();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child ran no test");
    drop(store);
    assert!(!second_is_refused().status.success(), "refused although nobody has it");
}

#[test]
fn removing_the_lock_file_lets_no_second_server_in() {
    let place = Directory::filled();
    let lock = PathBuf::from(format!("{}.lock", place.path().display()));
    let mut first = place.open();
    fs::remove_file(&lock).unwrap();
    first.commit(&[meta(8)]).unwrap();
    assert!(matches!(error_of(&place.path()), OpenError::InUse { .. }));

    // Nor before the first one has noticed: the database itself is locked.
    fs::remove_file(&lock).unwrap();
    assert!(matches!(error_of(&place.path()), OpenError::InUse { .. }));
    first.commit(&[meta(9)]).unwrap();
    assert_eq!(first.load().unwrap().meta.last_token, 9);
}

#[test]
fn a_missing_directory_is_made_and_an_unusable_one_is_named() {
    let place = tempfile::tempdir().unwrap();
    let deep = place.path().join("a/b/c/lockserver.db");
    drop(open(&StoreChoice::Sqlite(deep.clone())).unwrap());
    assert_eq!(fs::metadata(place.path().join("a/b")).unwrap().permissions().mode() & 0o777, 0o700);

    // The file of the database stands where a directory would have to be.
    let error = error_of(&deep.join("x.db"));
    assert!(error.to_string().contains("lockserver.db cannot be"), "{error}");
    let error = error_of(place.path());
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(matches!(error_of(Path::new("/")), OpenError::Io { .. }));
    let beside = fs::read_dir(place.path().parent().unwrap()).unwrap();
    let name = place.path().file_name().unwrap().to_str().unwrap().to_owned();
    let left = beside.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(&name)).count();
    assert_eq!(left, 1, "a lock file was left beside the directory");
}

#[test]
fn an_own_store_keeps_its_counters() {
    let place = Directory::filled();
    let mut store = place.open();
    assert!(!store.load().unwrap().restart_counters);
    store.commit(&[meta(8)]).unwrap();
    assert!(!store.load().unwrap().restart_counters);
    drop(store);
    assert!(!place.open().load().unwrap().restart_counters);
}

#[test]
fn a_copy_restarts_the_counters_once() {
    let place = Directory::filled();
    let copy = Directory::new();
    fs::create_dir(copy.path().parent().unwrap()).unwrap();
    fs::copy(place.path(), copy.path()).unwrap();
    let mut store = copy.open();
    assert!(store.load().unwrap().restart_counters);
    assert!(store.load().unwrap().restart_counters, "nothing was committed yet");
    drop(store);
    let mut store = copy.open();
    assert!(store.load().unwrap().restart_counters, "nothing was committed yet");
    store.commit(&[meta(1_790_000_000_000_000)]).unwrap();
    assert!(!store.load().unwrap().restart_counters);
    drop(store);
    assert!(!copy.open().load().unwrap().restart_counters);
}

/// `cp backup.db lockserver.db` keeps the inode.
#[test]
fn an_older_content_in_the_same_file_restarts_the_counters() {
    let place = Directory::filled();
    let backup = fs::read(place.path()).unwrap();
    place.open().commit(&[meta(8)]).unwrap();
    fs::write(place.path(), &backup).unwrap();
    let mut store = place.open();
    let found = store.load().unwrap();
    assert_eq!(found.meta.last_token, 7);
    assert!(found.restart_counters);
    store.commit(&[meta(1_790_000_000_000_000)]).unwrap();
    drop(store);
    assert!(!place.open().load().unwrap().restart_counters);
}

#[test]
fn a_database_that_was_removed_restarts_the_counters() {
    let place = Directory::filled();
    fs::remove_file(place.path()).unwrap();
    let found = place.open().load().unwrap();
    assert_eq!(found.meta, Meta::default());
    assert!(found.restart_counters);
}

#[test]
fn a_file_that_is_moved_away_under_the_server_is_noticed_and_can_come_back() {
    let place = Directory::filled();
    let mut store = place.open();
    store.commit(&[meta(8)]).unwrap();
    let away = place.path().with_extension("away");
    fs::rename(place.path(), &away).unwrap();
    let said = unavailable(store.commit(&[meta(9)]).unwrap_err());
    assert!(said.contains("was removed or replaced while the server ran"), "{said}");
    let said = unavailable(store.load().unwrap_err());
    assert!(said.contains("lockserver.db cannot be opened"), "{said}");
    assert!(!place.path().exists(), "an empty store was made in its place");
    fs::rename(&away, place.path()).unwrap();
    let found = store.load().unwrap();
    assert_eq!((found.meta.last_token, found.restart_counters), (8, false));
    store.commit(&[meta(9)]).unwrap();
    assert_eq!(store.load().unwrap().meta.last_token, 9);
}

#[test]
fn a_file_that_is_replaced_under_the_server_is_loaded_as_what_it_is() {
    let place = Directory::filled();
    let backup = place.path().with_extension("backup");
    fs::copy(place.path(), &backup).unwrap();
    let mut store = place.open();
    store.commit(&[meta(8), Change::PutTicket(ticket(8))]).unwrap();
    fs::rename(&backup, place.path()).unwrap();
    unavailable(store.commit(&[meta(9)]).unwrap_err());
    let found = store.load().unwrap();
    assert_eq!((found.meta.last_token, found.tickets), (7, vec![ticket(7)]));
    assert!(found.restart_counters);
    store.commit(&[meta(1_790_000_000_000_000)]).unwrap();
    drop(store);
    let found = place.open().load().unwrap();
    assert_eq!((found.tickets, found.restart_counters), (vec![ticket(7)], false));

    // An empty file is not taken for a new store while the server runs: all holders would be forgotten.
    let mut store = place.open();
    fs::remove_file(place.path()).unwrap();
    fs::write(place.path(), "").unwrap();
    unavailable(store.commit(&[meta(9)]).unwrap_err());
    let said = unavailable(store.load().unwrap_err());
    assert!(said.contains("not of lockserver"), "{said}");
    assert_eq!(Connection::open(place.path()).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(0));
}
