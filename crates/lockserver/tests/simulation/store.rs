//! A store in memory that fails as it is told to, and checks what it is given.

use lock_core::{Change, Key, Snapshot};
use lockserver::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the store does with the commits of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// So many commits still work.
    pub(crate) after: u32,
    /// The commit that fails has taken effect all the same.
    pub(crate) effect: bool,
}

#[derive(Default)]
struct Disk {
    /// The durable state: for each record the change that wrote it.
    records: BTreeMap<Key, Change>,
    /// Commits since the last [`SimStore::take_log`] that took effect, in order.
    log: Vec<Vec<Change>>,
    attempts: u32,
    failed: u32,
    fault: Option<Fault>,
    load_fails: bool,
    loads: u32,
    restart_counters: bool,
}

/// Shared between the engine and the simulation, and between one life of the server and the next.
#[derive(Clone, Default)]
pub(crate) struct SimStore(Arc<Mutex<Disk>>);

/// What the store saw in a step.
pub(crate) struct Log {
    /// Commits that took effect.
    pub(crate) commits: Vec<Vec<Change>>,
    /// Commits that were tried.
    pub(crate) attempts: u32,
    /// Of those, how many were answered with an error.
    pub(crate) failed: u32,
    /// Times that the table was loaded.
    pub(crate) loads: u32,
}

impl SimStore {
    /// `copied`: as a restored store, it says that counters must begin anew (rule 10).
    pub(crate) fn new(copied: bool) -> Self {
        let store = Self::default();
        store.disk().restart_counters = copied;
        store
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is to go wrong from now on.
    pub(crate) fn plan(&self, fault: Option<Fault>, load_fails: bool) {
        let mut disk = self.disk();
        disk.fault = fault;
        disk.load_fails = load_fails;
    }

    pub(crate) fn take_log(&self) -> Log {
        let mut disk = self.disk();
        let disk = &mut *disk;
        Log {
            commits: std::mem::take(&mut disk.log),
            attempts: std::mem::take(&mut disk.attempts),
            failed: std::mem::take(&mut disk.failed),
            loads: std::mem::take(&mut disk.loads),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for change in self.disk().records.values().cloned() {
            match change {
                Change::Meta(meta) => snapshot.meta = meta,
                Change::PutLock(record) => snapshot.locks.push(record),
                Change::PutTemplate(record) => snapshot.templates.push(record),
                Change::PutTicket(record) => snapshot.tickets.push(record),
                Change::PutWithholding(record) => snapshot.withholdings.push(record),
                Change::PutWithheldName(record) => snapshot.withheld_names.push(record),
                Change::PutWithdrawn(record) => snapshot.withdrawn.push(record),
                _ => unreachable!("a record that is gone is not kept"),
            }
        }
        snapshot.sort();
        snapshot
    }
}

impl Store for SimStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let mut snapshot = self.snapshot();
        let mut disk = self.disk();
        if disk.load_fails {
            return Err(StoreError::Unavailable("simulated: cannot be read".to_owned()));
        }
        disk.loads += 1;
        snapshot.restart_counters = std::mem::take(&mut disk.restart_counters);
        Ok(snapshot)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
        assert_eq!(keys.len(), changes.len(), "a commit has one change for each key: {changes:?}");
        assert!(keys.contains(&Key::Meta), "a commit saves the counters and the clock");
        disk.attempts += 1;
        let fault = match &mut disk.fault {
            Some(fault) if fault.after == 0 => Some(*fault),
            Some(fault) => {
                fault.after -= 1;
                None
            }
            None => None,
        };
        if fault.is_none_or(|fault| fault.effect) {
            for change in changes {
                match change {
                    Change::DeleteLock(_)
                    | Change::DeleteTemplate(_)
                    | Change::DeleteTicket(_)
                    | Change::DeleteWithholding(_)
                    | Change::DeleteWithheldName(_)
                    | Change::DeleteWithdrawn(_) => drop(disk.records.remove(&change.key())),
                    _ => drop(disk.records.insert(change.key(), change.clone())),
                }
            }
            disk.log.push(changes.to_vec());
        }
        if fault.is_some() {
            disk.failed += 1;
            // What was cut off half-way is not tried again by the disk itself.
            if let Some(fault) = &mut disk.fault {
                fault.effect = false;
            }
            return Err(StoreError::Unavailable("simulated: the commit failed".to_owned()));
        }
        Ok(())
    }
}
