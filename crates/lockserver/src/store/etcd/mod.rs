//! The store of several servers: etcd (version 3.4 or later), of which one server at a time is the leader and has the table.
//!
//! `lead` is about who leads and until when (`authority`), `load` reads everything (`reader` beside a leader), `term` commits; `client` sends requests and
//! `failure` says what an answer means; `record` and `writes` are what stands in etcd. All of that lives on one thread
//! (`worker`); the engine speaks with it through channels and reads and writes records on its own thread.
//!
//! Under the prefix stand: `leader`, which goes with its lease; `commit`, the last commit; each record under its key of the
//! codec; pieces of records that are long; chunks of a commit that is too large for one transaction.

mod authority;
mod client;
mod failure;
mod lead;
mod load;
mod place;
mod reader;
mod record;
mod term;
#[cfg(test)]
mod tests;
mod wire;
mod worker;
mod writes;

pub use place::EtcdPlace;
pub use reader::EtcdReader;

use authority::Authority;

use super::{Pipeline, Store, StoreError, codec};
use load::Part;
use lock_core::{Change, Meta, Snapshot};
use record::{piece_of, pieces_in};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use worker::{Loaded, Work, Worker};

/// Batches that are taken before the first is durable. They share transactions.
const BATCHES_MAX: usize = 16;

/// See the module.
pub struct EtcdStore {
    /// Closed before the thread is waited for.
    work: Option<UnboundedSender<Work>>,
    thread: Option<JoinHandle<()>>,
    authority: Authority,
    /// Batches that are under way.
    under_way: VecDeque<UnderWay>,
    /// The counters of the last batch that is durable.
    mark: Meta,
}

/// A batch whose outcome will be told, and the counters that it leaves.
struct UnderWay {
    outcome: Receiver<Result<(), StoreError>>,
    meta: Option<Meta>,
}

impl EtcdStore {
    /// Begins to work for this place. Whether etcd is there, and whether this server leads, shows at the first load.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn open(place: EtcdPlace) -> Result<Self, StoreError> {
        let wrong = |error| StoreError::Unavailable(format!("the thread for etcd cannot be started: {error}"));
        let (authority, (work, received)) = (Authority::default(), unbounded_channel());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let worker = Worker::new(Arc::new(place), authority.clone());
        let run = move || LocalSet::new().block_on(&runtime, worker.run(received));
        let thread = std::thread::Builder::new().name("etcd".to_owned()).spawn(run).map_err(wrong)?;
        let (under_way, mark) = (VecDeque::new(), Meta::default());
        Ok(Self { work: Some(work), thread: Some(thread), authority, under_way, mark })
    }

    #[cfg(test)]
    fn authority(&self) -> Authority {
        self.authority.clone()
    }

    fn send(&self, work: Work) {
        let open = self.work.as_ref().expect("open until it is dropped");
        open.send(work).expect("the thread for etcd works until the store is dropped");
    }

    /// The outcome of the oldest batch. After an error the ones behind it are refused, and count for nothing.
    fn take(&mut self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        let UnderWay { meta, .. } = self.under_way.pop_front().expect("it is under way");
        match &outcome {
            Ok(()) => {
                if let Some(meta) = meta {
                    self.mark = meta;
                }
            }
            Err(_) => self.under_way.clear(),
        }
        outcome
    }
}

impl Store for EtcdStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let ((parts, received), (ended, end)) = (channel(), channel());
        self.send(Work::Load(parts, ended));
        let records = Records::of(received);
        let Loaded { is_copy } = end.recv().expect("the thread for etcd answers")?;
        let mut snapshot: Snapshot = records?.finish()?.into_iter().collect();
        snapshot.lost_commits = !is_copy && is_ahead(&self.mark, &snapshot.meta);
        if snapshot.lost_commits {
            tracing::error!(
                "the store in etcd is older than what was last committed to it: etcd was restored from a snapshot. \
                 Clients may still hold permits that were granted since, and those may be granted again"
            );
        }
        snapshot.restart_counters = is_copy || snapshot.lost_commits;
        Ok(snapshot)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.begin(changes);
        self.wait()
    }

    fn is_authoritative(&self) -> bool {
        self.authority.holds()
    }

    fn pipeline(&mut self) -> Option<&mut dyn Pipeline> {
        Some(self)
    }
}

impl Pipeline for EtcdStore {
    fn max(&self) -> usize {
        BATCHES_MAX
    }

    fn begin(&mut self, changes: &[Change]) {
        let (answer, outcome) = channel();
        let meta = changes.iter().rev().find_map(|change| match change {
            Change::Meta(meta) => Some(*meta),
            _ => None,
        });
        self.send(Work::Commit(writes::Batch::of(changes), answer));
        self.under_way.push_back(UnderWay { outcome, meta });
    }

    fn poll(&mut self) -> Option<Result<(), StoreError>> {
        let UnderWay { outcome, .. } = self.under_way.front().expect("a batch is under way");
        match outcome.try_recv() {
            Ok(outcome) => Some(self.take(outcome)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the thread for etcd ended without an answer"),
        }
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        let UnderWay { outcome, .. } = self.under_way.front().expect("a batch is under way");
        let outcome = outcome.recv().expect("the thread for etcd answers");
        self.take(outcome)
    }
}

impl Drop for EtcdStore {
    /// Lets others lead at once; where etcd does not answer, after a second.
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // If it has panicked, that was said.
            let _ = thread.join();
        }
    }
}

/// Whether counters are ahead of what the store says.
fn is_ahead(mark: &Meta, meta: &Meta) -> bool {
    mark.last_token > meta.last_token
        || mark.last_number > meta.last_number
        || mark.last_seq > meta.last_seq
        || mark.last_revision > meta.last_revision
}

/// Records as they come.
#[derive(Default)]
struct Records {
    changes: Vec<Change>,
    /// Those that stand in pieces, and in how many.
    long: Vec<(String, usize)>,
    pieces: BTreeMap<(String, usize), Vec<u8>>,
}

impl Records {
    /// Those of a load, which may begin anew.
    fn of(parts: impl IntoIterator<Item = Part>) -> Result<Self, StoreError> {
        let mut records = Self::default();
        let mut read = Ok(());
        for part in parts {
            match part {
                Part::Again => (records, read) = (Self::default(), Ok(())),
                Part::Records(more) if read.is_ok() => read = records.add(more),
                Part::Records(_) => {}
            }
        }
        read.map(|()| records)
    }

    fn add(&mut self, records: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        for (key, value) in records {
            if let Some((number, of)) = piece_of(&key) {
                self.pieces.insert((of.to_owned(), number), value);
            } else if let Some(count) = pieces_in(&value) {
                self.long.push((key, count));
            } else {
                self.changes.push(decode(&key, &value)?);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Change>, StoreError> {
        for (key, count) in self.long {
            let mut value = Vec::new();
            for number in 0..count {
                let piece = self.pieces.remove(&(key.clone(), number));
                value.extend(piece.ok_or_else(|| damaged(format!("piece {number} of a record is missing")))?);
            }
            self.changes.push(decode(&key, &value)?);
        }
        Ok(self.changes)
    }
}

fn decode(key: &str, value: &[u8]) -> Result<Change, StoreError> {
    let text = std::str::from_utf8(value).map_err(|_| damaged("the value of a record is not a text".to_owned()))?;
    codec::decode(key, text).map_err(|error| damaged(error.to_string()))
}

fn damaged(what: String) -> StoreError {
    failure::Failure::Refused(failure::Refusal::Damaged, what).into_error("")
}
