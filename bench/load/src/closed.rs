//! The closed loop: each client takes and gives back, again and again, as fast as it is answered.

use crate::fault::Fault;
use crate::peer::Peer;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

/// How long the last answers of a round may take: longer than any server lets a client wait.
const ANSWER_TIME: Duration = Duration::from_secs(90);

/// How a server is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Clients at a time.
    pub(crate) clients: usize,
    /// Whether each has a lock of its own, or all want the same.
    pub(crate) own: bool,
    /// Requests of a cycle, where the server leaves it open.
    pub(crate) requests: u8,
}

/// What came of one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Cycles a second, of all clients together.
    pub(crate) rate: f64,
    /// Processor time of the server, in microseconds for each cycle.
    pub(crate) cpu_us: f64,
    /// Nanoseconds of whole cycles.
    pub(crate) times: Histogram<u64>,
    /// Fewest cycles of a client, divided by the most.
    pub(crate) fairness: f64,
}

/// Loads a server for so long. The first tenth warms up and does not count.
pub(crate) async fn run(peer: &dyn Peer, load: Load, time: Duration) -> Result<Round, Fault> {
    let barrier = Arc::new(Barrier::new(load.clients + 1));
    let mut work = JoinSet::new();
    for number in 0..load.clients {
        let lock = if load.own { format!("own-{number}") } else { "one".to_owned() };
        let mut client = peer.client(&lock, load.requests).await?;
        let barrier = barrier.clone();
        work.spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            barrier.wait().await;
            let begin = Instant::now() + time / 10;
            let end = begin + time;
            loop {
                let from = Instant::now();
                client.take().await?;
                client.give_back().await?;
                let now = Instant::now();
                if now >= end {
                    return Ok::<_, Fault>(times);
                }
                if now >= begin {
                    times.record((now - from).as_nanos() as u64)?;
                }
            }
        });
    }
    barrier.wait().await;
    tokio::time::sleep(time / 10).await;
    let cpu = peer.process().cpu_s();
    tokio::time::sleep(time).await;
    let cpu = peer.process().cpu_s() - cpu;
    let mut times = Histogram::<u64>::new(3)?;
    let mut counts = Vec::new();
    let end = tokio::time::Instant::now() + ANSWER_TIME;
    while let Some(done) = timeout_at(end, work.join_next()).await? {
        let of_one = done??;
        counts.push(of_one.len() as f64);
        times.add(of_one)?;
    }
    let (fewest, most) =
        counts.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), one| (low.min(*one), high.max(*one)));
    let cycles = times.len() as f64;
    Ok(Round { rate: cycles / time.as_secs_f64(), cpu_us: cpu * 1e6 / cycles, times, fairness: fewest / most })
}
