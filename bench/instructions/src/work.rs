//! What is counted and timed, each thing once at a time.

use crate::clients::Clients;
use lock_core::Change;
use lockserver::store::{self, Store, StoreChoice, codec};
use std::hint::black_box;
use tempfile::TempDir;

/// Two steps of the core: a client takes the permit of its own lock and gives it back.
pub(crate) struct Step(Clients);

impl Step {
    pub(crate) fn new() -> Self {
        Self(Clients::new())
    }

    pub(crate) fn once(&mut self) {
        black_box(self.0.acquire());
        black_box(self.0.release());
    }
}

/// The record of a ticket becomes text and a record again, once while it is held and once when it has ended.
pub(crate) struct Codec([Change; 2]);

impl Codec {
    pub(crate) fn new() -> Self {
        let mut clients = Clients::new();
        Self([clients.acquire(), clients.release()].map(|changes| {
            let ticket = changes.into_iter().find(|change| matches!(change, Change::PutTicket(_)));
            ticket.expect("a ticket changes in either step")
        }))
    }

    pub(crate) fn once(&self) {
        for change in &self.0 {
            let (key, text) = (codec::key(&change.key()), codec::encode(change).expect("a put has a text"));
            black_box(codec::decode(&key, &text).expect("it was just written"));
        }
    }
}

/// A batch becomes durable as in a server that has been in use for a while: a ticket has ended, another one is held, and one
/// that ended ten minutes ago is forgotten.
pub(crate) struct Commit {
    store: Box<dyn Store>,
    clients: Clients,
    _directory: TempDir,
}

impl Commit {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = store::open(&StoreChoice::Sqlite(directory.path().join("store.db"))).expect("a new store");
        store.load().expect("an empty store");
        let mut clients = Clients::new();
        store.commit(&clients.locks()).expect("the locks");
        store.commit(&clients.acquire()).expect("the first ticket");
        Self { store, clients, _directory: directory }
    }

    /// The next batch, which is to be committed after the one before it.
    pub(crate) fn batch(&mut self) -> Vec<Change> {
        self.clients.release_and_acquire()
    }

    pub(crate) fn once(&mut self, batch: &[Change]) {
        self.store.commit(batch).expect("a batch");
    }
}
