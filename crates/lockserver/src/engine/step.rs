//! Applying a batch to the table of a term, and sealing what came of it.

use super::answer::{Answer, DeliveryKind, EngineError, Reply};
use super::clock::{Elapsed, Tick};
use super::recovery::Configured;
use super::request::{AnswerTo, Attempt, Body, Request};
use super::sealed::Sealed;
use super::term::Term;
use super::waiters::{PendingWait, Waiters};
use lock_core::{Caller, Command, Moment, Outcome, Rejection, Table, TicketId, TicketView};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a step needs beside the table.
pub(crate) struct Applying<'e> {
    /// When it is made.
    pub(crate) tick: Tick,
    /// Requests that wait for a grant.
    pub(crate) waiters: &'e mut Waiters,
    /// There is an audit log.
    pub(crate) is_audited: bool,
    /// While the store is in doubt, new instances of templates begin paused too, whatever the file says.
    pub(crate) pause_in_doubt: bool,
    /// A store in trouble is given no more than it must have.
    pub(crate) is_store_in_trouble: bool,
}

/// A step that is being applied, and what has come of it so far. See [`Sealed`].
struct Step<'s, 'e> {
    table: &'s mut Table,
    with: Applying<'e>,
    replies: Vec<Reply>,
    authors: Vec<(Range<usize>, Caller)>,
    carry_over: Vec<Command>,
    configured: Option<Configured>,
    /// Requests that need another step.
    unfinished: Vec<Request>,
}

impl Term {
    /// Applies a batch: heartbeats first, then what is due by the clock, then each command.
    pub(crate) fn apply(&mut self, with: Applying<'_>, elapsed: Elapsed, batch: Vec<Request>) -> Sealed {
        let (tick, table) = (with.tick, &mut self.table);
        table.set_moment(Moment { wall: tick.wall_ms(), mono: tick.mono_ms });
        table.begin_step(table.now() + elapsed.ms);
        table.note_monotonic(tick.mono_ms);
        if elapsed.stood_still {
            table.after_gap();
        }
        let mut requests = std::mem::take(&mut self.unfinished);
        requests.extend(batch);
        for request in &requests {
            if let Body::Command { command, .. } = &request.body {
                table.heartbeat(&request.caller, command);
            }
        }
        let is_store_in_trouble = with.is_store_in_trouble;
        let mut step = Step {
            table,
            with,
            replies: Vec::with_capacity(requests.len()),
            authors: Vec::new(),
            carry_over: Vec::new(),
            configured: None,
            unfinished: Vec::new(),
        };
        step.expire();
        requests.into_iter().for_each(|request| step.apply_request(request));
        let Step { with, mut replies, authors, carry_over, configured, unfinished, .. } = step;
        self.unfinished = unfinished;
        let changes = self.changes(is_store_in_trouble);
        let served = serve(&mut self.table, with.waiters);
        let ended: Vec<TicketId> = self.table.ended_now().collect();
        note_ended(&mut replies, &ended, &self.table);
        let events = self.table.take_events();
        let mut usages = BTreeMap::new();
        for event in &events {
            if !usages.contains_key(&event.lock)
                && let Some(usage) = self.table.usage_of(&event.lock)
            {
                usages.insert(event.lock.clone(), Arc::new(usage));
            }
        }
        Sealed {
            wall: tick.wall_ms(),
            changes,
            events,
            usages,
            authors,
            ended,
            served,
            replies,
            looks: Vec::new(),
            carry_over,
            configured,
        }
    }
}

/// Takes out the requests that waited for a ticket that was granted or has ended.
fn serve(table: &mut Table, waiters: &mut Waiters) -> Vec<(TicketView, Vec<PendingWait>)> {
    let mut served = Vec::new();
    for id in table.take_served() {
        let waits = waiters.take(id);
        if !waits.is_empty() {
            served.push((table.answer_waiting(id), waits));
        }
    }
    served
}

/// Notes in each reply that says *held* if its ticket has ended later in the same step.
fn note_ended(replies: &mut [Reply], ended: &[TicketId], table: &Table) {
    let ended: BTreeSet<TicketId> = ended.iter().copied().collect();
    for reply in replies {
        if let Ok(Outcome::Ticket(view)) = &reply.answer
            && view.is_held()
            && ended.contains(&view.ticket.id)
        {
            reply.ended = table.look(view.ticket.id).map(Box::new);
        }
    }
}

impl Step<'_, '_> {
    fn expire(&mut self) {
        let is_connected = |id| self.with.waiters.any_open(id);
        self.table.expire(self.with.tick.context(self.table.now(), &is_connected));
    }

    fn apply(&mut self, caller: &Caller, command: &Command) -> Result<Outcome, EngineError> {
        let is_connected = |id| self.with.waiters.any_open(id);
        Ok(self.table.apply(self.with.tick.context(self.table.now(), &is_connected), caller, command)?)
    }

    /// Applies one request, and notes who asked for what came of it.
    fn apply_request(&mut self, mut request: Request) {
        if self.with.pause_in_doubt && self.table.in_doubt_since().is_some() {
            request.pause_templates();
        }
        let author = request.author().filter(|_| self.with.is_audited).cloned();
        let before = self.table.events_so_far();
        let Request { caller, body } = request;
        match body {
            Body::Command { command, attempt, answer_to } => self.apply_command(caller, command, attempt, answer_to),
            Body::EndWait { number, lost } => self.end_wait(number, lost),
        }
        let events = before..self.table.events_so_far();
        self.authors.extend(author.filter(|_| !events.is_empty()).map(|author| (events, author)));
    }

    fn apply_command(&mut self, caller: Caller, command: Box<Command>, attempt: Attempt, answer_to: AnswerTo) {
        let delivery = match attempt {
            Attempt::Replayed { made } => DeliveryKind::of_waiting(made),
            _ => DeliveryKind::of(&command),
        };
        if command.is_report() {
            self.carry_over.push((*command).clone());
        }
        match self.apply(&caller, &command) {
            Ok(Outcome::Waiting(view)) => {
                let AnswerTo::Waiter(reply, waiter) = answer_to else {
                    unreachable!("only Handle::submit_waiting sends commands that wait");
                };
                let made = delivery == DeliveryKind::Made;
                self.register(view.ticket.id, PendingWait { waiter, caller, made, reply });
            }
            Ok(Outcome::Incomplete) => {
                let body = Body::Command { command, attempt: Attempt::Continued, answer_to };
                self.unfinished.push(Request { caller, body });
            }
            answer => {
                let answer = self.answer_for_client(&command, attempt, answer);
                self.reply(answer_to.sender(), answer, delivery);
            }
        }
    }

    fn reply(
        &mut self,
        to: Option<oneshot::Sender<Answer>>,
        answer: Result<Outcome, EngineError>,
        delivery: DeliveryKind,
    ) {
        self.replies.push(Reply { to, answer, delivery, events: self.table.events_so_far(), ended: None });
    }

    /// The answer for its client, which knows nothing of steps and terms.
    fn answer_for_client(
        &mut self,
        command: &Command,
        attempt: Attempt,
        mut answer: Result<Outcome, EngineError>,
    ) -> Result<Outcome, EngineError> {
        match (&mut answer, attempt) {
            // What is to be deleted went by itself between two steps.
            (Err(EngineError::Rejected(Rejection::UnknownLock)), Attempt::Continued) => return Ok(Outcome::Done),
            // Its ticket was made in the batch that failed, and did not become durable.
            (Err(EngineError::Rejected(Rejection::UnknownTicket)), Attempt::Replayed { .. }) => {
                return Err(EngineError::Unavailable {
                    reason: Arc::from("the store failed, and the request was not stored"),
                    may_have_taken_effect: false,
                });
            }
            // The client that waits has not been told, even if the store knows of the grant since the last term.
            (Ok(Outcome::Ticket(view)), Attempt::Replayed { .. }) => view.claimed = view.is_held(),
            (Ok(outcome), _) => self.configured = Configured::of(command, outcome).or_else(|| self.configured.take()),
            _ => {}
        }
        answer
    }

    fn register(&mut self, id: TicketId, wait: PendingWait) {
        let waiter = wait.waiter.clone();
        self.with.waiters.add(id, wait);
        // Its handler may have given up before the command came to its turn.
        if let Some(lost) = waiter.given_up() {
            self.end_wait(waiter.number, lost);
        }
    }

    fn end_wait(&mut self, number: u64, lost: bool) {
        let Some((id, wait)) = self.with.waiters.remove(number) else {
            return;
        };
        if lost && !wait.made && !self.with.waiters.waits(id) {
            self.carry_over.push(Command::EndWait { id, lost });
        }
        let mut answer = self.apply(Caller::server(), &Command::EndWait { id, lost });
        if let Ok(Outcome::Ticket(view)) = &mut answer {
            // Granted in this very step: this answer is the one that tells.
            view.claimed = view.is_held();
        }
        self.reply(Some(wait.reply), answer, DeliveryKind::of_waiting(wait.made));
    }
}
