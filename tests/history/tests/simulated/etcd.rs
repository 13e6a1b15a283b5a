//! An etcd in memory as servers see it: the key of one leader under a lease, records, and a network to each server that can be
//! cut.

use lock_core::{Change, Key, Lease, Snapshot};
use lockserver::store::{Leader, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long the key of a leader lives without being renewed.
pub(crate) const LEASE: u64 = 3000;
/// This much earlier a leader takes it for gone.
const MARGIN: u64 = 1000;
/// A leader renews it so often.
const RENEWED: u64 = 600;

/// What does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Answers,
    Everything,
}

/// A mistake on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// A commit compares nothing.
    NoGuard,
    /// A server answers whether or not it may still lead.
    NoAuthority,
    /// It takes its lease for longer than etcd does.
    NegativeMargin,
    /// Of a commit that nobody answered clients are told that nothing was done.
    UnknownIsFailed,
    /// A new leader gives tickets a part of their leases.
    ShorterLeases,
}

impl Plant {
    pub(crate) const ALL: [Self; 5] =
        [Self::NoGuard, Self::NoAuthority, Self::NegativeMargin, Self::UnknownIsFailed, Self::ShorterLeases];
}

/// What etcd knows of one server, and that one of itself.
#[derive(Debug, Default, Clone, Copy)]
struct Own {
    /// Which life of it.
    process: u64,
    /// The term in which it leads.
    lead: Option<u64>,
    /// It has led before, and its engine has not heard since that it does not.
    has_led: bool,
    /// The number of its last commit.
    n: u64,
    authority_until: u64,
    renew_at: u64,
    /// When etcd answered it last.
    heard_at: u64,
}

/// A commit on its way.
#[derive(Debug)]
struct Transaction {
    server: usize,
    term: u64,
    n: u64,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Etcd {
    now: u64,
    plant: Plant,
    records: BTreeMap<Key, Change>,
    /// Term and number of the last commit.
    commit: (u64, u64),
    /// Process and term.
    leader: Option<(u64, u64)>,
    lease_until: u64,
    terms: u64,
    processes: u64,
    network: [Cut; 2],
    servers: [Own; 2],
    late: Vec<Transaction>,
    counts: BTreeMap<&'static str, u64>,
}

/// Shared by both servers and the world.
#[derive(Clone)]
pub(crate) struct SimEtcd(Arc<Mutex<Etcd>>);

impl SimEtcd {
    pub(crate) fn new(plant: Plant) -> Self {
        Self(Arc::new(Mutex::new(Etcd {
            now: 0,
            plant,
            records: BTreeMap::new(),
            commit: (0, 0),
            leader: None,
            lease_until: 0,
            terms: 0,
            processes: 0,
            network: [Cut::Nothing; 2],
            servers: [Own::default(); 2],
            late: Vec::new(),
            counts: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Etcd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new life of a server.
    pub(crate) fn store(&self, server: usize) -> Box<dyn Store> {
        let mut etcd = self.lock();
        etcd.processes += 1;
        etcd.servers[server] = Own { process: etcd.processes, ..Own::default() };
        Box::new(SimStore { etcd: self.clone(), server })
    }

    /// The time is this, and a lease may have ended.
    pub(crate) fn pass(&self, now: u64) {
        let mut etcd = self.lock();
        etcd.now = now;
        if etcd.leader.is_some() && etcd.lease_until <= now {
            etcd.count("leases of leaders ended");
            etcd.leader = None;
        }
    }

    /// A server that runs looks after its lease.
    pub(crate) fn keep_alive(&self, server: usize) {
        self.lock().keep_alive(server);
    }

    pub(crate) fn cut(&self, server: usize, what: Cut) {
        self.lock().network[server] = what;
    }

    /// What was kept on the way arrives.
    pub(crate) fn deliver(&self) {
        let mut etcd = self.lock();
        let (late, kept) = std::mem::take(&mut etcd.late)
            .into_iter()
            .partition(|one: &Transaction| etcd.network[one.server] != Cut::Everything);
        etcd.late = kept;
        for transaction in late {
            let is_done = etcd.apply(&transaction);
            etcd.count(if is_done { "late commits that count" } else { "late commits that are refused" });
        }
    }

    /// Which server leads, as etcd sees it.
    pub(crate) fn leader(&self) -> Option<usize> {
        let etcd = self.lock();
        let (process, _) = etcd.leader?;
        etcd.servers.iter().position(|own| own.process == process)
    }

    /// A server that stops in order lets others lead.
    pub(crate) fn resign(&self, server: usize) {
        let mut etcd = self.lock();
        let own = etcd.servers[server];
        if etcd.leader == own.lead.map(|term| (own.process, term)) {
            etcd.leader = None;
        }
    }

    pub(crate) fn take_counts(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.lock().counts)
    }
}

impl Etcd {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn lasts(&self) -> u64 {
        if self.plant == Plant::NegativeMargin { LEASE + MARGIN } else { LEASE - MARGIN }
    }

    fn keep_alive(&mut self, server: usize) {
        let (now, network, own) = (self.now, self.network[server], self.servers[server]);
        let Some(term) = own.lead.filter(|_| own.renew_at <= now) else { return };
        let leads = self.leader == Some((own.process, term));
        self.servers[server].renew_at = now + RENEWED;
        if network != Cut::Everything && leads {
            self.lease_until = now + LEASE;
        }
        let lasts = self.lasts();
        let own = &mut self.servers[server];
        match network {
            Cut::Nothing if leads => (own.authority_until, own.heard_at) = (own.authority_until.max(now + lasts), now),
            Cut::Nothing => (own.authority_until, own.lead, own.has_led) = (0, None, true),
            Cut::Answers if now > own.heard_at + LEASE => {
                // It has heard nothing for so long that it lets another one lead.
                (own.authority_until, own.lead, own.has_led) = (0, None, true);
                if leads {
                    self.leader = None;
                    self.count("leaders that heard nothing and gave up");
                }
            }
            Cut::Answers | Cut::Everything => {}
        }
    }

    /// Whether it took effect.
    fn apply(&mut self, transaction: &Transaction) -> bool {
        let Transaction { term, n, changes, .. } = transaction;
        let leads = self.leader.is_some_and(|(_, now)| now == *term);
        let follows = self.commit == (*term, n - 1);
        if !(leads && follows || self.plant == Plant::NoGuard) {
            return false;
        }
        self.commit = (*term, *n);
        for change in changes {
            match change {
                Change::DeleteLock(_)
                | Change::DeleteTemplate(_)
                | Change::DeleteTicket { .. }
                | Change::DeleteWithholding(_)
                | Change::DeleteWithheldName(_)
                | Change::DeleteWithdrawn(_) => drop(self.records.remove(&change.key())),
                _ => drop(self.records.insert(change.key(), change.clone())),
            }
        }
        true
    }

    fn snapshot(&mut self) -> Snapshot {
        let mut snapshot: Snapshot = self.records.values().cloned().collect();
        snapshot.restart_counters = self.records.is_empty();
        if self.plant == Plant::ShorterLeases {
            for ticket in &mut snapshot.tickets {
                if let Lease::Given(ms) = &mut ticket.lease {
                    *ms /= 4;
                }
            }
        }
        snapshot
    }
}

struct SimStore {
    etcd: SimEtcd,
    server: usize,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("simulated: etcd does not answer".to_owned())
}

fn standby() -> StoreError {
    let leader = Leader { name: "other".to_owned(), url: None, since_ms: 1 };
    StoreError::Standby { reason: "simulated: another one leads".to_owned(), leader: Some(Arc::new(leader)) }
}

impl Store for SimStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let mut etcd = self.etcd.lock();
        let (now, mut own) = (etcd.now, etcd.servers[self.server]);
        if etcd.network[self.server] != Cut::Nothing {
            return Err(unavailable());
        }
        let leads = own.lead.is_some_and(|term| etcd.leader == Some((own.process, term)));
        if !leads {
            own.has_led |= own.lead.take().is_some();
            etcd.servers[self.server] = own;
            if etcd.leader.is_some() {
                etcd.servers[self.server].has_led = false;
                return Err(standby());
            }
            etcd.terms += 1;
            let term = etcd.terms;
            etcd.count("terms of leaders");
            (etcd.leader, etcd.lease_until) = (Some((own.process, term)), now + LEASE);
            own.lead = Some(term);
            own.n = 0;
        }
        // A request to etcd that is answered at once.
        (own.authority_until, own.heard_at, own.renew_at) = (now + etcd.lasts(), now, now + RENEWED);
        etcd.lease_until = etcd.lease_until.max(now + LEASE);
        let has_led = std::mem::take(&mut own.has_led);
        if has_led {
            // Others may have led since: the engine has to know.
            etcd.servers[self.server] = own;
            return Err(StoreError::deposed());
        }
        own.n += 1;
        etcd.servers[self.server] = own;
        etcd.commit = (own.lead.expect("it leads"), own.n);
        Ok(etcd.snapshot())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut etcd = self.etcd.lock();
        let server = self.server;
        let own = &mut etcd.servers[server];
        own.n += 1;
        let (own, now) = (*own, etcd.now);
        let Some(term) = own.lead.filter(|_| now < own.authority_until) else { return Err(unavailable()) };
        let transaction = Transaction { server, term, n: own.n, changes: changes.to_vec() };
        match etcd.network[server] {
            Cut::Nothing => {
                if etcd.apply(&transaction) {
                    return Ok(());
                }
                let own = &mut etcd.servers[server];
                (own.lead, own.has_led, own.authority_until) = (None, true, 0);
                Err(standby())
            }
            Cut::Answers => {
                etcd.apply(&transaction);
                etcd.count("commits that nobody answered");
                // It has asked again until it may not lead any more.
                etcd.servers[server].authority_until = 0;
                Err(unavailable())
            }
            Cut::Everything => {
                etcd.late.push(transaction);
                etcd.servers[server].authority_until = 0;
                Err(unavailable())
            }
        }
    }

    fn is_authoritative(&self) -> bool {
        let etcd = self.etcd.lock();
        etcd.plant == Plant::NoAuthority || etcd.now < etcd.servers[self.server].authority_until
    }
}
