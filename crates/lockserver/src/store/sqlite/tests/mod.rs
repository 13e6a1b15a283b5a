//! What is particular to the SQLite store. Whatever every store does is in the contract.

mod copies;
mod limits;
mod places;

use super::{OpenError, SqliteStore};
use crate::store::contract::{self, Place, kill};
use crate::store::{Store, StoreError};
use lock_core::{
    Capacity, Change, EndedAs, Lease, LockName, LockRecord, Meta, Permits, QueueLease, Settings, SlotName, State,
    TicketId, TicketRecord, WithheldCause, Withholding,
};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state/lockserver.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).unwrap()
    }

    /// Makes a store with a lock, a ticket and counters, and closes it.
    fn filled() -> Self {
        let place = Self::new();
        place.open().commit(&[meta(7), Change::PutLock(lock()), Change::PutTicket(ticket(7))]).unwrap();
        place
    }

    /// Executes SQL as an operator would, while no server runs.
    fn sql(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

impl Place for Directory {
    fn open(&mut self) -> Box<dyn Store> {
        Box::new(Self::open(self))
    }

    fn reopen(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        drop(store);
        Box::new(Self::open(self))
    }
}

fn meta(count: u64) -> Change {
    Change::Meta(Meta {
        service_ms: count,
        last_token: count,
        last_number: count,
        last_seq: count,
        last_revision: count,
        ..Meta::default()
    })
}

fn lock() -> LockRecord {
    let names = ["port-a", "port-b"].map(|name| SlotName::new(name).unwrap());
    LockRecord {
        name: LockName::new("san-ssh").unwrap(),
        settings: Settings { capacity: Capacity::Named(names.to_vec()), ..Settings::new(2) },
        file: None,
        template: None,
        retiring: false,
        pause: None,
        outside: None,
        slot_names: (0..).zip(names).collect(),
        revision: 1,
    }
}

fn ticket(number: u64) -> TicketRecord {
    TicketRecord {
        id: TicketId(0x1234_5678_9abc_4def_8123_0000_0000_0000 + u128::from(number)),
        number,
        lock: lock().name,
        owner: Some(Arc::from("ci")),
        from: Arc::from("10.0.0.7:4711"),
        info: Arc::from("backup of db1"),
        permits: Permits::Count(1),
        priority: 0,
        seq: number,
        request: None,
        holder: None,
        lease: Lease::Given(60_000),
        queue_lease: QueueLease::Minute,
        max_hold: None,
        acknowledged: true,
        lease_began: 0,
        state: State::Held,
        token: Some(number),
        slots: vec![(1, 1)],
        slot_names: vec![SlotName::new("port-b").unwrap()],
        hold_until: None,
        created_at: 1_790_000_000_000,
        granted_at: Some(1_790_000_001_000),
        held_at: Some(1_790_000_001_000),
        ended_at: None,
        more: None,
    }
}

fn damaged(error: StoreError) -> String {
    match error {
        StoreError::Damaged(text) => text,
        other => panic!("not damaged: {other:?}"),
    }
}

fn unavailable(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(text) => text,
        other => panic!("not unavailable: {other:?}"),
    }
}

fn error_of(path: &Path) -> OpenError {
    SqliteStore::open(path).err().expect("a store that is refused")
}

#[test]
fn keeps_the_contract() {
    contract::test_all(&|| Box::new(Directory::new()));
}

#[test]
fn survives_kill_9() {
    kill::test("store::sqlite::tests::survives_kill_9", &[], &|place| {
        Box::new(SqliteStore::open(&place.join("lockserver.db")).unwrap())
    });
}

#[test]
fn a_batch_that_fails_in_its_middle_leaves_nothing() {
    let place = Directory::filled();
    let mut store = place.open();
    // The second ticket claims the number of the first: the engine never does that.
    let twice = TicketRecord { id: TicketId(1), ..ticket(8) };
    let changes = [meta(8), Change::PutTicket(ticket(8)), Change::PutTicket(twice.clone())];
    let said = damaged(store.commit(&changes).unwrap_err());
    assert!(said.contains("row number = 8: it is another ticket"), "{said}");
    unavailable(store.commit(&[meta(9)]).unwrap_err());
    let found = store.load().unwrap();
    assert_eq!((found.meta.last_number, found.tickets), (7, vec![ticket(7)]));
    store.commit(&[meta(9), Change::PutTicket(ticket(8))]).unwrap();
    // Nor is another one forgotten in its place.
    store.commit(&[Change::DeleteTicket { number: 8, id: twice.id }]).unwrap();
    let found = store.load().unwrap();
    assert_eq!((found.meta.last_number, found.tickets.len()), (9, 2));

    let too_large = LockRecord { revision: u64::MAX, ..lock() };
    let said = damaged(store.commit(&[meta(10), Change::PutLock(too_large)]).unwrap_err());
    assert!(said.contains("18446744073709551615"), "{said}");
    assert_eq!(store.load().unwrap().meta.last_number, 9);
}

#[test]
fn operators_can_read_it_while_it_runs() {
    let place = Directory::new();
    let mut store = place.open();
    let waiter =
        TicketRecord { state: State::Queued { dormant: false }, slots: vec![], slot_names: vec![], ..ticket(8) };
    let ended = State::Ended { how: EndedAs::LockDeleted, at: 5, reason: None };
    let ended = TicketRecord { state: ended, permits: Permits::All, slots: vec![(0, 3), (7, 7)], ..ticket(9) };
    let tickets = [ticket(7), waiter, ended].map(Change::PutTicket);
    store.commit(&[&[meta(9), Change::PutLock(lock())][..], &tickets].concat()).unwrap();

    let reader = Connection::open(place.path()).unwrap();
    let ask = |sql: &str| -> Vec<String> {
        let mut statement = reader.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| {
                row.get_ref(column).map(|cell| match cell {
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    _ => "-".to_owned(),
                })
            });
            Ok(cells.collect::<Result<Vec<_>, _>>()?.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(
        ask("SELECT number, id, state, ended_as, permits, lease, slots FROM tickets ORDER BY number"),
        [
            "7|12345678-9abc-4def-8123-000000000007|held|-|1|60000|1",
            "8|12345678-9abc-4def-8123-000000000008|queued|-|1|60000|",
            "9|12345678-9abc-4def-8123-000000000009|ended|lock_deleted|all|60000|0-3,7",
        ]
    );
    assert_eq!(ask("SELECT name, size, names, slot_names FROM locks"), ["san-ssh|2|port-a,port-b|0=port-a,1=port-b"]);
    assert_eq!(
        ask("SELECT lock, number, slot_names, granted_at_utc FROM holders"),
        ["san-ssh|7|port-b|2026-09-21 14:13:21"]
    );
    assert_eq!(ask("SELECT lock, number FROM waiters"), ["san-ssh|8"]);
    store.commit(&[Change::DeleteTicket { number: 7, id: ticket(7).id }]).unwrap();
    assert_eq!(ask("SELECT count(*) FROM holders"), ["0"]);
}

#[test]
fn what_cannot_be_understood_is_damage_and_named() {
    for (sql, named) in [
        ("UPDATE tickets SET state = 'lost'", "table tickets, row number = 7, column state: \"lost\""),
        ("UPDATE tickets SET state = 'ended'", "table tickets, row number = 7, dormant, ended_as"),
        ("UPDATE tickets SET state = 'ended', ended_as = 'x', ended_service_ms = 1", "column ended_as: \"x\""),
        ("UPDATE tickets SET dormant = 1", "contradict state 'held'"),
        ("UPDATE tickets SET dormant = 2", "column dormant: neither 0 nor 1"),
        ("UPDATE tickets SET acknowledged = 2", "column acknowledged: neither 0 nor 1"),
        ("UPDATE tickets SET id = upper(id)", "table tickets, row number = 7, column id: not a UUID"),
        ("UPDATE tickets SET id = 'x'", "column id: not a UUID"),
        ("UPDATE tickets SET slots = '3-1'", "column slots: \"3-1\""),
        ("UPDATE tickets SET slot_names = 'a,,b'", "column slot_names"),
        ("UPDATE tickets SET lock = 'a/b'", "column lock: not a name of a lock"),
        ("UPDATE tickets SET permits = 'some'", "column permits"),
        ("UPDATE tickets SET permits = -1", "column permits"),
        ("UPDATE tickets SET permits = x'00'", "column permits"),
        ("UPDATE tickets SET lease = 1.5", "column lease"),
        ("UPDATE tickets SET queue_lease = 'hour'", "column queue_lease: \"hour\""),
        ("UPDATE tickets SET priority = 128", "column priority: 128 is out of range"),
        ("UPDATE tickets SET seq = -1", "column seq: -1 is out of range"),
        ("UPDATE tickets SET asked_ttl_ms = 5", "without request_id"),
        ("UPDATE tickets SET more = '{\"later\":1}'", "column more: field later: unknown field `later`"),
        ("UPDATE tickets SET info = CAST(x'ff' AS TEXT)", "column info: not UTF-8"),
        ("UPDATE locks SET size = 3", "table locks, row name = \"san-ssh\", size is 3, but names has 2"),
        ("UPDATE locks SET pause_reason = 'x'", "contradict each other"),
        ("UPDATE locks SET slot_names = 'port-a'", "column slot_names: \"port-a\" is not 'slot=name'"),
        ("UPDATE locks SET template = 'deploy'", "column template: not a name of a template"),
        ("UPDATE locks SET revision = -1", "column revision"),
        (
            "INSERT INTO file_values (lock, size, grace_ms, lock_delay_ms, max_queue, description, paused) VALUES ('x', 1, 1, 1, 1, '', 0)",
            "table file_values, row lock = \"x\": there is no such lock",
        ),
        (
            "INSERT INTO withholdings (number, lock, slots, slot_names, all_permits, cause, ended_as, until_service_ms)
             VALUES (1, 'a', '0', '', 0, 'lost_holder', 'gone', 5)",
            "table withholdings, row number = 1, column ended_as",
        ),
        (
            "INSERT INTO withholdings (number, lock, slots, slot_names, all_permits, cause, ended_as, until_service_ms)
             VALUES (1, 'a', '0', '', 0, 'mood', 'lost', 5)",
            "table withholdings, row number = 1, column cause: \"mood\"",
        ),
        ("INSERT INTO withheld_names VALUES ('', 5)", "table withheld_names, row name = \"\""),
        ("INSERT INTO withdrawals VALUES ('a*', NULL, 'r', 5, NULL)", "table withdrawals, row lock = \"a*\""),
        ("DELETE FROM meta", "table meta has no row"),
        ("UPDATE meta SET last_token = -1", "column last_token: -1 is out of range"),
        ("DROP TABLE withholdings", "no such table: withholdings"),
    ] {
        let place = Directory::filled();
        place.sql(sql);
        let said = damaged(place.open().load().unwrap_err());
        assert!(said.contains(named), "{sql}: {said}");
        assert!(said.contains(place.path().to_str().unwrap()), "{sql}: {said}");
        assert!(!said.contains("12345678-9abc"), "{sql}: the secret is in {said}");
    }
}

#[test]
fn two_rows_with_one_id_are_damage() {
    let place = Directory::filled();
    place.open().commit(&[Change::PutTicket(ticket(8))]).unwrap();
    place.sql("UPDATE tickets SET id = (SELECT id FROM tickets WHERE number = 7)");
    let said = damaged(place.open().load().unwrap_err());
    assert!(said.contains("two rows have the same id"), "{said}");
}

/// A server was killed after it had written a batch to the log: a client that is told of it must not lose it with the power.
#[test]
fn a_load_moves_everything_into_the_database() {
    let place = Directory::new();
    let mut store = place.open();
    store.commit(&[meta(7), Change::PutTicket(ticket(7))]).unwrap();
    let log = |place: &Directory| PathBuf::from(format!("{}-wal", place.path().display()));
    assert!(fs::metadata(log(&place)).unwrap().len() > 0);
    let killed = Directory::new();
    fs::create_dir(killed.path().parent().unwrap()).unwrap();
    fs::copy(place.path(), killed.path()).unwrap();
    fs::copy(log(&place), log(&killed)).unwrap();

    let mut store = killed.open();
    assert_eq!(store.load().unwrap().tickets, [ticket(7)]);
    assert_eq!(fs::metadata(log(&killed)).unwrap().len(), 0);
    let alone = killed.0.path().join("alone.db");
    fs::copy(killed.path(), &alone).unwrap();
    assert_eq!(SqliteStore::open(&alone).unwrap().load().unwrap().tickets, [ticket(7)]);
}

#[test]
fn a_withholding_replaces_the_one_before() {
    let place = Directory::new();
    let mut store = place.open();
    let withholding = Withholding {
        number: 3,
        lock: lock().name,
        slots: vec![(0, 0)],
        slot_names: vec![],
        all: false,
        cause: WithheldCause::LostHolder,
        how: Some(EndedAs::Overdue),
        reason: None,
        until: Some(5),
        until_wall: None,
        awaited: 0,
        awaited_names: Vec::new(),
    };
    store.commit(&[Change::PutWithholding(withholding.clone())]).unwrap();
    let later = Withholding { until: Some(9), ..withholding };
    store.commit(&[Change::PutWithholding(later.clone())]).unwrap();
    assert_eq!(store.load().unwrap().withholdings, [later]);
}

#[test]
fn files_are_for_the_server_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Directory::filled();
    let _store = place.open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let directory = place.path().parent().unwrap().to_owned();
    assert_eq!(mode(&directory), 0o700);
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["lockserver.db", "lockserver.db-shm", "lockserver.db-wal", "lockserver.db.lock"]);
}
