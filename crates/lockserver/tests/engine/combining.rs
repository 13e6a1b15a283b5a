//! Steps on the threads of those who send requests, as a store that never waits permits.

use lock_core::{
    Caller, Command, ConfigureMode, Definition, IfBusy, LockName, NewTicket, ReleaseTarget, Settings, Target, TicketId,
};
use lockserver::engine::{Answer, Delivery, EngineError, Handle, Presence, Running, start};
use lockserver::store::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

const CLIENTS: u128 = 32;
const CYCLES: u128 = 100;
/// Far more than anything here takes, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Here;

impl Presence for Here {
    fn is_open(&self) -> bool {
        true
    }
}

struct Panics;

impl Presence for Panics {
    fn is_open(&self) -> bool {
        panic!("as the test wants it")
    }
}

fn engine() -> (Handle, Running) {
    let lock = Target::Lock(LockName::new("one").unwrap());
    let definition = Definition { target: lock, settings: Settings::new(1), paused: false };
    start(Box::new(MemoryStore::default()), vec![definition], ConfigureMode::Apply).unwrap()
}

fn acquire(id: u128) -> Command {
    let new = NewTicket::new(LockName::new("one").unwrap(), TicketId(id));
    Command::Acquire(NewTicket { if_busy: IfBusy::Wait, ..new })
}

/// The client of this answer is told that it holds the permit.
fn deliver(answer: &Answer) {
    answer.as_ref().unwrap().receipt.as_ref().expect("a grant has one").resolve(Delivery::Delivered);
}

fn release(id: u128) -> Command {
    Command::Release { target: ReleaseTarget::Id(None, TicketId(id)), queued: true, keep: None, withhold: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_request_is_answered_whichever_thread_makes_its_step() {
    let (handle, mut running) = engine();
    let inside = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (handle, inside) = (handle.clone(), inside.clone());
            tokio::spawn(async move {
                let caller = Caller::anonymous("192.0.2.1");
                for cycle in 1..=CYCLES {
                    let id = client * CYCLES + cycle;
                    let mut wait = handle.submit_waiting(&caller, acquire(id), Arc::new(Here)).await.unwrap();
                    deliver(&wait.answer().await);
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "one permit");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    handle.submit(&caller, release(id)).await.unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        timeout(PATIENCE, client).await.expect("nobody is left waiting").unwrap();
    }
    handle.close();
    timeout(PATIENCE, running.ended()).await.expect("it ends").unwrap();
    assert_eq!(
        handle.submit(&Caller::anonymous("192.0.2.1"), release(1)).await.unwrap_err(),
        EngineError::ShuttingDown
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_panics_ends_the_engine_for_everybody() {
    let (handle, mut running) = engine();
    let caller = Caller::anonymous("192.0.2.1");
    let mut first = handle.submit_waiting(&caller, acquire(1), Arc::new(Here)).await.unwrap();
    deliver(&first.answer().await);
    let _second = handle.submit_waiting(&caller, acquire(2), Arc::new(Panics)).await.unwrap();
    // The grant asks whether the second client is there.
    let (other, from) = (handle.clone(), caller.clone());
    let panicked = tokio::spawn(async move { other.submit(&from, release(1)).await });
    match panicked.await {
        Err(error) => assert!(error.is_panic()),
        // The engine's thread had just come round, and made the step.
        Ok(answer) => assert!(answer.is_err(), "{answer:?}"),
    }
    assert!(timeout(PATIENCE, running.ended()).await.expect("it ends").is_err());
    assert_eq!(handle.submit(&caller, release(1)).await.unwrap_err(), EngineError::ShuttingDown);
}
