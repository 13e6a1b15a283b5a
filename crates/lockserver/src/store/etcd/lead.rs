//! Who leads: one key under a lease, which its leader keeps alive.

use super::authority::Authority;
use super::client::Client;
use super::failure::{Failure, Refusal};
use super::place::EtcdPlace;
use super::wire::{TxnRequest, get, head, put_leased, read, was_made_at};
use crate::store::Leader;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep};

/// The key of the leader.
pub(super) const LEADER: &str = "leader";
/// How long a leader that stops waits for etcd to hear of it.
const RESIGN: Duration = Duration::from_secs(1);

/// Who leads, as the leader's key says it.
#[derive(Serialize, Deserialize)]
struct Key {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// See [`Leader::since_ms`].
    since_ms: u64,
}

/// That somebody else leads, as the value of the leader's key says.
pub(super) fn deposed_by(value: &[u8]) -> Failure {
    let leader = serde_json::from_slice(value).ok().map(|Key { name, url, since_ms }| Leader { name, url, since_ms });
    let name = leader.as_ref().map_or("another server", |leader| leader.name.as_str());
    Failure::Deposed(format!("{name} leads"), leader.map(Arc::new))
}

/// A term as the leader: from the making of the key to its end.
#[derive(Debug)]
pub(super) struct Lead {
    /// The revision of etcd at which the key was made: no two terms have the same one.
    pub(super) term: i64,
    lease: i64,
    lost: Arc<AtomicBool>,
    keeper: AbortHandle,
}

/// How a campaign has ended.
#[derive(Debug)]
pub(super) enum Campaign {
    Won(Lead),
    /// Somebody else leads: the value of the leader's key.
    Lost(Vec<u8>),
}

/// Tries to become the leader; where somebody else leads, waits that long for the end of that.
pub(super) async fn campaign(
    client: &Client,
    place: &Arc<EtcdPlace>,
    authority: &Authority,
    patience: Duration,
) -> Result<Campaign, Failure> {
    let key = place.key(LEADER);
    let patient_until = Instant::now() + patience;
    // What is asked below is answered at once by an etcd that works.
    let until = || Instant::now() + place.lease;
    loop {
        let found = client.range(read(key.clone()), until()).await?;
        let Some(leader) = found.kvs.first() else { break };
        let (revision, _) = head(found.header.as_ref());
        if !client.deleted(key.clone(), revision, patient_until).await? {
            return Ok(Campaign::Lost(leader.value.clone()));
        }
    }
    let sent_ms = crate::wall::boot_ms();
    let (lease, lasts) = client.grant(until()).await?;
    let leader = Key { name: place.name.clone(), url: place.url.clone(), since_ms: crate::wall::now_ms() };
    let value = serde_json::to_vec(&leader).expect("a leader is JSON");
    let request = TxnRequest {
        compare: vec![was_made_at(key.clone(), 0)],
        success: vec![put_leased(key.clone(), value, lease)],
        failure: vec![get(key)],
    };
    let answer = client.transact(request, until()).await?;
    let (revision, _) = head(answer.header.as_ref());
    let term = if answer.succeeded {
        revision
    } else {
        let other = answer.found().next().flatten();
        match other {
            // An attempt that nobody answered has made it.
            Some(ours) if ours.lease == lease => ours.create_revision,
            other => {
                // The key is not ours, so that nothing hangs on this lease.
                let _ = client.revoke(lease, Instant::now() + RESIGN).await;
                return Ok(Campaign::Lost(other.map_or_else(Vec::new, |other| other.value)));
            }
        }
    };
    authority.extend(sent_ms, lasts.min(place.lease));
    let lost = Arc::<AtomicBool>::default();
    let keeper = spawn_local(keep(client.clone(), place.lease, lease, authority.clone(), lost.clone()));
    Ok(Campaign::Won(Lead { term, lease, lost, keeper: keeper.abort_handle() }))
}

/// Keeps a lease alive until it has ended, or etcd was silent for as long as it lasts. It may hear all the same, and would go on
/// for ever with a leader that may tell nobody anything.
async fn keep(client: Client, lasts: Duration, lease: i64, authority: Authority, lost: Arc<AtomicBool>) {
    let mut heard = Instant::now();
    loop {
        sleep(lasts / 5).await;
        let has_ended = match renew(&client, lasts, lease, &authority).await {
            Ok(()) => {
                heard = Instant::now();
                continue;
            }
            Err(failure) => failure.is(Refusal::NoLease),
        };
        if !has_ended && heard.elapsed() <= lasts {
            continue;
        }
        authority.end();
        lost.store(true, Ordering::Release);
        if has_ended {
            tracing::warn!("etcd has ended the lease of this leader, because no renewal came in time");
        } else {
            tracing::warn!("etcd has not answered this leader for as long as its lease lasts: another one may lead");
            let _ = client.revoke(lease, Instant::now() + RESIGN).await;
        }
        return;
    }
}

async fn renew(client: &Client, lasts: Duration, lease: i64, authority: &Authority) -> Result<(), Failure> {
    let sent_ms = crate::wall::boot_ms();
    let granted = client.keep_alive(lease).await?;
    authority.extend(sent_ms, granted.min(lasts));
    Ok(())
}

impl Lead {
    /// Makes sure that this term goes on. `Ok(false)`: it is over.
    pub(super) async fn goes_on(
        &self,
        client: &Client,
        lasts: Duration,
        authority: &Authority,
    ) -> Result<bool, Failure> {
        if self.lost.load(Ordering::Acquire) {
            return Ok(false);
        }
        if authority.holds() {
            return Ok(true);
        }
        match renew(client, lasts, self.lease, authority).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.is(Refusal::NoLease) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Ends the term. Where etcd does not hear of it, the key goes when its lease ends.
    pub(super) async fn resign(&self, client: &Client, authority: &Authority) {
        self.keeper.abort();
        authority.end();
        if !self.lost.load(Ordering::Acquire) {
            let _ = client.revoke(self.lease, Instant::now() + RESIGN).await;
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
