//! What looking may cost: how many requests that only look are under way, and how much of their answers there is at a time,
//! for each client and in all.
//!
//! A request waits for its turn before anything is done for it; with the turn it has as many bytes as its answer may take,
//! and what the answer does not need goes back as soon as it is made. The rest is kept until the client has read it.

pub(super) mod layers;

use super::connection::Connection;
use crate::engine::EngineError;
use lock_core::limits::{OWNER_READ_BYTES_MAX, OWNER_READS_MAX, READ_BYTES_MAX, READ_TURN_MAX_MS, READS_MAX};
use lock_core::{Caller, network_name};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What is counted of answers.
const UNIT: usize = 1024;
/// More than this is not made on a thread that serves others.
const AT_ONCE: usize = 64 * 1024;

/// Whose requests are counted together: a key's, or those of an address or IPv6 network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Key(Arc<str>),
    Network(Arc<str>),
}

impl Whose {
    fn of(caller: &Caller) -> Self {
        caller
            .owner
            .as_ref()
            .map_or_else(|| Self::Network(network_name(&caller.from)), |owner| Self::Key(owner.clone()))
    }
}

#[derive(Debug)]
struct OfOne {
    under_way: usize,
    bytes: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct UnderWay {
    all: usize,
    of: HashMap<Whose, OfOne>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// The client has too many under way.
    OfOne,
    /// There are too many under way.
    OfAll,
    /// Its turn did not come in time.
    NoTurn,
    /// Its client has gone.
    Gone,
}

/// All requests that only look. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    under_way: Arc<Mutex<UnderWay>>,
    bytes: Arc<Semaphore>,
    /// Threads beside those that serve, for what takes long; half of the machine at most.
    makers: Arc<Semaphore>,
}

impl Default for Reads {
    fn default() -> Self {
        let makers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        Self {
            under_way: Arc::default(),
            bytes: Arc::new(Semaphore::new(READ_BYTES_MAX / UNIT)),
            makers: Arc::new(Semaphore::new(makers)),
        }
    }
}

impl Reads {
    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, whose: Whose) -> Result<(Entered, Arc<Semaphore>), Refused> {
        let mut under_way = self.under_way();
        if under_way.all >= READS_MAX {
            return Err(Refused::OfAll);
        }
        let new = || OfOne { under_way: 0, bytes: Arc::new(Semaphore::new(OWNER_READ_BYTES_MAX / UNIT)) };
        let one = under_way.of.entry(whose.clone()).or_insert_with(new);
        if one.under_way >= OWNER_READS_MAX {
            return Err(Refused::OfOne);
        }
        one.under_way += 1;
        let bytes = one.bytes.clone();
        under_way.all += 1;
        drop(under_way);
        Ok((Entered { whose, reads: self.clone() }, bytes))
    }

    /// Waits until so many bytes may be taken by this caller.
    async fn turn(&self, caller: &Caller, connection: &Connection, bytes: usize) -> Result<Turn, Refused> {
        let (entered, of_one) = self.enter(Whose::of(caller))?;
        let units = units(bytes);
        let taken = async {
            // Its own first: who has to wait for itself keeps nothing back from others.
            let own = of_one.acquire_many_owned(units).await.expect("never closed");
            let all = self.bytes.clone().acquire_many_owned(units).await.expect("never closed");
            Turn { own, all, _entered: entered }
        };
        let turn = tokio::select! {
            turn = timeout(Duration::from_millis(READ_TURN_MAX_MS), taken) => turn.map_err(|_| Refused::NoTurn)?,
            () = connection.closed() => return Err(Refused::Gone),
        };
        if connection.is_open() { Ok(turn) } else { Err(Refused::Gone) }
    }

    /// Makes something of about so many bytes: at once if it is short, else on one of few other threads.
    ///
    /// # Errors
    /// If the client went before it came to that, or the server is at its end.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        connection: &Connection,
        weight: usize,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        if weight <= AT_ONCE {
            return Ok(make());
        }
        let maker = self.makers.clone().acquire_owned().await.expect("never closed");
        if !connection.is_open() {
            return Err(EngineError::Overloaded);
        }
        let made = tokio::task::spawn_blocking(move || {
            let made = make();
            drop(maker);
            made
        });
        made.await.map_err(|_| EngineError::engine_ended())
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX)
}

/// One of the requests that are under way.
#[derive(Debug)]
struct Entered {
    whose: Whose,
    reads: Reads,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut under_way = self.reads.under_way();
        under_way.all -= 1;
        if let Some(one) = under_way.of.get_mut(&self.whose) {
            one.under_way -= 1;
            if one.under_way == 0 {
                under_way.of.remove(&self.whose);
            }
        }
    }
}

/// The right to an answer of so many bytes.
#[derive(Debug)]
struct Turn {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
    _entered: Entered,
}

impl Turn {
    /// Gives back what the answer does not need.
    fn release_rest(&mut self, bytes: usize) {
        for permit in [&mut self.own, &mut self.all] {
            let spare = permit.num_permits().saturating_sub(units(bytes) as usize);
            drop(permit.split(spare));
        }
    }
}

/// Goes with a response to where its body is written.
#[derive(Debug, Clone)]
struct Held(Arc<Mutex<Turn>>);

impl Held {
    fn release_rest(&self, bytes: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).release_rest(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::limits::LISTED_BYTES_MAX;

    fn network(from: &str) -> Whose {
        Whose::of(&Caller::anonymous(from))
    }

    #[test]
    fn nobody_has_more_reads_under_way_than_its_share() {
        let reads = Reads::default();
        let enter = |from: &str| reads.enter(network(from)).map(|(entered, _)| entered);
        let mut mine: Vec<Entered> = (0..OWNER_READS_MAX).map(|_| enter("192.0.2.1").unwrap()).collect();
        assert_eq!(enter("192.0.2.1").unwrap_err(), Refused::OfOne);
        mine.pop();
        mine.push(enter("192.0.2.1").unwrap());
        // One network of IPv6 is one client.
        let six: Vec<Entered> = (0..OWNER_READS_MAX).map(|n| enter(&format!("2001:db8::{n:x}")).unwrap()).collect();
        assert_eq!(enter("2001:db8::ffff:1").unwrap_err(), Refused::OfOne);
        let others = READS_MAX - mine.len() - six.len();
        let others: Vec<Entered> =
            (0..others).map(|n| enter(&format!("10.0.{}.{}", n / 250, n % 250)).unwrap()).collect();
        assert_eq!(enter("198.51.100.1").unwrap_err(), Refused::OfAll);
        drop((mine, six, others));
        let left = reads.under_way();
        assert_eq!((left.all, left.of.len()), (0, 0));
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_hold_up_only_who_does_not_read_them() {
        let reads = Reads::default();
        let large = |from: &'static str| {
            let reads = reads.clone();
            async move {
                let (entered, own) = reads.enter(network(from)).unwrap();
                let own = own.try_acquire_many_owned(units(LISTED_BYTES_MAX)).ok()?;
                let all = reads.bytes.clone().try_acquire_many_owned(units(LISTED_BYTES_MAX)).ok()?;
                Some(Held(Arc::new(Mutex::new(Turn { own, all, _entered: entered }))))
            }
        };
        let mut unread = Vec::new();
        while let Some(held) = large("192.0.2.1").await {
            unread.push(held);
        }
        assert_eq!(unread.len(), OWNER_READ_BYTES_MAX / LISTED_BYTES_MAX);
        assert!(large("192.0.2.2").await.is_some(), "others are not held up");
        // What an answer does not need is free at once, and the rest once its body is gone.
        let held = unread.pop().unwrap();
        held.release_rest(1000);
        assert!(large("192.0.2.1").await.is_none());
        unread.pop();
        assert!(large("192.0.2.1").await.is_some());
        drop(held);
    }
}
