//! The commits of one leader: each is one transaction that takes effect only if the leader still leads and the commit before it
//! is there. Not finding it never proves that it failed: the very same transaction is sent again until etcd says.

use super::authority::Authority;
use super::client::Client;
use super::failure::{Failure, Refusal};
use super::lead::{LEADER, deposed_by};
use super::place::EtcdPlace;
use super::record::{COMMIT, Commit, STAGED};
use super::wire::{Compare, RequestOp, TxnRequest, delete_all, get, has_value, put, read, was_made_at};
use super::writes::{Batch, Write, chunk, groups};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Operations of a transaction that etcd takes unless it was started otherwise.
const OPERATIONS: usize = 128;
/// More are not tried.
const OPERATIONS_MAX: usize = 8192;
/// With fewer nothing can be done.
const OPERATIONS_MIN: usize = 8;
/// Of each commit, those that are no writes of records: the commit record, and the deletion of chunks.
const OPERATIONS_OF_OURS: usize = 2;

/// A leader that has loaded the store.
#[derive(Debug)]
pub(super) struct Term {
    client: Client,
    place: Arc<EtcdPlace>,
    authority: Authority,
    /// The commit record as it was left, or that there is none.
    record: Option<Vec<u8>>,
    /// The last commit that was tried.
    commit: Commit,
    /// The cluster of etcd that answers.
    cluster: String,
    /// Operations that a transaction may have.
    operations: usize,
    /// How many pieces each record stands in that does.
    pieces: BTreeMap<String, usize>,
    /// Writes of the last commit that stand in chunks only.
    staged: Vec<Write>,
    /// What the keys of chunks begin with that are of no use any more.
    used: Option<String>,
}

/// What a load has found.
#[derive(Debug)]
pub(super) struct Found {
    /// The commit record, as it stands there and read.
    pub(super) record: Option<(Vec<u8>, Commit)>,
    pub(super) cluster: String,
    pub(super) pieces: BTreeMap<String, usize>,
    /// The writes of the chunks of that commit.
    pub(super) staged: Vec<Write>,
}

impl Term {
    /// Begins where the last leader, or this one before a failure, has stopped. `term` and `n`: of this leader, and the number
    /// of its last commit.
    ///
    /// # Errors
    /// `Overtaken` if the commit record has changed since it was read: a transaction of ours was late.
    pub(super) async fn begin(
        client: &Client,
        place: &Arc<EtcdPlace>,
        authority: &Authority,
        (term, n): (i64, u64),
        found: Found,
    ) -> Result<Self, Failure> {
        let until = Instant::now() + place.lease;
        let operations = probe(client, place, until).await?;
        let (record, before) = found.record.unzip();
        // The cluster of the last commit, not this one: only a commit may say that the counters have begun anew.
        let cluster = before.and_then(|before| before.cluster);
        let commit = Commit { cluster, term, n: n + 1, staged: 0 };
        let mut this = Self {
            client: client.clone(),
            place: place.clone(),
            authority: authority.clone(),
            record,
            commit,
            cluster: found.cluster,
            operations,
            pieces: found.pieces,
            staged: found.staged,
            used: None,
        };
        this.make_staged().await?;
        // Whatever is under way of earlier terms and loads is refused from here on: it compares with another record.
        let record = this.commit.to_bytes();
        let clear = delete_all(place.key(STAGED));
        let claim = vec![put(place.key(COMMIT), record.clone()), clear];
        this.transact(claim, Some(&record), Instant::now() + place.lease).await?;
        this.record = Some(record);
        this.used = None;
        Ok(this)
    }

    /// The number of the last commit that was tried.
    pub(super) fn n(&self) -> u64 {
        self.commit.n
    }

    /// Writes of records that fit into one transaction.
    pub(super) fn writes_max(&self) -> usize {
        self.operations - OPERATIONS_OF_OURS
    }

    /// Makes a batch durable. After an error nobody knows whether it is, and the term is to be ended.
    pub(super) async fn commit(&mut self, batch: Batch) -> Result<(), Failure> {
        let until = Instant::now() + self.authority.left();
        if !self.authority.holds() {
            let text = "etcd did not answer this leader in time, so another server may lead by now";
            return Err(Failure::Refused(Refusal::Overtaken, text.to_owned()));
        }
        let fits = batch.fits(&Batch::default(), self.writes_max());
        let writes = batch.into_writes(&mut self.pieces);
        self.commit =
            Commit { cluster: Some(self.cluster.clone()), term: self.commit.term, n: self.commit.n + 1, staged: 0 };
        let mut operations: Vec<RequestOp> = Vec::new();
        // Pieces make more writes than there were records.
        if fits && writes.len() <= self.writes_max() {
            operations.extend(writes.iter().map(|write| write.operation(&self.place)));
        } else {
            self.stage(&writes, until).await?;
            self.staged = writes;
        }
        operations.extend(self.used.take().map(|prefix| delete_all(self.place.key(&prefix))));
        let record = self.commit.to_bytes();
        operations.push(put(self.place.key(COMMIT), record.clone()));
        self.transact(operations, Some(&record), until).await?;
        self.record = Some(record);
        Ok(())
    }

    /// Puts writes beside their places, so that one small transaction can make all of them count.
    async fn stage(&mut self, writes: &[Write], until: Instant) -> Result<(), Failure> {
        let groups = groups(writes, usize::MAX);
        for (number, group) in groups.iter().enumerate() {
            let key = self.place.key(&self.commit.chunk(number));
            self.transact(vec![put(key, chunk(group))], None, until).await?;
        }
        self.commit.staged = groups.len();
        Ok(())
    }

    /// Puts what is in the chunks of the last commit into its places, if there is anything. Done again from the beginning it
    /// leaves the same.
    pub(super) async fn make_staged(&mut self) -> Result<(), Failure> {
        let staged = std::mem::take(&mut self.staged);
        for group in groups(&staged, self.writes_max()) {
            let operations = group.iter().map(|write| write.operation(&self.place)).collect();
            self.transact(operations, None, Instant::now() + self.place.lease).await?;
        }
        if !staged.is_empty() {
            self.used = Some(self.commit.chunks());
        }
        Ok(())
    }

    /// A transaction of this leader, after the commit that was last. `record`: what it leaves as the commit record, unless that
    /// stays.
    async fn transact(&self, operations: Vec<RequestOp>, record: Option<&[u8]>, until: Instant) -> Result<(), Failure> {
        let request = TxnRequest {
            compare: self.guard(),
            success: operations,
            failure: vec![get(self.place.key(LEADER)), get(self.place.key(COMMIT))],
        };
        let answer = match self.client.transact(request, until).await {
            // etcd looks at its size before it does what it is asked, and after: it may be done.
            Err(failure) if failure.is(Refusal::NoSpace) => {
                let found = self.client.range(read(self.place.key(COMMIT)), until).await?;
                let is_done = record.is_some() && found.kvs.first().map(|found| &found.value[..]) == record;
                return if is_done { Ok(()) } else { Err(failure) };
            }
            other => other?,
        };
        if answer.succeeded {
            return Ok(());
        }
        let mut found = answer.found();
        let (leader, commit) = (found.next().flatten(), found.next().flatten());
        // An earlier attempt that nobody answered.
        if record.is_some() && commit.as_ref().map(|commit| &commit.value[..]) == record {
            return Ok(());
        }
        Err(match leader {
            Some(leader) if leader.create_revision == self.commit.term => {
                let text = "the commit record in etcd is not the one that this server wrote";
                Failure::Refused(Refusal::Overtaken, text.to_owned())
            }
            Some(leader) => deposed_by(&leader.value),
            None => Failure::Deposed("the lease of this leader in etcd has ended".to_owned(), None),
        })
    }

    fn guard(&self) -> Vec<Compare> {
        let commit = self.place.key(COMMIT);
        let last = match &self.record {
            Some(record) => has_value(commit, record.clone()),
            None => was_made_at(commit, 0),
        };
        vec![was_made_at(self.place.key(LEADER), self.commit.term), last]
    }
}

/// How many operations etcd takes in one transaction (`--max-txn-ops`), to the power of two: it refuses more whatever they do, and
/// these do nothing.
async fn probe(client: &Client, place: &EtcdPlace, until: Instant) -> Result<usize, Failure> {
    let takes = async |count: usize| {
        let leader = place.key(LEADER);
        // No key was ever made at this revision.
        let never = was_made_at(leader.clone(), -1);
        let request = TxnRequest { compare: vec![never], success: vec![get(leader); count], failure: Vec::new() };
        match client.transact(request, until).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is(Refusal::TooManyOperations) && count > OPERATIONS_MIN => Ok(false),
            Err(failure) => Err(failure),
        }
    };
    let mut count = OPERATIONS;
    if takes(count).await? {
        while count < OPERATIONS_MAX && takes(count * 2).await? {
            count *= 2;
        }
    } else {
        while !takes(count / 2).await? {
            count /= 2;
        }
        count /= 2;
    }
    Ok(count)
}
