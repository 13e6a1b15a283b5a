//! Room: a full disk, a locked or read-only file, and the size of the write-ahead log.

use super::super::schema::WAL_BYTES_MAX;
use super::{Directory, SqliteStore, meta, ticket, unavailable};
use crate::store::{Store, StoreError};
use lock_core::{Change, TicketRecord};
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

fn big_tickets(first: u64, count: u64) -> Vec<Change> {
    let big = |number| Change::PutTicket(TicketRecord { info: Arc::from("x".repeat(4000)), ..ticket(number) });
    (first..first + count).map(big).collect()
}

#[test]
fn a_full_database_recovers_by_itself() {
    let place = Directory::filled();
    let mut store = place.open();
    store.limit_pages(Some(60));
    let mut stored = 0;
    let error = (0..100)
        .find_map(|batch| {
            let mut changes = big_tickets(100 + batch * 4, 4);
            changes.push(meta(100 + batch));
            store.commit(&changes).inspect(|()| stored += 4).err()
        })
        .expect("a bound of 60 pages");
    let said = unavailable(error);
    assert!(said.contains("no space left") && said.contains(place.path().to_str().unwrap()), "{said}");
    // Still full: what was confirmed is there, what failed is not, and shrinking works.
    let found = store.load().unwrap();
    assert_eq!(found.tickets.len(), 1 + stored);
    unavailable(store.commit(&big_tickets(900, 8)).unwrap_err());
    store.load().unwrap();
    let gone = [7, 100].map(|number| Change::DeleteTicket { number, id: ticket(number).id });
    store.commit(&gone).unwrap();
    store.limit_pages(None);
    store.commit(&big_tickets(900, 8)).unwrap();
    assert_eq!(store.load().unwrap().tickets.len(), 1 + stored - 2 + 8);
}

/// The system itself refuses to make the files larger. In a process of its own: the limit is one of the process.
#[test]
fn a_write_that_the_system_refuses_is_unavailable_and_recovers() {
    const PLACE: &str = "LOCKSERVER_TEST_FULL_PLACE";
    if let Some(path) = std::env::var_os(PLACE) {
        return fill_until_refused(&PathBuf::from(path));
    }
    let place = Directory::filled();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["store::sqlite::tests::limits::a_write_that_the_system_refuses_is_unavailable_and_recovers", "--exact"])
        .env(PLACE, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(place.open().load().unwrap().tickets.len(), 1 + 100);
}

fn fill_until_refused(path: &std::path::Path) {
    let mut store = SqliteStore::open(path).unwrap();
    store.load().unwrap();
    limit_files_to(300_000);
    let error = (0..100).find_map(|_| store.commit(&big_tickets(100, 100)).err()).expect("files of 300 kB at most");
    let said = unavailable(error);
    assert!(said.contains("no space left"), "{said}");
    assert_eq!(store.load().unwrap().tickets.len(), 1);
    unavailable(store.commit(&big_tickets(100, 100)).unwrap_err());
    limit_files_to(libc::RLIM_INFINITY);
    assert_eq!(store.load().unwrap().tickets.len(), 1);
    store.commit(&big_tickets(100, 100)).unwrap();
}

fn limit_files_to(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    #[expect(unsafe_code, reason = "nothing in the standard library sets limits; both calls only change this process")]
    let done = unsafe {
        // Otherwise the first refused write ends the process.
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_lock_of_another_program_is_waited_for_and_then_said() {
    let place = Directory::filled();
    let mut store = place.open();
    let operator = Connection::open(place.path()).unwrap();
    operator.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = unavailable(store.commit(&[meta(8)]).unwrap_err());
    assert!(said.contains("another program keeps the store"), "{said}");
    operator.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.load().unwrap().meta.last_token, 7);
    store.commit(&[meta(8)]).unwrap();
}

#[test]
fn a_reading_program_does_not_disturb() {
    let place = Directory::filled();
    let mut store = place.open();
    let operator = Connection::open(place.path()).unwrap();
    operator.execute_batch("BEGIN; SELECT count(*) FROM tickets").unwrap();
    store.commit(&[meta(8)]).unwrap();
    assert_eq!(store.load().unwrap().meta.last_token, 8);
    store.commit(&[meta(9)]).unwrap();
    let seen: i64 = operator.query_row("SELECT last_token FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 7, "the reader sees what was when it began");
}

#[test]
fn a_read_only_database_is_unavailable() {
    let place = Directory::filled();
    let mut store = place.open();
    store.connection.as_ref().unwrap().pragma_update(None, "query_only", true).unwrap();
    let error = store.commit(&[meta(8)]).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("cannot be written")), "{error:?}");
    assert_eq!(store.load().unwrap().meta.last_token, 7);
}

#[test]
fn the_write_ahead_log_stays_small() {
    let place = Directory::new();
    let mut store = place.open();
    let log = PathBuf::from(format!("{}-wal", place.path().display()));
    let size = || fs::metadata(&log).unwrap().len();
    let bound = u64::try_from(WAL_BYTES_MAX).unwrap();
    // One commit beyond the bound, as a mass expiry may be.
    store.commit(&big_tickets(0, 3000)).unwrap();
    assert!(size() > bound, "{} bytes: the commit was too small to show anything", size());
    let mut largest_after = 0;
    for round in 0..3000 {
        let first = round % 100;
        store.commit(&[meta(round), big_tickets(first, 1).remove(0)]).unwrap();
        if round > 100 {
            largest_after = largest_after.max(size());
        }
    }
    assert!(largest_after <= bound, "{largest_after} bytes");
}
