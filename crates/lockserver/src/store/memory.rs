//! A store that forgets with the process.

use super::{Store, StoreError};
use lock_core::{Change, Key, Snapshot};
use std::collections::BTreeMap;

/// The records in a map. It never fails, and `load` gives back what was committed in this process, so that a term of the
/// engine can end and begin again.
///
/// Every load asks for counters that begin at the clock: tokens of an earlier process, of which nothing is known any
/// more, must not be given again (rule 10).
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: BTreeMap<Key, Change>,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { restart_counters: true, ..self.records.values().cloned().collect() })
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            let key = change.key();
            if change.is_deletion() {
                self.records.remove(&key);
            } else {
                self.records.insert(key, change.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{self, Place};
    use lock_core::Meta;

    struct Process;

    impl Place for Process {
        fn open(&mut self) -> Box<dyn Store> {
            Box::new(MemoryStore::default())
        }

        /// The end of a term, not of the process: the map stays.
        fn reopen(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
            store
        }
    }

    #[test]
    fn keeps_the_contract() {
        contract::test_all(&|| Box::new(Process));
    }

    #[test]
    fn counters_always_restart() {
        let mut store = MemoryStore::default();
        assert!(store.load().unwrap().restart_counters);
        store.commit(&[Change::Meta(Meta { last_token: 7, ..Meta::default() })]).unwrap();
        let again = store.load().unwrap();
        assert!(again.restart_counters);
        assert_eq!(again.meta.last_token, 7);
    }
}
