//! The loops. Closed: each client takes and gives back, again and again, as fast as it is answered. Open: cycles are due at fixed
//! times, whatever the server does.
//!
//! In the open loop the time of a cycle begins when it was due, not when a client came to it. A server that stands still for a second
//! so makes a thousand cycles late, where a closed loop would count one ("coordinated omission").

use crate::fault::Fault;
use crate::peer::{Lock, Peer};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

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
    /// Cycles that are due each second; none: as many as there can be.
    pub(crate) rate: Option<f64>,
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
    /// Cycles of each client.
    pub(crate) counts: Vec<f64>,
}

impl Round {
    /// That share of the cycles took at most so long, in microseconds.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        self.times.value_at_quantile(share) as f64 / 1e3
    }
}

/// Fewest cycles of a client in all rounds, divided by the most.
pub(crate) fn fairness(rounds: &[Round]) -> f64 {
    let clients = 0..rounds.first().map_or(0, |round| round.counts.len());
    let sums: Vec<f64> = clients.map(|at| rounds.iter().map(|round| round.counts[at]).sum()).collect();
    sums.iter().copied().fold(f64::INFINITY, f64::min) / sums.iter().copied().fold(0.0, f64::max)
}

/// Loads a server for so long. A tenth of it before warms up and does not count.
pub(crate) async fn run(peer: &dyn Peer, load: Load, time: Duration) -> Result<Round, Fault> {
    let barrier = Arc::new(Barrier::new(load.clients + 1));
    let due = Arc::new(AtomicU32::new(0));
    let mut work = JoinSet::new();
    for number in 0..load.clients {
        let mut client = peer.client(if load.own { Lock::Own(number) } else { Lock::One }, load.requests).await?;
        let (barrier, due) = (barrier.clone(), due.clone());
        work.spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            barrier.wait().await;
            let start = Instant::now();
            let begin = start + time / 10;
            let end = begin + time;
            loop {
                let mut from = Instant::now();
                if let Some(rate) = load.rate {
                    let turn = due.fetch_add(1, Ordering::Relaxed);
                    from = start + Duration::from_secs_f64(f64::from(turn) / rate);
                    if from >= end {
                        return Ok::<_, Fault>((number, times));
                    }
                    sleep_until(from).await;
                }
                client.take().await?;
                client.give_back().await?;
                let now = Instant::now();
                // What was due within the time counts in the open loop, however late it is done.
                let (counted, over) = if load.rate.is_some() { (from, false) } else { (now, now >= end) };
                if over {
                    return Ok((number, times));
                }
                if counted >= begin {
                    times.record((now - from).as_nanos() as u64)?;
                }
            }
        });
    }
    barrier.wait().await;
    tokio::time::sleep(time / 10).await;
    let (begin, cpu) = (Instant::now(), peer.process().cpu_s());
    tokio::time::sleep(time).await;
    let (mut took, mut cpu_s) = (time, peer.process().cpu_s() - cpu);
    let mut times = Histogram::<u64>::new(3)?;
    let mut counts = vec![0.0; load.clients];
    let end = Instant::now() + ANSWER_TIME;
    while let Some(done) = timeout_at(end, work.join_next()).await? {
        let (number, of_one) = done??;
        counts[number] = of_one.len() as f64;
        times.add(of_one)?;
    }
    if load.rate.is_some() {
        (took, cpu_s) = (begin.elapsed(), peer.process().cpu_s() - cpu);
    }
    let cycles = times.len() as f64;
    Ok(Round { rate: cycles / took.as_secs_f64(), cpu_us: cpu_s * 1e6 / cycles, times, counts })
}
