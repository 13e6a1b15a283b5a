//! The engine's phases, and what it does in a step: recover, apply, commit, publish, answer.

use super::answer::{EngineError, send_reply};
use super::clock::{Elapsed, ServiceClock, Tick};
use super::handle::Handle;
use super::in_flight::InFlight;
use super::observers::Observers;
use super::receipt::Reports;
use super::recovery::{CarryOver, Configuration, Fatal, Recovering, fatal_if_damaged, pause_everything};
use super::request::{Body, Request};
use super::request_queue::RequestQueue;
use super::standing::Standings;
use super::status::Role;
use super::step::Applying;
use super::term::Term;
use super::waiters::Waiters;
use crate::audit::Audit;
use crate::store::{Store, StoreError};
use lock_core::{Change, Table};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The owner of table and store. Driven by a [`super::driver::Driver`], or step by step by a test.
pub struct Engine {
    store: Box<dyn Store>,
    /// What has arrived.
    pub(super) queue: Arc<RequestQueue>,
    /// The same, for receipts.
    reports: Weak<dyn Reports>,
    /// Streams, logs and metrics of what is durable.
    pub(super) observers: Observers,
    clock: ServiceClock,
    /// Requests that wait for a grant, whatever term it is.
    pub(super) waiters: Waiters,
    /// Answers on their way that say that a ticket is held.
    pub(super) standings: Standings,
    /// Whether it serves, and with which table.
    pub(super) phase: Phase,
    /// Steps of the term that are not durable yet.
    pub(super) in_flight: InFlight,
    /// What one term leaves for the next one to do.
    carry_over: CarryOver,
    /// Before this the locks are not measured again.
    pub(super) measure_again_ms: u64,
    /// Where the store has lost commits, nothing is granted before somebody has looked.
    pub(super) pause_in_doubt: bool,
}

/// What the engine can do now.
pub(super) enum Phase {
    /// It serves.
    Leading(Box<Term>),
    /// The store cannot be used: requests are refused, and waiting ones go on waiting.
    Recovering(Recovering),
}

impl Engine {
    /// An engine without a term; its first step begins one.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> (Self, Handle) {
        Self::audited(store, Audit::default())
    }

    /// The same, which writes down who did what.
    #[must_use]
    pub fn audited(store: Box<dyn Store>, audit: Audit) -> (Self, Handle) {
        let queue = RequestQueue::new();
        let observers = Observers { audit, ..Observers::default() };
        let handle = Handle {
            request_queue: queue.clone(),
            observers: observers.clone(),
            next_waiter: Arc::new(AtomicU64::new(1)),
            combine: None,
        };
        let engine = Self {
            store,
            reports: Arc::<RequestQueue>::downgrade(&queue) as Weak<dyn Reports>,
            queue,
            observers,
            clock: ServiceClock::default(),
            waiters: Waiters::default(),
            standings: Standings::default(),
            phase: Phase::Recovering(Recovering {
                reason: Arc::from("the store is not loaded yet"),
                retry_at_ms: 0,
                is_standby: false,
            }),
            in_flight: InFlight::default(),
            carry_over: CarryOver::default(),
            measure_again_ms: 0,
            pause_in_doubt: false,
        };
        (engine, handle)
    }

    /// Does everything that is due at this time, and answers the batch, or what of it is durable by then.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn step(&mut self, tick: Tick, batch: Vec<Request>) -> Result<(), Fatal> {
        self.serve(tick, batch)?;
        self.answer_looks(tick);
        // A look may have seen what was held back.
        self.settle(tick, false)
    }

    /// The same without the requests that only look, which may take their time.
    pub(super) fn serve(&mut self, tick: Tick, batch: Vec<Request>) -> Result<(), Fatal> {
        let mut elapsed = self.clock.advance(tick);
        self.observers.metrics.engine.took(batch.len());
        self.settle(tick, false)?;
        if let Phase::Recovering(recovering) = &self.phase
            && recovering.retry_at_ms <= tick.mono_ms
        {
            self.recover(tick)?;
            // Leases began just now: what had passed before is not of their time (rule 9).
            elapsed = Elapsed::NOTHING;
        }
        self.apply_and_commit(tick, elapsed, batch)
    }

    /// Whether its store makes a step durable without waiting for anything.
    pub(super) fn is_immediate(&self) -> bool {
        self.store.is_immediate()
    }

    /// Whether its store lets it tell anybody anything.
    pub(super) fn is_authoritative(&self) -> bool {
        self.store.is_authoritative()
    }

    /// Milliseconds until something is due although nothing arrives; `None` for nothing in sight.
    #[must_use]
    pub fn due_in_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Leading(term) => [self.in_flight.due_in_ms(), term.due_in_ms()].into_iter().flatten().min(),
            Phase::Recovering(recovering) => recovering.is_standby.then_some(0),
        }
    }

    /// Whether there are steps that wait for others to be committed with, for tests.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.in_flight.is_held()
    }

    /// The table, for tests to look into.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        match &self.phase {
            Phase::Leading(term) => Some(&term.table),
            Phase::Recovering(_) => None,
        }
    }

    /// Without a term nothing is done.
    pub(super) fn refuse(&mut self, batch: Vec<Request>) {
        let Phase::Recovering(recovering) = &self.phase else { unreachable!("a term serves") };
        self.carry_over.refuse(recovering, batch, &mut self.waiters);
    }

    /// Applies a batch, and has it become durable.
    fn apply_and_commit(&mut self, tick: Tick, elapsed: Elapsed, batch: Vec<Request>) -> Result<(), Fatal> {
        let Phase::Leading(term) = &mut self.phase else {
            self.refuse(batch);
            return Ok(());
        };
        let is_idle = batch.is_empty() && term.unfinished.is_empty();
        let applying = Applying {
            tick,
            is_store_in_trouble: self.carry_over.is_store_in_trouble(),
            waiters: &mut self.waiters,
            is_audited: self.observers.audit.is_on(),
            pause_in_doubt: self.pause_in_doubt,
        };
        let sealed = term.apply(applying, elapsed, batch);
        self.in_flight.push(tick, sealed);
        // There is nothing else to do.
        self.settle(tick, is_idle)
    }

    /// Publishes and answers the steps that are durable, in their order. Waits for the store while it takes no more steps, and
    /// if `wait` says so for the oldest of them.
    pub(super) fn settle(&mut self, tick: Tick, mut wait: bool) -> Result<(), Fatal> {
        loop {
            self.in_flight.begin(tick, &mut *self.store, &self.observers);
            wait |= !self.in_flight.has_room(tick, &mut *self.store);
            match self.in_flight.commit_oldest(&mut *self.store, &self.observers, wait) {
                Ok(None) => return Ok(()),
                Ok(Some(mut step)) => {
                    let Phase::Leading(term) = &self.phase else { unreachable!("only a term has steps in flight") };
                    self.carry_over.committed(step.wrote_records(), step.take_configured());
                    let is_newest = self.in_flight.is_empty();
                    // The past of the locks is taken from the table, so that all of it must be durable now and then.
                    wait = !is_newest && self.observers.metrics.history.is_due(step.wall());
                    step.tell(&self.observers, &term.table, is_newest, &mut self.standings, &self.reports);
                }
                Err(error) => return self.enter_recovery(tick, &error),
            }
        }
    }

    /// Commits and answers everything that is in flight.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn flush(&mut self, tick: Tick) -> Result<(), Fatal> {
        while !self.in_flight.is_empty() {
            self.settle(tick, true)?;
        }
        Ok(())
    }

    /// The store failed: the table may be ahead of it and is dropped, with all steps that are in flight.
    fn enter_recovery(&mut self, tick: Tick, error: &StoreError) -> Result<(), Fatal> {
        let given_up = self.in_flight.give_up(error, &mut self.waiters, &mut self.carry_over.commands);
        if let Phase::Leading(term) = &mut self.phase {
            for request in std::mem::take(&mut term.unfinished) {
                if let Body::Command { answer_to, .. } = request.body {
                    answer_to.send(Err(EngineError::store_failed(error, true)));
                }
            }
            self.carry_over.drop_table(&term.table);
        }
        let reason: Arc<str> = Arc::from(error.to_string());
        let is_known = matches!(&self.phase, Phase::Recovering(recovering) if recovering.reason == reason);
        let has_led = matches!(&self.phase, Phase::Leading(_));
        self.phase = Phase::Recovering(match error {
            StoreError::Standby { .. } => self.carry_over.stand_by(tick, reason.clone()),
            _ => self.carry_over.back_off(tick, reason.clone()),
        });
        // The next measurement is of another table.
        self.measure_again_ms = 0;
        self.refuse(given_up.into_iter().map(|(number, lost)| Request::end_wait(number, lost)).collect());
        fatal_if_damaged(error)?;
        match error {
            StoreError::Standby { leader, .. } => {
                if has_led {
                    tracing::warn!("this server stands by: {reason}");
                } else if !is_known {
                    tracing::info!("this server stands by: {reason}");
                }
                self.send_waiting_away();
                self.observers.take_role(Role::Standby(leader.clone()));
            }
            // At the start the caller says so.
            _ if self.carry_over.term > 0 && !is_known => {
                tracing::error!("the store cannot be used, trying again: {reason}");
            }
            _ => {}
        }
        self.observers.status.set_trouble(Some(reason));
        Ok(())
    }

    /// The tickets of waiting requests are in the store, where the next leader has them: their clients are to ask that one.
    fn send_waiting_away(&mut self) {
        let Phase::Recovering(recovering) = &self.phase else { unreachable!("a leader lets its clients wait") };
        for (_, wait) in self.waiters.take_all() {
            send_reply(Some(wait.reply), Err(EngineError::down(&recovering.reason, true)));
        }
    }

    /// Begins a term: loads the store, proves that it can be written before anybody is served from it, and replays what the
    /// last term left to do.
    fn recover(&mut self, tick: Tick) -> Result<(), Fatal> {
        let loaded = self.observers.in_store(|| self.store.load());
        let snapshot = match self.observers.note_load(loaded) {
            Ok(snapshot) => snapshot,
            Err(error) => return self.enter_recovery(tick, &error),
        };
        let (restart, lost_commits) = (snapshot.restart_counters, snapshot.lost_commits);
        let table = self.carry_over.load_table(snapshot, tick)?;
        if let Err(error) = self.commit_apart(&[table.clock_change()]) {
            return self.enter_recovery(tick, &error);
        }
        if restart {
            // Nothing to look at: a store that has lost commits has a warning of its own.
            tracing::info!(
                "fencing tokens and ticket numbers begin at the Unix time, so that they go on rising: the store is in \
                 memory, new or a copy"
            );
        }
        self.observers.metrics.engine.terms.increment();
        self.observers.status.set_doubt(table.in_doubt_since());
        self.observers.events.begin_term(self.carry_over.next_term(tick));
        if self.observers.status.trouble().is_some() && matches!(self.observers.status.role(), Role::Leading { .. }) {
            tracing::warn!("the store works again");
        }
        self.observers.take_role(Role::Leading { since: tick.wall_ms() });
        self.observers.status.set_trouble(None);
        let mut batch = self.carry_over.replay(&mut self.waiters);
        if lost_commits && self.pause_in_doubt {
            batch.extend(pause_everything(&table));
        }
        self.phase = Phase::Leading(Box::new(Term::new(table)));
        self.apply_and_commit(tick, Elapsed::NOTHING, batch)?;
        self.flush(tick)
    }

    /// A commit apart from any step.
    pub(super) fn commit_apart(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = self.observers.in_store(|| self.store.commit(changes));
        self.observers.note_commit(began, result)
    }

    /// Takes over a configuration that no term could apply yet.
    pub(super) fn keep_configuration(&mut self, configuration: Configuration) {
        self.carry_over.configuration = configuration;
    }
}
