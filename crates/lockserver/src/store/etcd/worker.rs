//! The thread that speaks with etcd for the engine: loads, commits and the lease, with one runtime for all of them.

use super::authority::Authority;
use super::client::Client;
use super::failure::{Failure, Refusal};
use super::lead::{Campaign, Lead, campaign, deposed_by};
use super::load::{Part, load};
use super::place::EtcdPlace;
use super::term::Term;
use super::writes::Batch;
use crate::store::StoreError;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long a server that does not lead waits for the end of another one's term before it says so.
const PATIENCE: Duration = Duration::from_millis(500);
/// Loads that begin anew because etcd has forgotten their revision, or a late transaction has changed the store.
const LOADS_MAX: usize = 5;

/// What is to be done, one after the other.
#[derive(Debug)]
pub(super) enum Work {
    /// Become the leader if need be, and read everything. The second sender says how it ended.
    Load(Sender<Part>, Sender<Result<Loaded, StoreError>>),
    /// Make this durable.
    Commit(Batch, Sender<Result<(), StoreError>>),
}

/// What a load says beside the records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded {
    /// The store is new, or another cluster of etcd than the one that was last written to.
    pub(super) is_copy: bool,
}

pub(super) struct Worker {
    client: Client,
    place: Arc<EtcdPlace>,
    authority: Authority,
    lead: Option<Lead>,
    /// The last term in which this server led, unless the engine has heard since that it does not.
    led: Option<i64>,
    /// The number of the last commit that was tried under this lead.
    n: u64,
    /// What the store is, or why it must be loaded again.
    term: Result<Term, StoreError>,
}

impl Worker {
    pub(super) fn new(place: Arc<EtcdPlace>, authority: Authority) -> Self {
        let client = Client::new(place.clone());
        let term = Err(StoreError::Unavailable("the store in etcd is not loaded yet".to_owned()));
        Self { client, place, authority, lead: None, led: None, n: 0, term }
    }

    /// Works until there is nobody left to work for, and then lets others lead.
    pub(super) async fn run(mut self, mut work: UnboundedReceiver<Work>) {
        let mut put_off = None;
        loop {
            let next = match put_off.take() {
                Some(put_off) => Some(put_off),
                None => work.recv().await,
            };
            match next {
                None => break,
                Some(Work::Load(parts, ended)) => {
                    let loaded = self.load(&parts).await;
                    let loaded = loaded.map_err(|failure| failure.into_error("while the store was loaded"));
                    let _ = ended.send(loaded);
                }
                Some(Work::Commit(mut batch, answer)) => {
                    let mut answers = vec![answer];
                    // What has come while the last commit was under way shares the next one.
                    while let Ok(more) = work.try_recv() {
                        match more {
                            Work::Commit(more, answer) if batch.fits(&more, self.writes_max()) => {
                                batch.add(more);
                                answers.push(answer);
                            }
                            other => {
                                put_off = Some(other);
                                break;
                            }
                        }
                    }
                    let result = self.commit(batch).await;
                    for answer in answers {
                        let _ = answer.send(result.clone());
                    }
                    self.make_staged().await;
                }
            }
        }
        self.resign().await;
    }

    fn writes_max(&self) -> usize {
        self.term.as_ref().map_or(0, Term::writes_max)
    }

    async fn load(&mut self, parts: &Sender<Part>) -> Result<Loaded, Failure> {
        self.end_term(StoreError::Unavailable("the store in etcd was not loaded again since it failed".to_owned()));
        let before = self.lead.as_ref().map(|lead| lead.term).or_else(|| self.led.take());
        self.take_lead().await?;
        let Some(of_lead) = self.lead.as_ref().map(|lead| lead.term) else { unreachable!("it was taken") };
        if before.is_some_and(|before| before != of_lead) {
            let text = "this server leads again, and another may have led in between";
            return Err(Failure::Deposed(text.to_owned(), None));
        }
        for again in 1.. {
            let begun = async {
                let found = load(&self.client, &self.place, parts).await?;
                let cluster = found.record.as_ref().and_then(|(_, commit)| commit.cluster.as_ref());
                let loaded = Loaded { is_copy: cluster != Some(&found.cluster) };
                let leader = (of_lead, self.n);
                Ok::<_, Failure>((
                    loaded,
                    Term::begin(&self.client, &self.place, &self.authority, leader, found).await?,
                ))
            };
            // Also of a claim that failed: its number may be in use.
            let begun = begun.await;
            self.n += 1;
            match begun {
                Ok((loaded, term)) => {
                    self.term = Ok(term);
                    return Ok(loaded);
                }
                Err(Failure::Refused(Refusal::Compacted | Refusal::Overtaken, _)) if again < LOADS_MAX => {}
                Err(failure) => return Err(self.failed(failure).await),
            }
        }
        unreachable!("the loop ends by an answer")
    }

    /// Makes sure that this server leads.
    async fn take_lead(&mut self) -> Result<(), Failure> {
        if let Some(lead) = &self.lead {
            if lead.goes_on(&self.client, self.place.lease, &self.authority).await? {
                return Ok(());
            }
            self.resign().await;
        }
        match campaign(&self.client, &self.place, &self.authority, PATIENCE).await? {
            Campaign::Won(lead) => {
                tracing::info!(term = lead.term, name = %self.place.name, "this server leads");
                self.lead = Some(lead);
                self.n = 0;
                Ok(())
            }
            Campaign::Lost(leader) => Err(deposed_by(&leader)),
        }
    }

    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let term = match &mut self.term {
            Ok(term) => term,
            Err(error) => return Err(error.clone()),
        };
        if batch.is_empty() {
            return Ok(());
        }
        let mut committed = term.commit(batch).await;
        if committed.is_ok() && !self.authority.holds() {
            let text = "etcd has answered too late: another server may lead by now";
            committed = Err(Failure::Refused(Refusal::Overtaken, text.to_owned()));
        }
        match committed {
            Ok(()) => Ok(()),
            Err(failure) => {
                let error = self.failed(failure).await.into_error("at a commit");
                self.end_term(error.clone());
                Err(error)
            }
        }
    }

    /// After a commit that was too large for one transaction, which has been answered: what it wrote gets to its places.
    async fn make_staged(&mut self) {
        let Ok(term) = &mut self.term else { return };
        if let Err(failure) = term.make_staged().await {
            let error = self.failed(failure).await.into_error("after a large commit");
            self.end_term(error);
        }
    }

    fn end_term(&mut self, why: StoreError) {
        if let Ok(term) = std::mem::replace(&mut self.term, Err(why)) {
            self.n = term.n();
        }
    }

    /// Who is deposed has no lead to go on with.
    async fn failed(&mut self, failure: Failure) -> Failure {
        if matches!(failure, Failure::Deposed(..)) {
            self.resign().await;
        }
        failure
    }

    async fn resign(&mut self) {
        if let Some(lead) = self.lead.take() {
            self.led = Some(lead.term);
            lead.resign(&self.client, &self.authority).await;
        }
    }
}
