//! What a store must do, as simply as it can be said: the last change of each key wins.

use lock_core::{Change, Key, Snapshot};
use std::collections::BTreeMap;

/// A map from keys to the change that made them what they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    records: BTreeMap<Key, Change>,
}

impl Model {
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::DeleteLock(_)
                | Change::DeleteTemplate(_)
                | Change::DeleteTicket(_)
                | Change::DeleteWithholding(_)
                | Change::DeleteWithheldName(_)
                | Change::DeleteWithdrawn(_) => drop(self.records.remove(&change.key())),
                _ => drop(self.records.insert(change.key(), change.clone())),
            }
        }
    }

    /// What a load must give back, sorted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for change in self.records.values().cloned() {
            match change {
                Change::Meta(meta) => snapshot.meta = meta,
                Change::PutLock(lock) => snapshot.locks.push(lock),
                Change::PutTemplate(template) => snapshot.templates.push(template),
                Change::PutTicket(ticket) => snapshot.tickets.push(ticket),
                Change::PutWithholding(withholding) => snapshot.withholdings.push(withholding),
                Change::PutWithheldName(withheld) => snapshot.withheld_names.push(withheld),
                Change::PutWithdrawn(withdrawn) => snapshot.withdrawn.push(withdrawn),
                other => unreachable!("{other:?} is never kept"),
            }
        }
        snapshot.sort();
        snapshot
    }
}
