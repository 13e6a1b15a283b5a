//! A run: processes, clients and faults, and what the judge says at its end.

use crate::client::{Client, LOCKS, Shared};
use crate::faults::{Nemesis, watch_leaders};
use crate::history::{Answer, History};
use crate::http::KEY;
use crate::judge::{Finding, judge};
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest that a server allows.
const LEASE_S: u64 = 3;

/// What a run is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Chooses faults and what clients do.
    pub seed: u64,
    /// Members of etcd: 1 or 3.
    pub members: usize,
    /// How many clients.
    pub clients: u32,
    /// At most that many faults.
    pub faults: usize,
    /// No more of them after this time.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    /// What broke the rules.
    pub findings: Vec<Finding>,
    /// How often each kind of fault came.
    pub faults: BTreeMap<&'static str, usize>,
    /// How many calls were answered, refused or neither.
    pub calls: [usize; 3],
    grants: usize,
    changes: usize,
    without_leader: Duration,
    took: Duration,
    kept: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// If a process cannot be started, or does not serve again after a fault.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let begun = Instant::now();
    let sections = LOCKS.map(|(name, size)| format!("[lock {name}]\nSIZE={size}\n")).concat();
    let sections = format!("{sections}{KEY}");
    let mut world = World::start(plan.members, &sections, LEASE_S).await?;
    let shared = Arc::new(Shared {
        begun,
        servers: world.servers.iter().map(|server| server.at).collect(),
        calls: Mutex::new(Vec::new()),
        stop: AtomicBool::new(false),
    });
    let watching = Arc::clone(&shared);
    let watch = tokio::spawn(async move { watch_leaders(&watching).await });
    let mut clients = tokio::task::JoinSet::new();
    let client = |number| Client::new(Arc::clone(&shared), number, plan.seed);
    for number in 0..plan.clients {
        clients.spawn(client(number).work());
    }
    clients.spawn(client(plan.clients).resize());
    for number in 1..=2 {
        clients.spawn(client(plan.clients + number).look());
    }
    let mut nemesis = Nemesis::new(plan.seed, Duration::from_secs(LEASE_S));
    let mut faults = Vec::new();
    let mut trouble = None;
    while faults.len() < plan.faults && begun.elapsed() < plan.time {
        match nemesis.strike(&mut world, &shared).await {
            Ok(fault) => faults.push(fault),
            Err(error) => {
                trouble = Some(error);
                break;
            }
        }
    }
    shared.stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let (changes, without_leader) = watch.await.map_err(io::Error::other)?;
    let mut by_kind = BTreeMap::new();
    for fault in &faults {
        *by_kind.entry(fault.kind).or_default() += 1;
    }
    let number_of_changes = changes.len();
    faults.extend(changes);
    let calls = std::mem::take(&mut *shared.calls.lock().unwrap_or_else(PoisonError::into_inner));
    let locks = LOCKS.map(|(name, size)| (name.to_owned(), size)).to_vec();
    let history = History { locks, calls, faults };
    let findings = judge(&history);
    let mut report = Report {
        findings,
        faults: by_kind,
        calls: [0; 3],
        grants: 0,
        changes: number_of_changes,
        without_leader,
        took: begun.elapsed(),
        kept: None,
        plan,
    };
    let mut granted = std::collections::HashSet::new();
    for call in &history.calls {
        report.calls[match &call.answer {
            Answer::Refused(_) => 1,
            Answer::Unknown(_) => 2,
            _ => 0,
        }] += 1;
        if let Answer::Ticket(told) = &call.answer
            && told.held
        {
            granted.insert(told.number);
        }
    }
    report.grants = granted.len();
    if !report.findings.is_empty() || trouble.is_some() {
        let kept = world.keep();
        let lines: String = history.calls.iter().map(|call| format!("{call:?}\n")).collect();
        let faults: String = history.faults.iter().map(|fault| format!("{fault:?}\n")).collect();
        std::fs::write(kept.join("history"), lines + &faults)?;
        report.kept = Some(kept);
    }
    match trouble {
        Some(error) => Err(io::Error::other(format!("{error}\n{report}"))),
        None => Ok(report),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, members, clients, .. } = self.plan;
        let faults: usize = self.faults.values().sum();
        writeln!(
            f,
            "seed {seed}: {faults} faults in {} s, members of etcd: {members}, clients: {clients}",
            self.took.as_secs()
        )?;
        for (kind, count) in &self.faults {
            writeln!(f, "  {count:4}  {kind}")?;
        }
        let [answered, refused, unknown] = self.calls;
        let all = answered + refused + unknown;
        writeln!(f, "{all} calls: {answered} answered, {refused} refused, {unknown} unknown; {} grants", self.grants)?;
        let without = self.without_leader.as_secs_f64();
        writeln!(f, "{} changes of leader, {without:.1} s at most without one", self.changes)?;
        for finding in &self.findings {
            writeln!(f, "BROKEN {:?}: {}", finding.promise, finding.what)?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "the history and all logs are in {}", kept.display())?;
        }
        write!(f, "{} findings", self.findings.len())
    }
}
