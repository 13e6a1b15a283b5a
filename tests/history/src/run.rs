//! A run: processes, clients and faults, and what the judge says at its end.

use crate::client::{LOCKS, Late, Shared, Worker, accompany, read_events};
use crate::faults::{EtcdNemesis, Nemesis, watch_leaders};
use crate::history::{Fault, History};
use crate::http::KEY;
use crate::judge::{Promise, judge};
use crate::random::Random;
use crate::report::Report;
use crate::world::{Etcd, Network, Pair};
use futures_util::future::try_join_all;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// The shortest that a server allows.
const LEASE_S: u64 = 3;
/// Clients of each pair that renew late.
const LATE: u32 = 3;
/// Between two faults of etcd pass so many times more than between two of a pair.
const RARER: u64 = 16;
/// A fault of etcd that began so long before a leader died may have deposed that one before.
const DEPOSED_BEFORE: u64 = crate::history::SECOND;

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Chooses faults and what clients do.
    pub seed: u64,
    /// Members of etcd: 1 or 3.
    pub members: usize,
    /// One of them keeps its data on a disk that can be full. Only root can make one.
    pub small_disk: bool,
    /// How many pairs of servers share them, each with a table, clients and faults of its own.
    pub pairs: usize,
    /// How many clients compete at each pair.
    pub clients: u32,
    /// How long they pause at most between two jobs, in milliseconds.
    pub pause_ms: u64,
    /// At most about that many faults.
    pub faults: usize,
    /// At least about that many, however long they take.
    pub at_least: usize,
    /// How long all is well at most between two of them, in milliseconds.
    pub calm_ms: u64,
    /// No more of them after this time.
    pub time: Duration,
    /// The history and all logs stay, also if all is well.
    pub keep: bool,
    /// No more of them once the rules were broken.
    pub until_broken: bool,
}

impl Default for Plan {
    /// A minute with one pair.
    fn default() -> Self {
        Self {
            seed: 1,
            members: 3,
            small_disk: false,
            pairs: 1,
            clients: 16,
            pause_ms: 30,
            faults: usize::MAX,
            at_least: 0,
            calm_ms: 1500,
            time: Duration::from_secs(60),
            keep: false,
            until_broken: false,
        }
    }
}

/// A pair of servers with all that belongs to it.
struct Stage {
    number: u64,
    pair: tokio::sync::Mutex<Pair>,
    shared: Arc<Shared>,
    faults: Mutex<Vec<Fault>>,
}

/// Runs it, and ends all processes whatever comes of it.
///
/// # Errors
/// If a process cannot be started, does not serve again after a fault, or a signal ends the run.
pub fn run(plan: Plan) -> io::Result<Report> {
    let network = Network::new();
    let threads = network.clone();
    let enter = move || threads.enter().expect("the network that this process has made lets it in");
    let runtime = Builder::new_multi_thread().enable_all().on_thread_start(enter).build()?;
    // The thread that calls this stays where it is, so that all is done by tasks.
    runtime.block_on(async { tokio::spawn(run_until_signal(plan, network)).await.map_err(io::Error::other)? })
}

async fn run_until_signal(plan: Plan, network: Network) -> io::Result<Report> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (directory, keeps) = (directory()?, plan.keep);
    let ran = tokio::select! {
        ran = run_in(&network, directory.path(), plan) => ran,
        _ = terminate.recv() => return Err(io::Error::other("ended by SIGTERM")),
        _ = interrupt.recv() => return Err(io::Error::other("ended by SIGINT")),
    };
    let is_well = ran.as_ref().is_ok_and(|report| report.findings.is_empty());
    if is_well && !keeps { ran } else { keep(directory, ran) }
}

/// Where nothing waits for a disk, if there is such a place: how long a disk takes is not what is tested.
fn directory() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn keep(mut directory: TempDir, ran: io::Result<Report>) -> io::Result<Report> {
    directory.disable_cleanup(true);
    let path = directory.path().to_owned();
    match ran {
        Ok(mut report) => {
            report.kept = Some(path);
            Ok(report)
        }
        Err(error) => Err(io::Error::other(format!("{error}; all logs are in {}", path.display()))),
    }
}

async fn run_in(network: &Network, directory: &Path, plan: Plan) -> io::Result<Report> {
    let begun = Instant::now();
    let mut etcd = Etcd::new(network, directory, plan.members, plan.small_disk)?;
    etcd.mend()?;
    etcd.wait_until_well().await?;
    let stages = (0..plan.pairs).map(|number| stage(directory, number, &etcd, begun));
    let stages: Vec<Arc<Stage>> = try_join_all(stages).await?;
    let left = Arc::new(AtomicUsize::new(plan.faults));
    // Dropped with this, and with it all that they run.
    let (mut clients, mut watches, mut strikes) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for stage in &stages {
        employ(stage, &plan, &mut clients);
        let shared = Arc::clone(&stage.shared);
        let at = usize::try_from(stage.number).expect("small");
        watches.spawn(async move { (at, watch_leaders(&shared).await) });
        strikes.spawn(break_pair(Arc::clone(stage), plan.clone(), Arc::clone(&left), begun));
    }
    strikes.spawn(break_etcd(etcd, stages.clone(), plan.clone(), Arc::clone(&left), begun));
    let mut trouble = None;
    while let Some(struck) = strikes.join_next().await {
        if let Err(error) = struck.map_err(io::Error::other)? {
            trouble.get_or_insert(error);
            left.store(0, Ordering::Relaxed);
        }
    }
    stages.iter().for_each(|stage| stage.shared.stop.store(true, Ordering::Relaxed));
    while clients.join_next().await.transpose().map_err(io::Error::other)?.is_some() {}
    let mut changes = vec![Vec::new(); stages.len()];
    while let Some(watched) = watches.join_next().await {
        let (at, seen) = watched.map_err(io::Error::other)?;
        changes[at] = seen;
    }
    let mut histories = Vec::new();
    for (stage, changes) in stages.iter().zip(changes) {
        histories.push(stage.history(changes).await);
    }
    let findings: Vec<_> = histories.iter().flat_map(judge).collect();
    let trouble = trouble.map(|error| error.to_string());
    let report = Report::of(&plan, network, &histories, findings, trouble, begun.elapsed());
    if !report.findings.is_empty() || report.trouble.is_some() || plan.keep {
        for (number, history) in histories.iter().enumerate() {
            std::fs::write(directory.join(format!("history{number}")), history.lines())?;
        }
    }
    match &report.trouble {
        Some(trouble) if report.findings.is_empty() => Err(io::Error::other(format!("{trouble}\n{report}"))),
        _ => Ok(report),
    }
}

/// A pair that serves.
async fn stage(directory: &Path, number: usize, etcd: &Etcd, begun: Instant) -> io::Result<Arc<Stage>> {
    let sections = LOCKS.map(|(name, size)| format!("[lock {name}]\nSIZE={size}\n")).concat();
    let mut pair = Pair::new(directory, number, etcd, &format!("{sections}{KEY}"), LEASE_S).await?;
    pair.mend()?;
    pair.wait_until_well().await?;
    let shared = Arc::new(Shared::new(pair.servers.iter().map(|server| server.at).collect(), begun));
    let (pair, faults) = (tokio::sync::Mutex::new(pair), Mutex::default());
    Ok(Arc::new(Stage { number: number as u64, pair, shared, faults }))
}

fn employ(stage: &Stage, plan: &Plan, clients: &mut JoinSet<()>) {
    let seed = plan.seed.wrapping_add(stage.number << 32);
    let worker = |number| Worker::new(Arc::clone(&stage.shared), number, seed);
    for number in 0..plan.clients {
        clients.spawn(worker(number).work(plan.pause_ms));
    }
    clients.spawn(worker(plan.clients).resize());
    let mut number = plan.clients + 1;
    for _ in 0..LATE {
        clients.spawn(Late::new(worker(number)).work());
        number += 1;
    }
    for server in 0..stage.shared.servers.len() {
        let random = Random::new(seed, u64::from(number) + 100);
        clients.spawn(accompany(Arc::clone(&stage.shared), number, server, random));
        number += 1;
        let random = Random::new(seed, 2_000_000 + server as u64);
        clients.spawn(read_events(Arc::clone(&stage.shared), server, random));
    }
}

/// Whether there is to be another fault, which is counted then. Once nothing is left there is none.
fn another(left: &AtomicUsize, plan: &Plan, begun: Instant) -> bool {
    let is_over = begun.elapsed() >= plan.time;
    let next = |left: usize| left.checked_sub(1).filter(|_| !is_over || plan.faults - left < plan.at_least);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
}

async fn break_pair(stage: Arc<Stage>, plan: Plan, left: Arc<AtomicUsize>, begun: Instant) -> io::Result<()> {
    let mut nemesis = Nemesis::new(plan.seed, stage.number, Duration::from_secs(LEASE_S));
    nemesis.be_calm(plan.calm_ms).await;
    while another(&left, &plan, begun) {
        let fault = nemesis.strike(&mut *stage.pair.lock().await, &stage.shared).await?;
        stage.add(fault);
        if plan.until_broken && stage.is_broken().await {
            left.store(0, Ordering::Relaxed);
        }
        nemesis.be_calm(plan.calm_ms).await;
    }
    Ok(())
}

async fn break_etcd(
    mut etcd: Etcd,
    stages: Vec<Arc<Stage>>,
    plan: Plan,
    left: Arc<AtomicUsize>,
    begun: Instant,
) -> io::Result<()> {
    let mut nemesis = EtcdNemesis::new(plan.seed);
    nemesis.be_calm(plan.calm_ms * RARER).await;
    while another(&left, &plan, begun) {
        let kind = nemesis.draw(&etcd);
        let failed = |error| io::Error::other(format!("{}: {error}", kind.name()));
        let mut pairs = Vec::new();
        if kind.is_of_all() {
            for stage in &stages {
                pairs.push((stage.pair.lock().await, stage));
            }
        }
        let from = stages[0].shared.now();
        for (pair, stage) in &mut pairs {
            pair.kill().await;
            stage.shared.taken_over(stage.shared.now());
        }
        nemesis.strike(kind, &mut etcd).await.map_err(failed)?;
        for (pair, _) in &mut pairs {
            pair.mend()?;
        }
        // How long etcd takes to serve again says nothing of the servers.
        etcd.wait_until_well().await.map_err(failed)?;
        let mended = stages[0].shared.now();
        for (pair, _) in &mut pairs {
            pair.wait_until_well().await.map_err(failed)?;
        }
        drop(pairs);
        let fault = Fault { kind: kind.name(), from, mended, until: stages[0].shared.now() };
        stages.iter().for_each(|stage| stage.add(fault.clone()));
        nemesis.be_calm(plan.calm_ms * RARER).await;
    }
    // etcd goes on until the last pair is whole.
    for stage in &stages {
        stage.pair.lock().await.wait_until_well().await?;
    }
    Ok(())
}

impl Stage {
    fn add(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Whether the rules were broken so far. Order can be judged at the end only, when all changes of leader are known.
    async fn is_broken(&self) -> bool {
        let history = self.history(Vec::new()).await;
        judge(&history).iter().any(|finding| finding.promise != Promise::Order)
    }

    async fn history(&self, changes: Vec<Fault>) -> History {
        let mut pair = self.pair.lock().await;
        pair.note_ended();
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // While etcd is in trouble another one may have led before the leader of that moment died.
        let of_etcd: Vec<Fault> = faults.iter().filter(|fault| EtcdNemesis::names(fault.kind)).cloned().collect();
        let is_certain = |at: &u64| !of_etcd.iter().any(|fault| fault.from < *at && fault.until + DEPOSED_BEFORE > *at);
        let takeovers = self.shared.takeovers.borrow().iter().copied().filter(is_certain).collect();
        faults.extend(changes);
        History {
            locks: LOCKS.map(|(name, size)| (name.to_owned(), size)).to_vec(),
            calls: self.shared.calls(),
            news: self.shared.news(),
            faults,
            takeovers,
            ended: pair.ended.clone(),
        }
    }
}
