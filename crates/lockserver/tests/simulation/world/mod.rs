//! One run: clients, time, faults and crashes around the real engine, all from one seed.

mod look;
mod net;

use crate::admin;
use crate::client::{Ask, Client, Phase, Style};
use crate::dice::Dice;
use crate::durable::Facts;
use crate::flight::{Flight, Writing};
use crate::judge::{Debt, Judge};
use crate::store::{Fault, Log, SimStore};
use crate::trace::Trace;
use lock_core::{Command, LockName, TicketId, limits};
use lockserver::engine::{Engine, Handle, Request, Tick};
use std::collections::BTreeSet;

/// Steps in which anything may happen.
const STEPS: u64 = 260;
/// Virtual time within which everybody has been served, once nothing fails any more.
const DRAIN_MS: u64 = 20 * 60 * 1000;

/// How likely is what, in a thousand steps (or requests).
struct Weather {
    stall: u32,
    crash: u32,
    commit_fails: u32,
    load_fails: u32,
    answer_lost: u32,
    connection_lost: u32,
    admin: u32,
}

pub(crate) struct World {
    dice: Dice,
    trace: Trace,
    weather: Weather,
    store: SimStore,
    engine: Engine,
    handle: Handle,
    judge: Judge,
    clients: Vec<Client>,
    flights: Vec<Flight>,
    writing: Vec<Writing>,
    /// Sent since the engine last took what there was.
    sent: Vec<Command>,
    step: u64,
    mono: u64,
    wall_us: u64,
    flown: u64,
    /// Service time before which no lease may end, after a gap.
    floor: u64,
    configuration: Vec<u32>,
    configured_caps: Vec<u32>,
    load_fails_for: u64,
    /// Tickets that a request waits for whose client is gone before its step. If that step fails, it never waited.
    unseen: Vec<TicketId>,
    /// Tickets that a request waited for whose client was lost.
    lost: BTreeSet<TicketId>,
    /// Tickets that a client's request has named.
    heard: BTreeSet<TicketId>,
    /// Tickets that a crash left behind, whose clients may not know of them.
    strangers: BTreeSet<TicketId>,
    /// Those that a client's request has named since.
    no_ghosts: BTreeSet<TicketId>,
    drain: bool,
    /// Service time of the server that was killed last, until the next one goes on from there.
    died_at: Option<u64>,
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let copied = dice.permille(200);
        let in_flight_max = if dice.permille(500) { 0 } else { usize::try_from(dice.from(1..=4)).expect("small") };
        let store = SimStore::new(copied, in_flight_max);
        let (engine, handle) = Engine::new(Box::new(store.clone()));
        let rough = |dice: &mut Dice, most: u64| u32::try_from(dice.from(0..=most)).expect("small");
        let weather = Weather {
            stall: rough(&mut dice, 40),
            crash: rough(&mut dice, 40),
            commit_fails: rough(&mut dice, 60),
            load_fails: rough(&mut dice, 500),
            answer_lost: rough(&mut dice, 200),
            connection_lost: rough(&mut dice, 100),
            admin: rough(&mut dice, 300),
        };
        let clients = (0..dice.from(3..=12)).map(|number| Client::new(number as usize)).collect();
        Self {
            weather,
            store,
            engine,
            handle,
            judge: Judge::new(trace.clone()),
            clients,
            flights: Vec::new(),
            writing: Vec::new(),
            sent: Vec::new(),
            step: 0,
            mono: dice.from(0..=100_000),
            wall_us: 1_700_000_000_000_000,
            flown: 0,
            floor: 0,
            configuration: Vec::new(),
            configured_caps: Vec::new(),
            load_fails_for: 0,
            unseen: Vec::new(),
            lost: BTreeSet::new(),
            heard: BTreeSet::new(),
            strangers: BTreeSet::new(),
            no_ghosts: BTreeSet::new(),
            drain: false,
            died_at: None,
            dice,
            trace,
        }
    }

    /// The whole run.
    pub(crate) fn run(&mut self) {
        let configure = admin::configure(&mut self.dice, true);
        self.send(None, 0, Ask::Other, configure, None);
        for _ in 0..STEPS {
            self.advance(false);
            self.step();
        }
        self.drain();
    }

    /// Nothing fails any more: everybody who waits is served, and then every lock is idle.
    fn drain(&mut self) {
        self.drain = true;
        self.trace.line("-- nothing fails from here");
        let configure = admin::configure(&mut self.dice, true);
        self.send(None, 0, Ask::Other, configure, None);
        self.advance(true);
        self.step();
        self.advance(true);
        self.step();
        let names: Vec<LockName> = self.judge.durable.locks.keys().cloned().collect();
        for command in names.iter().flat_map(admin::relieve) {
            self.send(None, 0, Ask::Other, command, None);
        }
        let end = self.mono + DRAIN_MS;
        let idle = |world: &Self| {
            let live = world.judge.durable.tickets.values().any(|ticket| ticket.is_live());
            !live && world.judge.durable.withholdings.is_empty()
        };
        while !(self.clients.iter().all(Client::is_done) && self.flights.is_empty() && idle(self)) {
            assert!(self.mono < end, "somebody is not served, or something not forgotten: {:?}", self.leftover());
            self.advance(true);
            self.step();
        }
        // Instances of templates go within a minute, and ended tickets within ten.
        let end = self.mono + limits::ENDED_MEMORY_MS + limits::INSTANCE_IDLE_MS + 10_000;
        while self.mono < end {
            self.advance(true);
            self.step();
        }
        assert!(self.judge.durable.tickets.is_empty(), "not forgotten: {:?}", self.leftover());
    }

    fn leftover(&self) -> Vec<String> {
        let tickets = self.judge.durable.tickets.values().map(|ticket| format!("{ticket:?}"));
        let clients = self.clients.iter().enumerate().filter(|(_, client)| !client.is_done());
        tickets.chain(clients.map(|(number, client)| format!("c{number} {:?}", client.phase))).collect()
    }

    fn advance(&mut self, calm: bool) {
        let dt = match self.dice.from(0..=99) {
            _ if calm => 1000,
            _ if self.dice.permille(self.weather.stall) => self.dice.from(2001..=180_000),
            0..=29 => self.dice.from(0..=20),
            30..=84 => self.dice.from(50..=400),
            _ => self.dice.from(400..=2000),
        };
        self.mono += dt;
        self.wall_us += dt * 1000;
        if !calm && self.dice.permille(10) {
            self.trace.count("wall clock jumps");
            let jump = self.dice.from(0..=7_200_000_000);
            self.wall_us = if self.dice.permille(500) { self.wall_us - jump } else { self.wall_us + jump };
        }
        self.step += 1;
        self.trace.at(self.step, self.mono);
        if dt > 2000 {
            self.trace.count("stalls");
            self.trace.line(&format!("the server stood still for {dt} ms"));
            if let Some(table) = self.engine.table() {
                self.floor = table.now() + 2000 + limits::LEASE_AFTER_GAP_MS;
            }
        }
    }

    fn step(&mut self) {
        let crash = !self.drain && self.dice.permille(self.weather.crash);
        let fault = self.plan_fault(crash);
        let before = self.judge.durable.tickets.clone();
        // A store that takes several batches at a time is given some, and others hold back what tells nobody anything.
        let batches = self.dice.from(1..=3);
        let (mut all_facts, mut size, mut log) = (Vec::new(), 0, Log::default());
        for batch in 1..=batches {
            self.connections();
            self.write();
            self.clients_act();
            let (mut facts, requests) = self.take();
            if self.engine.holds_back() {
                facts =
                    all_facts.pop().map_or_else(|| unreachable!("held back by a batch"), |held: Facts| held.and(facts));
                all_facts.push(Facts::default());
            }
            self.store.begin(all_facts.len(), self.dice.permille(500));
            all_facts.push(facts);
            size += requests.len();
            self.engine_step(requests);
            if batch < batches {
                self.hear(&all_facts, &mut log, crash);
                self.step += 1;
                self.mono += self.dice.from(0..=30);
            }
        }
        if self.engine.holds_back() {
            self.trace.count(if crash { "crashes with steps held back" } else { "steps held back to the end" });
        }
        while !crash && (self.store.is_busy() || self.engine.holds_back()) {
            self.trace.count("steps in flight");
            self.hear(&all_facts, &mut log, crash);
            self.step += 1;
            if self.engine.holds_back() {
                self.mono += 10;
            }
            self.engine_step(Vec::new());
        }
        self.judge_commits(&all_facts, &mut log);
        self.store.plan(None, false);
        if log.loads > 0 {
            self.trace.count("terms");
        }
        if size > 0 || log.attempts > 0 {
            self.trace.line(&format!(
                "step: {size} requests, {} commits{}",
                log.attempts,
                if log.failed > 0 { ", FAILED" } else { "" }
            ));
        }
        if log.dropped > 0 {
            self.trace.count("steps dropped behind a failed commit");
        }
        if log.failed > 0 {
            let effect = fault.is_some_and(|fault| fault.effect);
            self.trace.count(if effect { "failed commits that took effect" } else { "failed commits without effect" });
        }
        if let (Some(table), Some(died_at)) = (self.engine.table(), self.died_at) {
            let copied = table.snapshot().meta.uptime.downtime_ms == 0;
            self.trace.count(if copied { "starts of a copy" } else { "starts that counted the time of a crash" });
            assert!(
                copied || table.now() >= died_at,
                "rule 9: a crash set the clock back to {} from {died_at}",
                table.now()
            );
            self.died_at = None;
        }
        if crash {
            self.crash(fault);
            return;
        }
        let good = self.engine.table().is_some() && log.failed == 0;
        for id in std::mem::take(&mut self.unseen).into_iter().filter(|_| good) {
            self.judge.owe(id, Debt::Dormant);
        }
        if log.attempts > 0 || size > 0 {
            self.table_equals_store();
        }
        // A batch that changed nothing may have been answered before.
        let only = log.failed > 0 && log.attempts == 1 && batches == 1;
        self.answers(log.failed, only);
        self.hear_events(&before, good, only);
        if good {
            self.judge.good_step();
            let strangers = std::mem::take(&mut self.strangers);
            self.judge.nobody_unknown_is_in_the_way(strangers.difference(&self.no_ghosts));
        }
        self.judge.no_slot_is_believed_twice(self.mono);
    }

    fn engine_step(&mut self, requests: Vec<Request>) {
        let tick = Tick { mono_ms: self.mono, wall_us: self.wall_us };
        self.engine.step(tick, requests).expect("the store is not damaged");
        self.flights.iter_mut().for_each(|flight| flight.applied = true);
        if self.engine.table().is_none() {
            // What has arrived was refused, and did nothing.
            self.unseen.clear();
        }
    }

    /// What is durable by now.
    fn judge_commits(&mut self, facts: &[Facts], log: &mut Log) {
        let new = self.store.take_log();
        for (batch, commit) in &new.commits {
            self.judge.commit(commit, &facts[*batch], self.mono);
        }
        log.add(&new);
    }

    /// Between two steps of the engine: nobody is told more than what is durable. Of a server that dies nobody hears anything.
    fn hear(&mut self, facts: &[Facts], log: &mut Log, crash: bool) {
        self.judge_commits(facts, log);
        if !crash {
            self.answers(log.failed, false);
        }
    }

    fn plan_fault(&mut self, crash: bool) -> Option<Fault> {
        let fails = !self.drain && self.dice.permille(self.weather.commit_fails);
        let effect = self.dice.permille(500);
        let fault = if crash && self.dice.permille(500) {
            // Dies between two commits of a step, or before its only one.
            Some(Fault { after: u32::from(self.dice.permille(300)), effect: false })
        } else if fails && !crash {
            Some(Fault { after: u32::from(self.dice.permille(100)), effect })
        } else {
            None
        };
        if !self.drain && self.load_fails_for == 0 && self.dice.permille(self.weather.load_fails) {
            self.load_fails_for = self.dice.from(1..=10);
        }
        let load_fails = !self.drain && self.load_fails_for > 0;
        self.load_fails_for = self.load_fails_for.saturating_sub(1);
        if load_fails && self.engine.table().is_none() {
            self.trace.count("steps in which the store may not be read");
        }
        self.store.plan(fault, load_fails);
        fault
    }

    /// The server is gone, and a new one starts on what is durable. Clients hear nothing of what was under way.
    fn crash(&mut self, fault: Option<Fault>) {
        self.trace.count(match fault {
            Some(Fault { after: 0, .. }) => "crashes before the commit",
            Some(_) => "crashes between two commits",
            None => "crashes between commit and answer",
        });
        self.trace.line("CRASH");
        // No two lives of a server begin within one microsecond.
        self.wall_us += 1;
        if self.store.is_busy() {
            self.trace.count("crashes with steps in flight");
            self.store.crash();
        }
        let timed = self.engine.table().filter(|table| table.is_timed());
        self.died_at = timed.map(lock_core::Table::now).or(self.died_at);
        let (engine, handle) = Engine::new(Box::new(self.store.clone()));
        self.engine = engine;
        self.handle = handle;
        self.floor = 0;
        let lost: Vec<(Option<usize>, u64, Ask)> =
            std::mem::take(&mut self.flights).into_iter().map(|f| (f.client, f.job, f.ask)).collect();
        let writing =
            std::mem::take(&mut self.writing).into_iter().filter(|w| w.heard).map(|w| (w.client, w.job, w.ask));
        for (client, job, ask) in lost.into_iter().chain(writing) {
            self.nothing_heard(client, job, ask);
        }
        self.judge.crashed();
        self.unseen.clear();
        self.no_ghosts.clear();
        self.strangers = self.judge.durable.unknown().map(|ticket| ticket.id).collect();
        // A server applies its configuration as it starts.
        let configure = admin::configure(&mut self.dice, false);
        self.send(None, 0, Ask::Other, configure, None);
    }

    fn clients_act(&mut self) {
        for number in 0..self.clients.len() {
            if !self.drain && self.clients[number].style != Style::Named && self.dice.permille(4) {
                self.client_dies(number);
                continue;
            }
            let job = self.clients[number].job;
            let busy = self.flights.iter().any(|f| f.client == Some(number) && f.job == job)
                || self.writing.iter().any(|w| w.client == Some(number) && w.job == job && w.heard);
            let second = self.clients[number].phase == Phase::Queued && self.dice.permille(30);
            if busy && !second {
                continue;
            }
            let Some(send) = self.clients[number].act(&mut self.dice, self.mono, self.drain) else {
                continue;
            };
            let job = self.clients[number].job;
            self.send(Some(number), job, send.ask, send.command, send.wait);
        }
        if !self.drain && self.dice.permille(self.weather.admin) {
            let command = admin::act(&mut self.dice, &self.judge.durable);
            self.send(None, 0, Ask::Other, command, None);
        }
        if !self.drain && self.dice.permille(12) {
            self.trace.count("configuration reloads");
            let configure = admin::configure(&mut self.dice, false);
            self.send(None, 0, Ask::Other, configure, None);
        }
    }
}

/// The names of what every run of some length must have tried.
pub(crate) const WANTED: [&str; 57] = [
    "answers delivered late",
    "answers lost on their way",
    "answers read of which the server does not know it",
    "answers that never left",
    "clients killed",
    "clients served",
    "withheld permits restored",
    "configuration reloads",
    "connections lost before the request's turn",
    "crashes before the commit",
    "crashes between commit and answer",
    "crashes between two commits",
    "crashes with steps in flight",
    "crashes with steps held back",
    "steps held back to the end",
    "debts: cancel",
    "debts: grant anew",
    "debts: dormant",
    "ended tickets forgotten after 10 minutes",
    "ended: cancelled",
    "ended: expired",
    "ended: lost",
    "ended: lock deleted",
    "ended: overdue",
    "ended: oversized",
    "ended: released",
    "ended: revoked",
    "ended: superseded",
    "permits given back as broken",
    "permits that rest after their claim",
    "permits withheld by an administrator",
    "permits withheld for what others use",
    "reports of what others use that were too old",
    "waiters passed over for their owner's cap",
    "waiters held up by a bundle",
    "failed commits that took effect",
    "failed commits without effect",
    "granted anew after an undelivered answer",
    "fencing tokens that were a holder's",
    "fencing tokens that were nobody's",
    "grants after waiting",
    "grants of all permits",
    "grants of bundles",
    "grants taken back after a crash",
    "lapsed grants",
    "lists of one's own",
    "looks at locks",
    "looks at some locks",
    "dormant places after a crash",
    "stalls",
    "steps dropped behind a failed commit",
    "steps in flight",
    "steps in which the store may not be read",
    "told how a ticket ended",
    "waits given up",
    "waits whose connection was lost",
    "woken and granted at once",
];
