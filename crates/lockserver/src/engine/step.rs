//! One step: what has arrived is applied, made durable, and only then told.

use super::clock::{ServiceClock, Tick};
use super::events::{EventId, Events};
use super::handle::{Answer, Failure, Handle, Told};
use super::lanes::{Lanes, Request, Work};
use super::receipt::Receipt;
use super::term::{Fatal, Pending, Status};
use super::waiters::{Registered, Waiter, Waiters};
use crate::store::Store;
use lock_core::{At, Command, ConfigureMode, Definition, Outcome, Rejection, Table, TicketId, TicketView};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::oneshot;

/// The clock is saved this often while anything is timed (rule 9).
const SAVE_CLOCK_MS: u64 = 5000;

/// The owner of table and store. Driven by [`super::start`]'s thread, or step by step by a test.
pub struct Engine {
    pub(crate) store: Box<dyn Store>,
    /// The table of the present term; none while the store fails.
    pub(crate) table: Option<Table>,
    pub(crate) pending: Option<Pending>,
    pub(crate) term: u64,
    pub(crate) waiters: Waiters,
    pub(crate) definitions: (Vec<Definition>, ConfigureMode),
    pub(crate) events: Arc<Events>,
    pub(crate) status: Arc<Status>,
    /// Service time of the last commit.
    pub(crate) saved_at: u64,
    clock: ServiceClock,
    lanes: Arc<Lanes>,
    /// Requests that need another step, ahead of all others.
    unfinished: Vec<Request>,
}

/// An answer that is told once its step is durable.
struct Reply {
    to: Option<oneshot::Sender<Answer>>,
    answer: Result<Outcome, Failure>,
    /// The answer to the request that made the ticket.
    made: bool,
    /// Events of its step that the answer includes.
    events: usize,
}

impl Engine {
    /// An engine without a term; its first step begins one.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> (Self, Handle) {
        let (lanes, events, status) = (Lanes::new(), Arc::new(Events::default()), Arc::new(Status::default()));
        let next_waiter = Arc::new(AtomicU64::new(1));
        let handle = Handle { lanes: lanes.clone(), status: status.clone(), events: events.clone(), next_waiter };
        let engine = Self {
            store,
            table: None,
            pending: None,
            term: 0,
            waiters: Waiters::default(),
            definitions: Self::no_definitions(),
            events,
            status,
            saved_at: 0,
            clock: ServiceClock::default(),
            lanes,
            unfinished: Vec::new(),
        };
        (engine, handle)
    }

    /// Does everything that is due at this time, and answers the batch.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn step(&mut self, tick: Tick, batch: Vec<Request>) -> Result<(), Fatal> {
        let (passed, gap) = self.clock.advance(tick);
        if self.table.is_none() && self.pending.as_ref().is_none_or(|pending| pending.retry_at_ms <= tick.mono_ms) {
            self.begin_term(tick)?;
        }
        if self.table.is_none() {
            self.refuse(batch);
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend(batch);
        self.run(tick, passed, gap, all)
    }

    /// Milliseconds until something is due although nothing arrives; `None` for nothing in sight.
    #[must_use]
    pub fn due_in_ms(&self) -> Option<u64> {
        let table = self.table.as_ref()?;
        if !self.unfinished.is_empty() {
            return Some(0);
        }
        table.next_timeout().map(|at| at.saturating_sub(table.now()))
    }

    /// The table, for tests to look into.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    pub(crate) fn run(&mut self, tick: Tick, passed: u64, gap: bool, batch: Vec<Request>) -> Result<(), Fatal> {
        let mut table = self.table.take().expect("a term has a table");
        table.begin_step(table.now() + passed);
        if gap {
            table.after_gap();
        }
        for request in &batch {
            if let Work::Command(command) = &request.work {
                table.sign_of_life(command);
            }
        }
        {
            let present = |id| self.waiters.any_open(id);
            let at = At { now: table.now(), wall: tick.wall_us / 1000, present: &present };
            table.expire(at);
        }
        let mut replies = Vec::with_capacity(batch.len());
        for request in batch {
            self.handle(&mut table, tick, request, &mut replies);
        }
        self.conclude(tick, table, replies)
    }

    fn apply(&self, table: &mut Table, tick: Tick, command: &Command) -> Result<Outcome, Failure> {
        let present = |id| self.waiters.any_open(id);
        let at = At { now: table.now(), wall: tick.wall_us / 1000, present: &present };
        Ok(table.apply(at, command)?)
    }

    fn handle(&mut self, table: &mut Table, tick: Tick, request: Request, replies: &mut Vec<Reply>) {
        let command = match request.work {
            Work::Command(command) => command,
            Work::EndWait { number, lost } => return self.end_wait(table, tick, number, lost, replies),
            // What an earlier term told is no business of this one's tickets.
            Work::Undelivered { term, .. } if term != self.term => return,
            Work::Undelivered { id, stamp, made, .. } => Command::Undelivered { id, stamp, made },
        };
        let made = matches!(&command, Command::Acquire(new) if new.request_id.is_none() && new.holder.is_none());
        match self.apply(table, tick, &command) {
            Ok(Outcome::Waiting(view)) => {
                let waiter = request.waiter.expect("only Handle::submit_waiting sends commands that wait");
                let reply = request.reply.expect("a waiting request has an answer");
                let caller = Request::caller(&command).expect("a waiting command has a caller").clone();
                self.register(view.ticket.id, Registered { waiter, caller, made, reply }, table, tick, replies);
            }
            Ok(Outcome::Again) => {
                let work = Work::Command(command);
                self.unfinished.push(Request { work, resumed: true, ..request });
            }
            // What is to be deleted went by itself between two steps.
            Err(Failure::Rejected(Rejection::UnknownLock)) if request.resumed => {
                replies.push(Reply {
                    to: request.reply,
                    answer: Ok(Outcome::Done),
                    made,
                    events: table.events_so_far(),
                });
            }
            answer => {
                if let Ok(outcome) = &answer {
                    self.remember_configuration(&command, outcome);
                }
                replies.push(Reply { to: request.reply, answer, made, events: table.events_so_far() });
            }
        }
    }

    fn register(&mut self, id: TicketId, one: Registered, table: &mut Table, tick: Tick, replies: &mut Vec<Reply>) {
        let waiter: Waiter = one.waiter.clone();
        self.waiters.add(id, one);
        // Its face may have given up before the command came to its turn.
        if waiter.has_given_up() {
            self.end_wait(table, tick, waiter.number, !waiter.presence.is_open(), replies);
        }
    }

    fn end_wait(&mut self, table: &mut Table, tick: Tick, number: u64, lost: bool, replies: &mut Vec<Reply>) {
        let Some((id, one)) = self.waiters.remove(number) else {
            return;
        };
        let mut answer = self.apply(table, tick, &Command::EndWait { id, lost });
        if let Ok(Outcome::Ticket(view)) = &mut answer {
            // Granted in this very step: this answer is the one that tells.
            view.picked_up = view.is_held();
        }
        replies.push(Reply { to: Some(one.reply), answer, made: one.made, events: table.events_so_far() });
    }

    /// While there is no term.
    fn refuse(&mut self, batch: Vec<Request>) {
        let reason = self.pending.as_ref().expect("no table, so the store failed").reason.clone();
        let failure = Failure::Unavailable { reason, may_have_taken_effect: false };
        for request in batch {
            let to = match request.work {
                Work::Command(_) | Work::Undelivered { .. } => request.reply,
                Work::EndWait { number, .. } => self.waiters.remove(number).map(|(_, one)| one.reply),
            };
            tell(to, Err(failure.clone()));
        }
    }

    fn answer(&self, reply: Reply, before: EventId, receipts: &mut HashMap<TicketId, Arc<Receipt>>) {
        let told = reply.answer.map(|outcome| {
            let receipt = match &outcome {
                Outcome::Ticket(view) => self.receipt(view, reply.made, receipts),
                _ => None,
            };
            let as_of = EventId { sequence: before.sequence + reply.events as u64, ..before };
            Told { outcome, as_of, receipt }
        });
        tell(reply.to, told);
    }

    /// All answers about one ticket share a receipt; one that made its ticket has its own.
    fn receipt(
        &self,
        view: &TicketView,
        made: bool,
        receipts: &mut HashMap<TicketId, Arc<Receipt>>,
    ) -> Option<Arc<Receipt>> {
        let id = view.ticket.id;
        if view.ended().is_some() {
            None
        } else if made {
            Some(Receipt::new(&self.lanes, self.term, view, true))
        } else if view.picked_up {
            let new = || Receipt::new(&self.lanes, self.term, view, false);
            Some(receipts.entry(id).or_insert_with(new).clone())
        } else {
            receipts.get(&id).cloned()
        }
    }

    /// Nobody is told what is not durable: first the commit, then the events and the answers. If the commit fails, its
    /// outcome is unknown, everybody in the batch hears so, and the term is over.
    fn conclude(&mut self, tick: Tick, mut table: Table, replies: Vec<Reply>) -> Result<(), Fatal> {
        let mut changes = table.take_changes();
        if changes.is_empty() && table.is_timed() && table.now() >= self.saved_at + SAVE_CLOCK_MS {
            changes.push(table.clock_change());
        }
        if !changes.is_empty() {
            if let Err(error) = self.store.commit(&changes) {
                let reason = Arc::from(error.to_string());
                let failure = Failure::Unavailable { reason, may_have_taken_effect: true };
                replies.into_iter().for_each(|reply| tell(reply.to, Err(failure.clone())));
                return self.end_term(tick, error);
            }
            self.saved_at = table.now();
        }
        let served = table.take_served();
        let mut views = Vec::with_capacity(served.len());
        for id in served {
            let waiting = self.waiters.take(id);
            if !waiting.is_empty() {
                views.push((table.answer_waiting(id), waiting));
            }
        }
        // Before the answers: who is told of an event's id may ask for what follows it.
        let before = self.events.last();
        let events = table.take_events();
        let all = events.len();
        self.events.publish(events);
        let mut receipts = HashMap::new();
        for (view, waiting) in views {
            for one in waiting {
                let answer = Ok(Outcome::Ticket(Box::new(view.clone())));
                let reply = Reply { to: Some(one.reply), answer, made: one.made, events: all };
                self.answer(reply, before, &mut receipts);
            }
        }
        for reply in replies {
            self.answer(reply, before, &mut receipts);
        }
        self.table = Some(table);
        Ok(())
    }
}

/// Sends an answer. If nobody takes it any more, what hangs on it (a receipt) is dropped here.
fn tell(to: Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(to) = to {
        drop(to.send(answer));
    }
}
