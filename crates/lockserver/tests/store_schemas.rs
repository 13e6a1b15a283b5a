//! Files of every schema that was released are read as what they are, and go on working.

use lock_core::{Change, Continuity, Table};
use lockserver::store::{SqliteReader, SqliteStore, Store};
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What depends on where and when a dump is made; and the schema, which changes as the file is brought forward.
const PASSING: [&str; 5] = ["lockserver", "store", "dumped_at", "counts_as_copy", "schema"];

fn fixture(schema: i32, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store/schema-{schema:04}.{kind}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| {
        panic!("{}: {error}; a new schema brings a pair of fixtures, see the README.md beside it", path.display())
    })
}

/// A file as that schema's release wrote it.
fn make(schema: i32, place: &Path) -> PathBuf {
    let path = place.join("lockserver.db");
    Connection::open(&path).unwrap().execute_batch(&read(&fixture(schema, "sql"))).unwrap();
    path
}

fn lasting(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for name in PASSING {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}

fn dump(path: &Path) -> Value {
    let store = Command::new(env!("CARGO_BIN_EXE_lockserver"))
        .args(["store", "dump", "--json", "--with-ids"])
        .arg(path)
        .output()
        .unwrap();
    assert!(store.status.success(), "{}", String::from_utf8_lossy(&store.stderr));
    lasting(&String::from_utf8(store.stdout).unwrap())
}

#[test]
fn each_is_read_exactly_and_brought_forward() {
    for schema in 1..=SqliteStore::SCHEMA {
        let place = tempfile::tempdir().unwrap();
        let path = make(schema, place.path());
        let expected = lasting(&read(&fixture(schema, "json")));
        let reader = SqliteReader::open(&path).unwrap();
        assert_eq!(reader.schema(), schema);
        assert_eq!(dump(&path), expected, "schema {schema}, looked into");
        let mut looked = reader.load().unwrap();
        looked.sort();
        assert!(!looked.tickets.is_empty() && !looked.locks.is_empty() && !looked.withholdings.is_empty());
        drop(reader);

        let mut store = SqliteStore::open(&path).unwrap();
        let mut found = store.load().unwrap();
        assert!(found.restart_counters, "a file that was made from a text is a copy");
        found.sort();
        assert_eq!(found, looked, "schema {schema}, opened by a server");
        assert_eq!(dump(&path), expected, "schema {schema}, brought forward");

        // It keeps working: a table goes on from it, and what it changes is there the next time.
        found.restart_counters = false;
        let table = Table::load(found.clone(), 0, &Continuity::None).unwrap();
        assert_eq!(table.snapshot(), found);
        let gone = found.tickets.pop().unwrap();
        store.commit(&[table.clock_change(), Change::DeleteTicket { number: gone.number, id: gone.id }]).unwrap();
        drop(store);
        let reader = SqliteReader::open(&path).unwrap();
        assert_eq!(reader.schema(), SqliteStore::SCHEMA);
        reader.check().unwrap();
        let mut again = reader.load().unwrap();
        again.sort();
        assert_eq!(again, found, "schema {schema}, after a commit");
    }
}

/// A schema that was released must never be changed, only followed by another one.
#[test]
fn the_latest_is_what_a_new_store_has() {
    let place = tempfile::tempdir().unwrap();
    let fresh = place.path().join("fresh.db");
    drop(SqliteStore::open(&fresh).unwrap());
    let schema = |path: &Path| -> Vec<(String, Option<String>)> {
        let database = Connection::open(path).unwrap();
        let mut statement = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(schema(&fresh), schema(&make(SqliteStore::SCHEMA, place.path())));
}

#[test]
fn no_fixture_is_of_a_schema_that_is_not_known() {
    let folder = fixture(1, "sql").parent().unwrap().to_owned();
    let mut found: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("schema-"))
        .collect();
    found.sort();
    let known =
        (1..=SqliteStore::SCHEMA).flat_map(|schema| ["json", "sql"].map(|kind| format!("schema-{schema:04}.{kind}")));
    assert_eq!(found, known.collect::<Vec<_>>());
}
