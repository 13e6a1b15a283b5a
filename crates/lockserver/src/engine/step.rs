//! One step: what has arrived is applied, made durable, and only then told.

use super::answer::{CommandResult, DeliveryKind, EngineError, Rendered, Reply, send_reply};
use super::clock::{ServiceClock, Tick};
use super::events::{EventId, Events};
use super::handle::Handle;
use super::receipt::Receipt;
use super::request_queue::{Attempt, Request, RequestQueue, Work};
use super::standing::Standings;
use super::term::{Fatal, Pending, Status};
use super::waiters::{PendingWait, Waiter, Waiters};
use crate::audit::Audit;
use crate::metrics::Metrics;
use crate::store::Store;
use lock_core::{
    Caller, Command, ConfigureMode, Definition, Moment, Outcome, Rejection, StepContext, Table, TicketId, TicketView,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The clock is saved this often while anything is timed (rule 9).
const SAVE_CLOCK_MS: u64 = 5000;
/// And this soon after a start; then as late again as the term is old. A server that crashes at once each time knows that it
/// ran, and no lease lasts for ever because of it.
const SAVE_CLOCK_FIRST_MS: u64 = 250;

/// The owner of table and store. Driven by [`super::start`]'s thread, or step by step by a test.
pub struct Engine {
    pub(crate) store: Box<dyn Store>,
    /// The table of the present term; none while the store fails.
    pub(crate) table: Option<Table>,
    pub(crate) pending: Option<Pending>,
    /// The last pause before a load; 0 once a commit has worked.
    pub(crate) back_off_ms: u64,
    pub(crate) term: u64,
    /// A first step of this process is durable: the tickets whose clients an earlier process may not have told are passed
    /// over, and all others are in this one's care.
    pub(crate) recovered: bool,
    pub(crate) waiters: Waiters,
    /// Answers on their way that say that a ticket is held.
    pub(crate) standings: Standings,
    pub(crate) definitions: (Vec<Definition>, ConfigureMode),
    pub(crate) events: Arc<Events>,
    pub(crate) status: Arc<Status>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) audit: Audit,
    /// Who asked for which events of this step.
    causes: Vec<(Range<usize>, Caller)>,
    /// Before this the locks are not measured again.
    pub(crate) measure_again_ms: u64,
    /// Service time of the last commit.
    pub(crate) saved_at: u64,
    /// Service time at which the term began.
    pub(crate) began_at: u64,
    /// Where the store has lost commits, nothing is granted before somebody has looked.
    pub(crate) pause_in_doubt: bool,
    clock: ServiceClock,
    pub(crate) request_queue: Arc<RequestQueue>,
    /// Requests that need another step, ahead of all others.
    pub(crate) unfinished: Vec<Request>,
    /// What has still to be done to the table, whoever hears of it, should the present step not become durable.
    pub(crate) carry_over: Vec<Command>,
    /// [`Table::activity_seqs`] of the table that was dropped last.
    pub(crate) activity_seqs: BTreeMap<TicketId, u64>,
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
        let (request_queue, events, status) =
            (RequestQueue::new(), Arc::new(Events::default()), Arc::new(Status::default()));
        let (metrics, next_waiter) = (Arc::new(Metrics::default()), Arc::new(AtomicU64::new(1)));
        let handle = Handle {
            request_queue: request_queue.clone(),
            status: status.clone(),
            events: events.clone(),
            metrics: metrics.clone(),
            audit: audit.clone(),
            next_waiter,
        };
        let engine = Self {
            store,
            table: None,
            pending: None,
            back_off_ms: 0,
            term: 0,
            recovered: false,
            waiters: Waiters::default(),
            standings: Standings::default(),
            definitions: Self::no_definitions(),
            events,
            status,
            metrics,
            audit,
            causes: Vec::new(),
            measure_again_ms: 0,
            saved_at: 0,
            began_at: 0,
            pause_in_doubt: false,
            clock: ServiceClock::default(),
            request_queue,
            unfinished: Vec::new(),
            carry_over: Vec::new(),
            activity_seqs: BTreeMap::new(),
        };
        (engine, handle)
    }

    /// Does everything that is due at this time, and answers the batch.
    ///
    /// # Errors
    /// If the store is damaged.
    pub fn step(&mut self, tick: Tick, batch: Vec<Request>) -> Result<(), Fatal> {
        let (mut passed, mut gap) = self.clock.advance(tick);
        self.metrics.engine.took(batch.len());
        if self.table.is_none() && self.pending.as_ref().is_none_or(|pending| pending.retry_at_ms <= tick.mono_ms) {
            self.begin_term(tick)?;
            // Leases began just now: what had passed before is not of their time (rule 9).
            (passed, gap) = (0, false);
        }
        if self.table.is_none() {
            self.refuse(batch);
            self.refuse_looks();
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.unfinished);
        all.extend(batch);
        self.run(tick, passed, gap, all)?;
        if self.table.is_some() {
            self.look(tick);
        } else {
            self.refuse_looks();
        }
        Ok(())
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
        table.set_moment(Moment { wall: tick.wall_us / 1000, mono: tick.mono_ms });
        table.begin_step(table.now() + passed);
        table.note_monotonic(tick.mono_ms);
        if gap {
            table.after_gap();
        }
        for request in &batch {
            if let Work::Command(command) = &request.work {
                table.heartbeat(command);
            }
        }
        {
            let is_connected = |id| self.waiters.any_open(id);
            let at = StepContext { now: table.now(), wall: tick.wall_us / 1000, is_connected: &is_connected };
            table.expire(at);
        }
        let mut replies = Vec::with_capacity(batch.len());
        for mut request in batch {
            self.hold_templates_back(&table, &mut request);
            let author = if self.audit.is_on() { request.author() } else { None };
            let before = table.events_so_far();
            self.handle(&mut table, tick, request, &mut replies);
            let events = before..table.events_so_far();
            self.causes.extend(author.filter(|_| !events.is_empty()).map(|author| (events, author)));
        }
        self.conclude(tick, table, replies)
    }

    fn apply(&self, table: &mut Table, tick: Tick, command: &Command) -> Result<Outcome, EngineError> {
        let is_connected = |id| self.waiters.any_open(id);
        let at = StepContext { now: table.now(), wall: tick.wall_us / 1000, is_connected: &is_connected };
        Ok(table.apply(at, command)?)
    }

    fn handle(&mut self, table: &mut Table, tick: Tick, request: Request, replies: &mut Vec<Reply>) {
        let command = match request.work {
            Work::Command(command) => *command,
            Work::EndWait { number, lost } => return self.end_wait(table, tick, number, lost, replies),
            Work::Measure => unreachable!("who measures only looks"),
        };
        let delivery = match request.attempt {
            Attempt::Replayed { made } => DeliveryKind::of_waiting(made),
            _ => DeliveryKind::of(&command),
        };
        if matches!(command, Command::Undelivered { .. } | Command::EndWait { .. }) {
            self.carry_over.push(command.clone());
        }
        match self.apply(table, tick, &command) {
            Ok(Outcome::Waiting(view)) => {
                let waiter = request.waiter.expect("only Handle::submit_waiting sends commands that wait");
                let reply = request.reply.expect("a waiting request has an answer");
                let caller = Request::caller(&command).expect("a waiting command has a caller").clone();
                self.register(
                    view.ticket.id,
                    PendingWait { waiter, caller, made: delivery == DeliveryKind::Made, reply },
                    table,
                    tick,
                    replies,
                );
            }
            Ok(Outcome::Incomplete) => {
                let work = Work::Command(Box::new(command));
                self.unfinished.push(Request { work, attempt: Attempt::Continued, ..request });
            }
            mut answer => {
                match (&mut answer, request.attempt) {
                    // What is to be deleted went by itself between two steps.
                    (Err(EngineError::Rejected(Rejection::UnknownLock)), Attempt::Continued) => {
                        answer = Ok(Outcome::Done)
                    }
                    // Its ticket was made in the batch that failed, and did not become durable.
                    (Err(EngineError::Rejected(Rejection::UnknownTicket)), Attempt::Replayed { .. }) => {
                        answer = Err(EngineError::Unavailable {
                            reason: Arc::from("the store failed, and the request was not stored"),
                            may_have_taken_effect: false,
                        });
                    }
                    // Whoever waited has not been told, even if the store knows of the grant since the last term.
                    (Ok(Outcome::Ticket(view)), Attempt::Replayed { .. }) => view.claimed = view.is_held(),
                    (Ok(outcome), _) => self.remember_configuration(&command, outcome),
                    _ => {}
                }
                let to = request.reply;
                replies.push(Reply { to, answer, delivery, events: table.events_so_far() });
            }
        }
    }

    fn register(&mut self, id: TicketId, one: PendingWait, table: &mut Table, tick: Tick, replies: &mut Vec<Reply>) {
        let waiter: Waiter = one.waiter.clone();
        self.waiters.add(id, one);
        // Its handler may have given up before the command came to its turn.
        if let Some(lost) = waiter.given_up() {
            self.end_wait(table, tick, waiter.number, lost, replies);
        }
    }

    fn end_wait(&mut self, table: &mut Table, tick: Tick, number: u64, lost: bool, replies: &mut Vec<Reply>) {
        let Some((id, one)) = self.waiters.remove(number) else {
            return;
        };
        if lost && !one.made && !self.waiters.waits(id) {
            self.carry_over.push(Command::EndWait { id, lost });
        }
        let mut answer = self.apply(table, tick, &Command::EndWait { id, lost });
        if let Ok(Outcome::Ticket(view)) = &mut answer {
            // Granted in this very step: this answer is the one that tells.
            view.claimed = view.is_held();
        }
        let (to, delivery) = (Some(one.reply), DeliveryKind::of_waiting(one.made));
        replies.push(Reply { to, answer, delivery, events: table.events_so_far() });
    }

    fn answer(&mut self, reply: Reply, before: EventId, receipts: &mut BTreeMap<TicketId, Arc<Receipt>>) {
        let told = reply.answer.map(|outcome| {
            let receipt = match &outcome {
                Outcome::Ticket(view) => self.receipt(view, reply.delivery, receipts),
                _ => None,
            };
            let as_of = EventId { sequence: before.sequence + reply.events as u64, ..before };
            let standing = self.standings.of_outcome(&outcome);
            CommandResult { outcome, as_of, receipt, standing, rendered: Rendered::default() }
        });
        send_reply(reply.to, told);
    }

    /// All answers that tell of one grant share a receipt; one that made its ticket has its own.
    fn receipt(
        &self,
        view: &TicketView,
        delivery: DeliveryKind,
        receipts: &mut BTreeMap<TicketId, Arc<Receipt>>,
    ) -> Option<Arc<Receipt>> {
        let id = view.ticket.id;
        if view.ended().is_some() || delivery == DeliveryKind::Nothing {
            None
        } else if delivery == DeliveryKind::Made {
            Some(Receipt::new(&self.request_queue, id, view.activity_seq, true))
        } else if view.claimed {
            let new = || Receipt::new(&self.request_queue, id, view.activity_seq, false);
            let receipt = receipts.entry(id).or_insert_with(new);
            receipt.extend(view.activity_seq);
            Some(receipt.clone())
        } else {
            let receipt = receipts.get(&id).filter(|_| view.is_held())?;
            receipt.extend(view.activity_seq);
            Some(receipt.clone())
        }
    }

    /// Nobody is told what is not durable: first the commit, then the events and the answers. If the commit fails, its
    /// outcome is unknown, everybody in the batch hears so, and the term is over.
    fn conclude(&mut self, tick: Tick, mut table: Table, replies: Vec<Reply>) -> Result<(), Fatal> {
        let causes = std::mem::take(&mut self.causes);
        let mut changes = table.take_changes();
        let worth_saving = table.is_timed() || table.has_deferred_changes();
        let save_after = ((table.now() - self.began_at) / 2).clamp(SAVE_CLOCK_FIRST_MS, SAVE_CLOCK_MS);
        if changes.is_empty() && worth_saving && table.now() >= self.saved_at + save_after {
            changes.push(table.clock_change());
        }
        // Deferred changes go along, but not to a store in trouble: the smaller a commit, the likelier it works.
        if !changes.is_empty() && self.back_off_ms == 0 {
            changes.extend(table.take_deferred_changes());
        }
        if !changes.is_empty() {
            if let Err(error) = self.commit(&changes) {
                self.fail(&table, replies, &error);
                return self.end_term(tick, error);
            }
            self.saved_at = table.now();
            // The clock alone fits on a disk that is full for everything else.
            if changes.len() > 1 {
                self.back_off_ms = 0;
            }
        }
        self.carry_over.clear();
        let served: Vec<TicketId> = table.take_served();
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
        let over: BTreeSet<TicketId> = table.ended_now().collect();
        self.metrics.locks.count(&events);
        self.audit.events(&events, &causes);
        let wall = tick.wall_us / 1000;
        self.metrics.history.note(&events);
        self.metrics.history.sample(wall, &table);
        self.events.publish(events, |lock| table.usage_of(lock));
        // Before anybody hears of it: an answer of an earlier step that is still here must not say that it is held.
        for &id in &over {
            self.standings.end(id, || table.look(id));
        }
        let mut receipts = BTreeMap::new();
        for (view, waiting) in views {
            for one in waiting {
                let answer = Ok(Outcome::Ticket(Box::new(view.clone())));
                let (to, delivery) = (Some(one.reply), DeliveryKind::of_waiting(one.made));
                self.answer(Reply { to, answer, delivery, events: all }, before, &mut receipts);
            }
        }
        for mut reply in replies {
            // Held when it was asked, and ended later in the same step.
            if let Ok(Outcome::Ticket(view)) = &mut reply.answer
                && view.is_held()
                && over.contains(&view.ticket.id)
                && let Some(now) = table.look(view.ticket.id)
            {
                **view = now;
            }
            self.answer(reply, before, &mut receipts);
        }
        self.table = Some(table);
        Ok(())
    }
}
