//! The store on a real etcd, which each test starts for itself: what every store must do, and what goes wrong with etcd only.

mod commits;
mod leaders;
mod members;
mod reader;
mod rig;

use super::EtcdStore;
use super::wire::delete;
use crate::store::Store;
use crate::store::contract::{self, Place, kill};
use rig::{Etcd, Look};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One etcd for all places of the suite, each under a prefix of its own.
struct Below {
    etcd: Arc<Etcd>,
    prefix: String,
}

impl Below {
    fn store(&self) -> Box<dyn Store> {
        let mut place = self.etcd.place();
        place.prefix.clone_from(&self.prefix);
        Box::new(EtcdStore::open(place).unwrap())
    }
}

impl Place for Below {
    fn open(&mut self) -> Box<dyn Store> {
        let mut store = self.store();
        // The engine commits nothing before it has loaded.
        store.load().unwrap();
        store
    }

    fn reopen(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        drop(store);
        self.store()
    }
}

#[test]
fn keeps_the_contract() {
    let (etcd, places) = (Arc::new(Etcd::start(&[])), AtomicUsize::new(0));
    contract::test_all(&|| {
        let prefix = format!("place-{}/", places.fetch_add(1, Ordering::Relaxed));
        Box::new(Below { etcd: etcd.clone(), prefix })
    });
}

/// The child is told where etcd is. What ends with its lease is taken away at once: it is dead.
#[test]
fn killed() {
    const ENDPOINT: &str = "LOCKSERVER_TEST_ETCD";
    let etcd = std::env::var(ENDPOINT).is_err().then(|| Etcd::start(&[]));
    let endpoint = etcd.as_ref().map_or_else(|| std::env::var(ENDPOINT).unwrap(), Etcd::endpoint);
    kill::test("store::etcd::tests::killed", &[(ENDPOINT, &endpoint)], &|_| {
        let look = Look::at(rig::place(&endpoint));
        look.act(delete(look.key("leader")));
        Box::new(rig::loaded(rig::place(&endpoint)))
    });
}
