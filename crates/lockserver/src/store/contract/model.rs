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
            if change.is_deletion() {
                self.records.remove(&change.key());
            } else {
                self.records.insert(change.key(), change.clone());
            }
        }
    }

    /// What a load must give back, sorted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot: Snapshot = self.records.values().cloned().collect();
        snapshot.sort();
        snapshot
    }
}
