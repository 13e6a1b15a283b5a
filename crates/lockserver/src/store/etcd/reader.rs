//! Reading the store beside the servers that use it: nobody is deposed by it, and nothing is written.

use super::Records;
use super::client::Client;
use super::failure::Refusal;
use super::load::load;
use super::place::EtcdPlace;
use crate::store::StoreError;
use lock_core::Snapshot;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// Reads that begin anew because etcd has forgotten their revision.
const READS_MAX: usize = 5;

/// See the module.
#[derive(Debug)]
pub struct EtcdReader {
    place: Arc<EtcdPlace>,
}

impl EtcdReader {
    /// For this place. Whether etcd is there shows when it is read.
    #[must_use]
    pub fn new(place: EtcdPlace) -> Self {
        Self { place: Arc::new(place) }
    }

    /// Everything that is stored, as of one moment.
    ///
    /// # Errors
    /// If etcd does not answer, holds no store there, or one that no server wrote.
    pub fn load(&self) -> Result<Snapshot, StoreError> {
        let wrong = |error| StoreError::Unavailable(format!("there is no runtime to speak with etcd: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(wrong)?;
        let client = Client::new(self.place.clone());
        for again in 1.. {
            let (to, parts) = channel();
            match runtime.block_on(load(&client, &self.place, &to)) {
                Ok(found) => {
                    drop(to);
                    let Some((_, commit)) = found.record else { return Err(self.missing()) };
                    let mut snapshot: Snapshot = Records::of(parts)?.finish()?.into_iter().collect();
                    snapshot.restart_counters = commit.cluster.as_ref() != Some(&found.cluster);
                    return Ok(snapshot);
                }
                Err(failure) if failure.is(Refusal::Compacted) && again < READS_MAX => {}
                Err(failure) => return Err(failure.into_error("while the store was read")),
            }
        }
        unreachable!("the loop ends by an answer")
    }

    fn missing(&self) -> StoreError {
        let EtcdPlace { endpoints, prefix, .. } = &*self.place;
        let members = endpoints.join(",");
        StoreError::Unavailable(format!(
            "etcd:{members} holds no store under the prefix {prefix:?}: check the members, and PREFIX in [etcd]"
        ))
    }
}
