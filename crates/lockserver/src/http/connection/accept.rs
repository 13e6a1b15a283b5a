//! The accept loop: one task a connection, from the first to the last.

use super::Limits;
use super::client::Connection;
use super::drive::{Ending, drive};
use super::keeper::{Common, report};
use super::responder::Responder;
use super::slots::{Slot, Slots};
use super::stream::{Accept, Peer, Stream};
use super::turns::Turns;
use crate::metrics::Metrics;
use lock_core::limits::{CONNECTIONS_NETWORK_MAX, STREAMS_ALL_MAX};
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Pause after an error that concerns the server and not one connection: no file or memory left.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Such errors are logged at most this often.
const ERROR_LOG_PAUSE: Duration = Duration::from_secs(10);

/// With what new connections speak TLS now; without it they are plain HTTP.
pub type TlsNow = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Has `responder` answer the connections of `source` until `stop` says true (or its sender is gone), then stops accepting,
/// closes idle connections at once, lets the others (new ones too) finish their answer, and returns: when all are gone, or
/// [`Limits::drain_time`] later. Returns how many connections were cut off then. No error of a connection or of accepting
/// ends it earlier. A connection has TLS if `tls` wants it when it begins; those that are there keep what they have.
///
/// Every request carries an `Arc<`[`Connection`]`>` among its extensions. A handler that waits must learn of the stop by
/// itself.
pub async fn serve(
    source: impl Accept,
    responder: impl Into<Responder>,
    limits: Limits,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
    tls: Option<TlsNow>,
) -> usize {
    let slots = Arc::new(Slots::new(limits.connections, metrics));
    let mut tasks = JoinSet::new();
    let (room, turns) = (Arc::new(Semaphore::new(STREAMS_ALL_MAX)), Turns::of_this_machine());
    let common = Common { responder: responder.into(), limits, room, turns, stop: stop.clone() };
    let begin = |stream: Stream, peer: Peer, slot: Slot| {
        let slot = Arc::new(slot);
        let ending = Ending::new(Connection::new(stream, peer, Arc::clone(&slot)), slot);
        drive(ending, common.clone(), tls.as_ref().and_then(|tls| tls.borrow().clone()))
    };
    // Accepted, and without a slot so far: the stop finds it here.
    let mut in_hand = None;
    let accepting = async {
        let mut logged = None;
        loop {
            tokio::select! {
                accepted = source.accept() => match accepted {
                    Ok(accepted) => {
                        let network = accepted.1.network();
                        in_hand = Some(accepted);
                        let slot = slots.take(network).await;
                        let (stream, peer) = in_hand.take().expect("it was put there above");
                        match slot {
                            Some(slot) => drop(tasks.spawn(begin(stream, peer, slot))),
                            None => tracing::debug!(%peer, "its network has {CONNECTIONS_NETWORK_MAX} connections"),
                        }
                    }
                    Err(error) => pause_after(&error, &slots, &mut logged).await,
                },
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => report(ended),
            }
        }
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = accepting => {}
    }
    let drained = timeout(limits.drain_time, async {
        let mut late = in_hand.take().or_else(|| source.accept_waiting());
        while let Some((stream, peer)) = late {
            if let Some(slot) = slots.take(peer.network()).await {
                tasks.spawn(begin(stream, peer, slot));
            }
            late = source.accept_waiting();
        }
        // Nobody is to connect to a server that will not answer.
        drop(source);
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    });
    if drained.await.is_ok() {
        return 0;
    }
    let cut = tasks.len();
    tasks.shutdown().await;
    cut
}

/// After a failed accept. An error of the one connection (its client gave up in the queue) is over; anything else, such
/// as running out of descriptors, needs time, and the descriptor of an idle connection, to go away.
async fn pause_after(error: &io::Error, slots: &Slots, logged: &mut Option<Instant>) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    let idle_closed = slots.evict();
    if logged.is_none_or(|at| at.elapsed() >= ERROR_LOG_PAUSE) {
        *logged = Some(Instant::now());
        tracing::error!(%error, idle_closed, "cannot accept connections for the moment; is the open-file limit too low?");
    }
    sleep(ERROR_PAUSE).await;
}
