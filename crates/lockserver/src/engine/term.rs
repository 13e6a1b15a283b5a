//! Terms: from a load of the store to the first commit that fails.

use super::answer::{DeliveryKind, EngineError, Reply, send_reply};
use super::clock::Tick;
use super::pulse::Pulse;
use super::request_queue::{Attempt, Request, Work};
use super::step::Engine;
use super::waiters::PendingWait;
use crate::store::StoreError;
use lock_core::{Change, Command, ConfigureMode, Force, Outcome, Patch, Precondition, Table, Target, TicketId, WallMs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// First pause before the store is loaded again.
const BACK_OFF_MIN_MS: u64 = 100;
/// Longest pause.
const BACK_OFF_MAX_MS: u64 = 2000;

/// The engine cannot go on, and the process ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The store is damaged, or its device fails: exit code 74.
    #[error("{0}")]
    Damaged(String),
    /// The engine's thread met an impossible state: exit code 70.
    #[error("{0}")]
    Impossible(String),
}

/// How the engine is, for `/readyz`, the page and the status.
#[derive(Debug, Default)]
pub struct Status {
    trouble: Mutex<Option<Arc<str>>>,
    /// [`Table::in_doubt_since`]; 0 for no doubt.
    doubt: AtomicU64,
    pulse: Pulse,
}

impl Status {
    /// Why the engine does not serve now; `None` if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when, in wall time, it is known that the store had lost commits: somebody may hold what others can be given.
    /// Until an orderly stop.
    #[must_use]
    pub fn in_doubt_since(&self) -> Option<WallMs> {
        Some(self.doubt.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    pub(crate) fn set_doubt(&self, since: Option<WallMs>) {
        self.doubt.store(since.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether the engine's thread moves.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Arc<str>>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// While there is no term.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) reason: Arc<str>,
    pub(crate) retry_at_ms: u64,
}

impl Engine {
    /// The store failed: the table may be ahead of it and is dropped. Who waits goes on waiting.
    pub(crate) fn end_term(&mut self, tick: Tick, error: StoreError) -> Result<(), Fatal> {
        let reason: Arc<str> = match error {
            StoreError::Damaged(text) => return Err(Fatal::Damaged(text)),
            StoreError::Unavailable(text) => Arc::from(text),
        };
        self.back_off_ms = (self.back_off_ms * 2).clamp(BACK_OFF_MIN_MS, BACK_OFF_MAX_MS);
        // At the start the caller says so.
        if self.term > 0 && self.pending.as_ref().is_none_or(|pending| pending.reason != reason) {
            tracing::error!("the store cannot be used, trying again: {reason}");
        }
        self.table = None;
        self.status.set_trouble(Some(reason.clone()));
        self.pending = Some(Pending { reason, retry_at_ms: tick.mono_ms + self.back_off_ms });
        Ok(())
    }

    /// Loads the store and proves that it can be written before anybody is served from it.
    pub(crate) fn begin_term(&mut self, tick: Tick) -> Result<(), Fatal> {
        let (restart, lost, loaded) = match self.status.pulse().in_store(|| self.store.load()) {
            Ok(mut snapshot) => {
                // The clock of another machine would say nothing.
                if !snapshot.restart_counters {
                    snapshot.meta.count_downtime(tick.mono_ms);
                }
                (snapshot.restart_counters, snapshot.lost_commits, Table::load(snapshot, tick.wall_us))
            }
            Err(error) => {
                self.metrics.engine.loads_failed.increment();
                return self.end_term(tick, error);
            }
        };
        let mut table = loaded.map_err(|error| Fatal::Damaged(error.to_string()))?;
        if self.recovered {
            table.resume_from(&self.activity_seqs);
        } else {
            table.begin_life();
        }
        if lost {
            table.doubt(tick.wall_us / 1000);
        }
        table.note_monotonic(tick.mono_ms);
        if let Err(error) = self.commit(&[table.clock_change()]) {
            return self.end_term(tick, error);
        }
        if restart {
            tracing::warn!("the store is new, forgetful or a copy: tokens and ticket numbers begin at the Unix time");
        }
        // Wall time tells the lives of a server apart; two within a microsecond it does not have.
        self.term = tick.wall_us.max(self.term + 1);
        self.metrics.engine.terms.increment();
        self.saved_at = table.now();
        self.began_at = table.now();
        self.status.set_doubt(table.in_doubt_since());
        self.table = Some(table);
        self.events.begin_term(self.term);
        if self.pending.take().is_some() {
            tracing::warn!("the store works again");
        }
        self.status.set_trouble(None);
        let mut batch = self.first_batch();
        if lost && self.pause_in_doubt {
            self.pause_everything(&mut batch);
        }
        self.run(tick, 0, false, batch)?;
        self.recovered |= self.table.is_some();
        Ok(())
    }

    /// A commit, with a look at the clock around it; no rule asks how long it took.
    pub(crate) fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = self.status.pulse().in_store(|| self.store.commit(changes));
        self.metrics.engine.committed(began.elapsed());
        result.inspect_err(|_| self.metrics.engine.commits_failed.increment())
    }

    /// The store has lost commits: nobody is let in where somebody may be whom it does not know of. Each lock is paused for
    /// itself, so that it can be resumed when its users have been looked at.
    fn pause_everything(&self, batch: &mut Vec<Request>) {
        let Some(table) = &self.table else { return };
        let reason: Arc<str> = Arc::from("the store has lost commits: see who is at work, then resume");
        for name in table.lock_names().cloned() {
            let pause = Some(Some((reason.clone(), None)));
            let patch = Patch { pause, ..Patch::default() };
            let (precondition, force) = (Precondition::None, Force { force: false, expect_tickets: None });
            let command = Command::PatchLock { name, patch, precondition, force };
            batch.push(Request::new(command).0);
        }
        tracing::error!("every lock is paused, as ON_DOUBT=pause says: see who is at work, then resume them");
    }

    /// While the store is in doubt, new instances of templates begin paused too, whatever the file says.
    pub(crate) fn hold_templates_back(&self, table: &Table, request: &mut Request) {
        if !self.pause_in_doubt || table.in_doubt_since().is_none() {
            return;
        }
        if let Work::Command(command) = &mut request.work
            && let Command::Configure { definitions, .. } = &mut **command
        {
            for definition in definitions.iter_mut().filter(|one| matches!(one.target, Target::Template(_))) {
                definition.paused = true;
            }
        }
    }

    /// A term begins with the configuration, with what the last one owes, and with those who waited through the time
    /// without one.
    fn first_batch(&mut self) -> Vec<Request> {
        let (definitions, mode) = self.definitions.clone();
        let configure = Command::Configure { definitions, mode };
        let mut carry_over = std::mem::take(&mut self.carry_over);
        // Tickets of clients that are gone become dormant before the rest makes permits free.
        carry_over.sort_by_key(|command| !matches!(command, Command::EndWait { .. }));
        let carry_over = std::iter::once(configure).chain(carry_over);
        let waiting = self.waiters.take_all().into_iter().map(|(id, one)| again(id, one));
        carry_over.map(|command| Request::new(command).0).chain(waiting).collect()
    }

    /// While there is no term: nothing is done, but what must still be is remembered.
    pub(crate) fn refuse(&mut self, batch: Vec<Request>) {
        let pending = self.pending.as_ref().expect("no table, so the store failed");
        let failure =
            |may_have_taken_effect| EngineError::Unavailable { reason: pending.reason.clone(), may_have_taken_effect };
        for request in batch {
            match request.work {
                Work::Command(report) if matches!(*report, Command::Undelivered { .. }) => {
                    self.carry_over.push(*report)
                }
                Work::Command(_) | Work::Measure => send_reply(request.reply, Err(failure(false))),
                Work::EndWait { number, lost } => {
                    let Some((id, one)) = self.waiters.remove(number) else {
                        continue;
                    };
                    // The commit that failed may have granted it, and nobody was told of that.
                    let activity_seq = self.activity_seqs.get(&id).copied().unwrap_or_default();
                    self.carry_over.push(Command::Undelivered { id, activity_seq, made: one.made });
                    if lost && !one.made && !self.waiters.waits(id) {
                        self.carry_over.push(Command::EndWait { id, lost });
                    }
                    send_reply(Some(one.reply), Err(failure(true)));
                }
            }
        }
    }

    /// The commit of a step failed, so that its outcome is unknown: its batch hears so. What those answers would have
    /// told stays untold, and is owed like that of an answer that was lost.
    pub(crate) fn fail(&mut self, table: &Table, replies: Vec<Reply>, error: &StoreError) {
        let failure = EngineError::Unavailable { reason: Arc::from(error.to_string()), may_have_taken_effect: true };
        for reply in replies {
            if let Ok(Outcome::Ticket(view)) = &reply.answer
                && view.ended().is_none()
                && (reply.delivery == DeliveryKind::Made || (reply.delivery == DeliveryKind::Ticket && view.claimed))
            {
                self.carry_over.push(Command::Undelivered {
                    id: view.ticket.id,
                    activity_seq: view.activity_seq,
                    made: reply.delivery == DeliveryKind::Made,
                });
            }
            send_reply(reply.to, Err(failure.clone()));
        }
        for request in std::mem::take(&mut self.unfinished) {
            send_reply(request.reply, Err(failure.clone()));
        }
        self.activity_seqs = table.activity_seqs();
    }

    /// The last step: tickets whose maker waits and has nothing but its answer to know them by are cancelled, so that no
    /// permit is offered to them after the restart. No change stays deferred.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn finish(&mut self, tick: Tick) -> Result<(), Fatal> {
        let Some(table) = &self.table else {
            return Ok(());
        };
        let activity_seqs = table.activity_seqs();
        let waiting: Vec<_> = self.waiters.take_all().into_iter().filter(|(_, one)| one.made).collect();
        let cancel = |id| Command::Undelivered { id, activity_seq: activity_seqs[&id], made: true };
        let batch = waiting.iter().map(|(id, _)| Request::new(cancel(*id)).0).collect();
        self.step(tick, batch)?;
        self.flush_deferred()?;
        self.save_the_end()?;
        if self.table.is_some() {
            waiting.into_iter().for_each(|(_, one)| send_reply(Some(one.reply), Err(EngineError::ShuttingDown)));
        }
        Ok(())
    }

    /// The clock stops here, to the millisecond.
    fn save_the_end(&mut self) -> Result<(), Fatal> {
        let Some(table) = self.table.as_mut() else { return Ok(()) };
        if !table.is_timed() && table.in_doubt_since().is_none() {
            return Ok(());
        }
        table.note_monotonic(0);
        table.end_doubt();
        let clock = table.clock_change();
        match self.commit(&[clock]) {
            Err(StoreError::Damaged(text)) => Err(Fatal::Damaged(text)),
            Err(StoreError::Unavailable(text)) => {
                tracing::debug!("the end of the clock is not noted: {text}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn flush_deferred(&mut self) -> Result<(), Fatal> {
        while let Some(table) = self.table.as_mut().filter(|table| table.has_deferred_changes()) {
            let mut changes = table.take_deferred_changes();
            changes.push(table.clock_change());
            match self.commit(&changes) {
                Ok(()) => {}
                Err(StoreError::Damaged(text)) => return Err(Fatal::Damaged(text)),
                Err(StoreError::Unavailable(text)) => {
                    tracing::debug!("who knows of a ticket is not noted: {text}");
                    break;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn remember_configuration(&mut self, command: &Command, outcome: &Outcome) {
        if let (Command::Configure { definitions, mode }, Outcome::Configured(report)) = (command, outcome) {
            self.definitions = (definitions.clone(), *mode);
            for (what, names) in [("made", &report.created), ("changed", &report.changed), ("retired", &report.retired)]
            {
                if !names.is_empty() {
                    tracing::debug!("{what} by the configuration: {}", names.join(", "));
                }
            }
            for refused in &report.refused {
                tracing::error!("not applied from the configuration: {refused}");
            }
        }
    }

    /// What a term begins with, before the first configuration arrives.
    pub(crate) fn no_definitions() -> (Vec<lock_core::Definition>, ConfigureMode) {
        (Vec::new(), ConfigureMode::CreateMissing)
    }
}

/// Somebody who waits asks again on behalf of its client, which is connected and knows nothing of terms.
fn again(id: TicketId, one: PendingWait) -> Request {
    let command = Command::WaitOn { id, caller: one.caller };
    Request {
        work: Work::Command(Box::new(command)),
        reply: Some(one.reply),
        waiter: Some(one.waiter),
        attempt: Attempt::Replayed { made: one.made },
        by: None,
        onlooker: None,
    }
}
