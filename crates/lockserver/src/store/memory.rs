//! A store that forgets with the process.

use super::{Store, StoreError};
use lock_core::{
    Change, LockName, LockRecord, Meta, Prefix, RequestScope, Snapshot, TemplateRecord, TicketId, TicketRecord,
    Withdrawn, WithheldName, Withholding,
};
use std::collections::{BTreeMap, HashMap};

/// The records in maps. It never fails, and `load` gives back what was committed in this process, so that a term of the
/// engine can end and begin again.
///
/// Every load asks for counters that begin at the clock: tokens of an earlier process, of which nothing is known any
/// more, must not be given again (rule 10).
#[derive(Debug, Default)]
pub struct MemoryStore {
    meta: Meta,
    locks: BTreeMap<LockName, LockRecord>,
    templates: BTreeMap<Prefix, TemplateRecord>,
    tickets: HashMap<TicketId, TicketRecord>,
    withholdings: BTreeMap<u64, Withholding>,
    withheld_names: BTreeMap<LockName, WithheldName>,
    withdrawn: BTreeMap<RequestScope, Withdrawn>,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot {
            meta: self.meta,
            locks: self.locks.values().cloned().collect(),
            templates: self.templates.values().cloned().collect(),
            tickets: self.tickets.values().cloned().collect(),
            withholdings: self.withholdings.values().cloned().collect(),
            withheld_names: self.withheld_names.values().cloned().collect(),
            withdrawn: self.withdrawn.values().cloned().collect(),
            restart_counters: true,
            lost_commits: false,
        })
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            self.apply(change);
        }
        Ok(())
    }
}

impl MemoryStore {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Meta(meta) => self.meta = *meta,
            Change::PutLock(lock) => drop(self.locks.insert(lock.name.clone(), lock.clone())),
            Change::DeleteLock(name) => drop(self.locks.remove(name)),
            Change::PutTemplate(template) => drop(self.templates.insert(template.prefix.clone(), template.clone())),
            Change::DeleteTemplate(prefix) => drop(self.templates.remove(prefix)),
            Change::PutTicket(ticket) => drop(self.tickets.insert(ticket.id, ticket.clone())),
            Change::DeleteTicket(id) => drop(self.tickets.remove(id)),
            Change::PutWithholding(withholding) => {
                drop(self.withholdings.insert(withholding.number, withholding.clone()))
            }
            Change::DeleteWithholding(number) => drop(self.withholdings.remove(number)),
            Change::PutWithheldName(withheld) => {
                drop(self.withheld_names.insert(withheld.name.clone(), withheld.clone()))
            }
            Change::DeleteWithheldName(name) => drop(self.withheld_names.remove(name)),
            Change::PutWithdrawn(gone) => drop(self.withdrawn.insert(gone.scope.clone(), gone.clone())),
            Change::DeleteWithdrawn(scope) => drop(self.withdrawn.remove(scope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{self, Place};

    struct Process;

    impl Place for Process {
        fn open(&mut self) -> Box<dyn Store> {
            Box::new(MemoryStore::default())
        }

        /// The end of a term, not of the process: the maps stay.
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
