//! A store in memory that fails as it is told to, and checks what it is given. It may take several batches at a time.

use lock_core::{Change, Key, Snapshot};
use lockserver::store::{Pipeline, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// Commits since the last [`SimStore::take_log`] that took effect, in order, each with the number of its batch.
    log: Vec<(usize, Vec<Change>)>,
    /// The batch of requests that is under way.
    batch: usize,
    /// Batches of changes that it takes before it has said of the first whether that is durable; 0 for one after the other.
    in_flight_max: usize,
    in_flight: VecDeque<(usize, Vec<Change>)>,
    /// The oldest is done.
    flushed: bool,
    dropped: usize,
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
#[derive(Default)]
pub(crate) struct Log {
    /// Commits that took effect, each with the number of its batch.
    pub(crate) commits: Vec<(usize, Vec<Change>)>,
    /// Commits that were tried.
    pub(crate) attempts: u32,
    /// Of those, how many were answered with an error.
    pub(crate) failed: u32,
    /// Batches behind one that failed.
    pub(crate) dropped: usize,
    /// Times that the table was loaded.
    pub(crate) loads: u32,
}

impl Log {
    /// Counts another one as well, but for its commits.
    pub(crate) fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.loads += other.loads;
    }
}

impl SimStore {
    /// `copied`: as a restored store, it says that counters must begin anew (rule 10).
    pub(crate) fn new(copied: bool, in_flight_max: usize) -> Self {
        let store = Self::default();
        store.disk().restart_counters = copied;
        store.disk().in_flight_max = in_flight_max;
        store
    }

    /// The batch of requests with this number comes next, and the oldest of the batches under way may be done before.
    pub(crate) fn begin(&self, batch: usize, flushed: bool) {
        let mut disk = self.disk();
        (disk.batch, disk.flushed) = (batch, flushed);
    }

    /// The process ends: what is under way is not durable.
    pub(crate) fn crash(&self) {
        self.disk().in_flight.clear();
    }

    /// Whether batches are under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.disk().in_flight.is_empty()
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
            dropped: std::mem::take(&mut disk.dropped),
            loads: std::mem::take(&mut disk.loads),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot: Snapshot = self.disk().records.values().cloned().collect();
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
        assert!(disk.in_flight.is_empty(), "one way of committing at a time");
        let batch = disk.batch;
        disk.commit(batch, changes)
    }

    fn pipeline(&mut self) -> Option<&mut dyn Pipeline> {
        let takes_many = self.disk().in_flight_max > 0;
        takes_many.then_some(self as &mut dyn Pipeline)
    }
}

impl Pipeline for SimStore {
    fn max(&self) -> usize {
        self.disk().in_flight_max
    }

    fn begin(&mut self, changes: &[Change]) {
        let mut disk = self.disk();
        let batch = disk.batch;
        disk.in_flight.push_back((batch, changes.to_vec()));
        assert!(disk.in_flight.len() <= disk.in_flight_max);
    }

    fn poll(&mut self) -> Option<Result<(), StoreError>> {
        let mut disk = self.disk();
        std::mem::take(&mut disk.flushed).then(|| disk.finish())
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.flushed = false;
        disk.finish()
    }
}

impl Disk {
    /// The oldest batch that is under way.
    fn finish(&mut self) -> Result<(), StoreError> {
        let (batch, changes) = self.in_flight.pop_front().expect("a batch is under way");
        let result = self.commit(batch, &changes);
        if result.is_err() {
            self.dropped += std::mem::take(&mut self.in_flight).len();
        }
        result
    }

    fn commit(&mut self, batch: usize, changes: &[Change]) -> Result<(), StoreError> {
        let disk = self;
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
                    | Change::DeleteTicket { .. }
                    | Change::DeleteWithholding(_)
                    | Change::DeleteWithheldName(_)
                    | Change::DeleteWithdrawn(_) => drop(disk.records.remove(&change.key())),
                    _ => drop(disk.records.insert(change.key(), change.clone())),
                }
            }
            disk.log.push((batch, changes.to_vec()));
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
