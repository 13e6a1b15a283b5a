//! The table: every lock, ticket and timer, and the only code that changes them.

mod acquire;
mod admin;
mod admit;
mod apply;
mod ask;
mod bundles;
mod caps;
mod checks;
mod configure;
mod expire;
mod grant;
mod instances;
mod life;
mod list;
mod load;
mod measure;
mod seats;
mod select;
mod supersede;
mod withhold;

use crate::caps::Caps;
use crate::change::Condition;
use crate::command::Rejection;
use crate::event::{Event, EventKind, Transition};
use crate::queue::{Bundle, Place, Queued, Queues, Selected};
use crate::rising::Rising;
use crate::shared_texts::SharedTexts;
use crate::slots::Slots;
use crate::timers::TimerTable;
use crate::view::{Moment, Statistics};
use crate::{
    Change, Key, LockName, LockRecord, Meta, Ms, Permits, Prefix, QuotaOwner, RequestScope, Shares, State,
    TemplateRecord, TicketId, TicketRecord, WallMs, Withdrawn, WithheldCause, WithheldName, Withholding, limits,
};
pub use load::LoadError;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// When and before whom a step happens: the core asks neither clock nor socket.
#[derive(Clone, Copy)]
pub struct StepContext<'a> {
    /// Service time. Never goes back.
    pub now: Ms,
    /// Wall time, only to be shown.
    pub wall: WallMs,
    /// Whether the connection of a request that waits for this ticket is open (rule 5). Asked just before a grant.
    pub is_connected: &'a dyn Fn(TicketId) -> bool,
}

/// The locks and tickets of a server, and the rules of section 3 of the design.
///
/// It does no I/O and knows no clock. Its driver owes it, in this order, for every step:
///
/// 1. [`Table::begin_step`] with a service time that is not smaller than the last one, and [`Table::after_gap`] if the
///    process stood still for longer than service time counts;
/// 2. [`Table::heartbeat`] for each command of the batch, *before* anything expires (rule 9);
/// 3. [`Table::expire`];
/// 4. [`Table::apply`] for each command;
/// 5. [`Table::take_changes`], which must be durable before any outcome is told to anybody, and with it, or now and then
///    without it, [`Table::take_deferred_changes`];
/// 6. [`Table::take_served`]: requests that waited for these tickets are answered now, with [`Table::answer_waiting`]; and
///    [`Table::take_events`].
///
/// After a step that could not be made durable the table is ahead of the store: drop it, and load another one that goes on
/// with its [`Table::activity_seqs`] ([`Continuity::SameProcess`]).
#[derive(Debug)]
pub struct Table {
    pub(crate) meta: Meta,
    pub(crate) locks: BTreeMap<LockName, Lock>,
    pub(crate) templates: BTreeMap<Prefix, Template>,
    pub(crate) tickets: BTreeMap<TicketId, Box<Ticket>>,
    /// Live tickets by number.
    pub(crate) numbers: Rising<TicketId>,
    /// Tickets with a `request_id`, ended ones that are remembered included.
    pub(crate) requests: BTreeMap<RequestScope, TicketId>,
    /// Live tickets whose protocol names the holder.
    pub(crate) holders: BTreeMap<(LockName, Arc<str>), TicketId>,
    /// Numbers of the queued tickets that can be superseded.
    pub(crate) superseding: BTreeMap<Superseding, BTreeSet<u64>>,
    /// Numbers of the live tickets of each key or, without one, address.
    pub(crate) live_by_owner: BTreeMap<QuotaOwner, BTreeSet<u64>>,
    pub(crate) withholdings: BTreeMap<u64, Withholding>,
    pub(crate) withheld_names: BTreeMap<LockName, WithheldName>,
    pub(crate) withdrawn: BTreeMap<RequestScope, Withdrawal>,
    /// The same by the owner that withdrew them, and by the time when they are forgotten.
    pub(crate) withdrawn_by: Shares<QuotaOwner, (Ms, RequestScope)>,
    /// Instances of templates that are charged to each key or address.
    pub(crate) instances: BTreeMap<QuotaOwner, usize>,
    /// Ended tickets by the time and order of their end.
    pub(crate) ended: BTreeSet<(Ms, u64, TicketId)>,
    /// The same by key or address.
    pub(crate) ended_of: Shares<QuotaOwner, (Ms, u64, TicketId)>,
    /// Leases by the moment they end, with the numbers of their tickets: queued, grace and held.
    pub(crate) leases: BTreeSet<(Ms, u64)>,
    /// Everything that ends by the clock whatever anybody says.
    pub(crate) timers: TimerTable<Timer>,
    /// What ends in wall time.
    pub(crate) wall_timers: TimerTable<WallTimer>,
    /// Wall time of the last step.
    wall: WallMs,
    /// No lease ends before this: the process stood still (rule 9).
    floor: Ms,
    /// How many more tickets this step may end because of timers.
    ends_left: usize,
    /// Bundles that queue. Without any, no lock has to do with another.
    pub(crate) queued_bundles: usize,
    /// Locks of which a grant may have become possible, or a waiter impossible: see [`Table::grant_ripe`].
    ripe: BTreeSet<LockName>,
    /// Those of which this step may end no more waiters: it goes on in the next one.
    unfinished: BTreeSet<LockName>,
    /// Loaded and not yet stepped: what an operator changed in the store by hand may have made grants possible. Whether the first
    /// step makes tickets dormant whose clients may not know of them.
    unstepped: Option<bool>,
    /// When the present step is made, for views.
    moment: Moment,
    dirty: BTreeSet<Key>,
    /// Of words that many tickets say.
    shared: SharedTexts,
    /// Tickets whose records differ from the stored ones in nothing but that their clients are known to know of them, and
    /// when their leases began.
    pub(crate) deferred: BTreeSet<TicketId>,
    served: Vec<TicketId>,
    events: Vec<Event>,
    /// Whose command is being applied, if it is one of which that is told.
    author: Option<Arc<str>>,
}

/// Lock, further locks of a bundle, owner and word of tickets of which a newer one supersedes the queued (rule 18).
pub(crate) type Superseding = (LockName, Box<[LockName]>, QuotaOwner, Arc<str>);

/// A ticket and what of it is not durable.
#[derive(Debug)]
pub(crate) struct Ticket {
    record: TicketRecord,
    /// The end of its lease, as it stands in `leases`.
    pub(crate) lease_until: Option<Ms>,
    /// Requests that wait on the server for it.
    pub(crate) waiting: u32,
    /// Rises with each heartbeat.
    pub(crate) activity_seq: u64,
    /// Restored from the store and not heard of since: its client may still be looking for the server.
    pub(crate) restored: bool,
}

impl Deref for Ticket {
    type Target = TicketRecord;

    fn deref(&self) -> &TicketRecord {
        &self.record
    }
}

impl DerefMut for Ticket {
    fn deref_mut(&mut self) -> &mut TicketRecord {
        &mut self.record
    }
}

impl Ticket {
    pub(crate) fn place(&self) -> Place {
        Place::new(self.priority, self.seq)
    }

    /// Permits it asks for of its `at`th lock, as the queue there counts them.
    pub(crate) fn wants(&self, at: usize) -> u32 {
        if at == 0 { wants(self.permits) } else { wants(self.more().parts[at - 1].permits) }
    }

    /// It in the queue of its `at`th lock.
    pub(crate) fn queued(&self, at: usize) -> Queued {
        let dormant = self.state != State::Queued { dormant: false };
        Queued { place: self.place(), id: self.id, permits: self.wants(at), dormant }
    }

    /// The line in which it queues.
    pub(crate) fn selected(&self) -> Selected {
        let Some(more) = &self.more else { return Selected::Any };
        match &more.selection {
            Some(selection) => Selected::Slots(selection.clone()),
            None if more.parts.is_empty() => Selected::Any,
            None => Selected::Bundle(Arc::new(self.bundle())),
        }
    }

    /// What it asks for as a bundle.
    fn bundle(&self) -> Bundle {
        self.parts().map(|part| (part.lock.clone(), wants(part.permits))).collect()
    }

    /// What it asks for of its `at`th lock, as caps tell it apart.
    pub(crate) fn kind(&self, at: usize) -> crate::caps::Kind {
        (self.wants(at), self.selected())
    }

    /// The locks behind the first one.
    pub(crate) fn other_locks(&self) -> Box<[LockName]> {
        self.more().parts.iter().map(|part| part.lock.clone()).collect()
    }

    pub(crate) fn quota_owner(&self) -> QuotaOwner {
        QuotaOwner::of(self.owner.as_ref(), &self.from)
    }

    /// What it can be superseded by.
    pub(crate) fn superseding(&self) -> Option<Superseding> {
        let word = self.more().supersede.clone()?;
        Some((self.lock.clone(), self.other_locks(), self.quota_owner(), word))
    }

    pub(crate) fn scope(&self) -> Option<RequestScope> {
        let id = self.request.as_ref()?.id.clone();
        Some(RequestScope { lock: self.lock.clone(), others: self.other_locks(), owner: self.owner.clone(), id })
    }
}

/// Permits as a queue counts them: 0 is "all".
pub(crate) fn wants(permits: Permits) -> u32 {
    match permits {
        Permits::Count(count) => count,
        Permits::All => 0,
    }
}

/// A withdrawn request id, and who withdrew it. That is not stored, where the scope does not say it: after a start the
/// withdrawals of clients without a key count as those of one of them, for the ten minutes that they are remembered.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    pub(crate) record: Withdrawn,
    pub(crate) by: QuotaOwner,
}

/// A lock and what of it is derived.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) record: LockRecord,
    pub(crate) slots: Slots,
    pub(crate) queue: Queues,
    /// Tickets with permits, by fencing token: in the order of their grants.
    pub(crate) active: BTreeMap<u64, TicketId>,
    /// Withheld permits, by their numbers.
    pub(crate) withholdings: BTreeSet<u64>,
    /// Those of them that are to have more as it comes back.
    pub(crate) awaiting: BTreeSet<u64>,
    /// Permits that are withheld.
    pub(crate) withheld: u64,
    /// The same by why, in the order of [`WithheldCause::ALL`].
    pub(crate) withheld_by: [u64; WithheldCause::ALL.len()],
    /// Permits of tickets that are granted and not claimed.
    pub(crate) granted: u64,
    /// A ticket for all permits, or the withholding after it, is out: nothing else is granted.
    pub(crate) exclusive: bool,
    /// Being deleted: no grants, no new tickets; gone with its last ticket.
    pub(crate) deleting: bool,
    pub(crate) statistics: Statistics,
    /// What each owner has of it, if it has a cap.
    pub(crate) caps: Option<Box<Caps>>,
    /// How many tags each slot has that has some.
    pub(crate) tagged: BTreeMap<u32, usize>,
    /// When the last ticket that had each slot ended, and its number, if that decides which one is given (`lru`).
    pub(crate) used: BTreeMap<u32, (Ms, u64)>,
    /// The ticket that this instance of a template is charged for, and its owner. It is not stored.
    pub(crate) charged: Option<(u64, QuotaOwner)>,
}

impl Lock {
    /// A lock of which nothing is out. Names without a slot of their own are given one.
    pub(crate) fn new(mut record: LockRecord) -> Self {
        let slots = Slots::new(&record.settings.capacity, &record.slot_names);
        record.slot_names = slots.names();
        let tagged = select::tagged(&record.settings, &slots);
        Self {
            tagged,
            used: BTreeMap::new(),
            slots,
            caps: record.settings.max_per_owner.map(|_| Box::default()),
            record,
            queue: Queues::default(),
            active: BTreeMap::new(),
            withholdings: BTreeSet::new(),
            awaiting: BTreeSet::new(),
            withheld: 0,
            withheld_by: Default::default(),
            granted: 0,
            exclusive: false,
            deleting: false,
            statistics: Statistics::default(),
            charged: None,
        }
    }

    /// Tickets that have not ended.
    pub(crate) fn live(&self) -> usize {
        self.queue.len() + self.active.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.live() == 0 && self.withholdings.is_empty()
    }

    /// A waiter that asks for more than it can ever be given.
    pub(crate) fn oversized(&self) -> Option<TicketId> {
        self.queue.oversized(self.record.settings.most_permits(), self.slots.size(), |_, fit| fit).next()
    }
}

/// A template and the number of its instances.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) record: TemplateRecord,
    pub(crate) instances: usize,
}

/// What ends by the clock, beside leases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A hold becomes overdue.
    Hold(TicketId),
    /// Withheld permits can be given again.
    Withholding(u64),
    /// A pause ends that is measured in service time.
    Pause(LockName),
    /// The name of a deleted lock may be taken again.
    WithheldName(LockName),
    /// A withdrawn request id is forgotten.
    Withdrawn(RequestScope),
    /// An instance of a template has been idle for its time.
    Instance(LockName),
}

/// What ends when the machine's clock says so: somebody has said the time of day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WallTimer {
    /// A pause.
    Pause(LockName),
    /// Permits that an administrator withholds.
    Withholding(u64),
    /// A report of what others use becomes stale.
    Report(LockName),
}

impl Table {
    /// Begins a step at this time.
    ///
    /// # Panics
    /// If service time goes back.
    pub fn begin_step(&mut self, now: Ms) {
        assert!(now >= self.meta.service_ms, "service time went back: {now} after {}", self.meta.service_ms);
        self.meta.service_ms = now;
        self.ends_left = limits::STEP_ENDS_MAX;
    }

    /// When the present step is made: stands in all views from now on.
    pub fn set_moment(&mut self, moment: Moment) {
        self.moment = moment;
    }

    /// Service time of the present step.
    #[must_use]
    pub fn now(&self) -> Ms {
        self.meta.service_ms
    }

    /// The process stood still for longer than the service clock counts: every lease has at least 5 s left (rule 9).
    pub fn after_gap(&mut self) {
        self.floor = self.now() + limits::LEASE_AFTER_GAP_MS;
    }

    /// What must be made durable before anybody is told of this step; empty if nothing durable changed.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut dirty = std::mem::take(&mut self.dirty);
        if !dirty.is_empty() {
            dirty.insert(Key::Meta);
        }
        dirty.into_iter().map(|key| self.change_of(key)).collect()
    }

    /// What may be written later: that clients know of their tickets. At most 1000 records, none of which
    /// [`Table::take_changes`] has given in the same step; they may go into its commit. After a crash without them such
    /// tickets are dormant until their next heartbeat (rule 9), so it should not take long.
    pub fn take_deferred_changes(&mut self) -> Vec<Change> {
        let rest = self.deferred.iter().nth(limits::DEFERRED_CHANGES_MAX).copied();
        let rest = rest.map(|first| self.deferred.split_off(&first)).unwrap_or_default();
        let now = std::mem::replace(&mut self.deferred, rest);
        now.into_iter().map(|id| Change::PutTicket(self.ticket(id).record.clone())).collect()
    }

    /// Whether [`Table::take_deferred_changes`] has something to give.
    #[must_use]
    pub fn has_deferred_changes(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// What the machine's monotonic clock shows, to be saved with the clock; 0 before an orderly stop (rule 9).
    pub fn note_monotonic(&mut self, monotonic_ms: u64) {
        self.meta.uptime.monotonic_ms = monotonic_ms;
    }

    /// The store has lost what it was given, as was found at this wall time.
    pub fn doubt(&mut self, since: WallMs) {
        self.meta.uptime.doubt_at = since;
    }

    /// The server is stopped in order by somebody who has seen what it says.
    pub fn end_doubt(&mut self) {
        self.meta.uptime.doubt_at = 0;
    }

    /// Since when it is known that the store had lost commits, and nobody has stopped the server in order since.
    #[must_use]
    pub fn in_doubt_since(&self) -> Option<WallMs> {
        Some(self.meta.uptime.doubt_at).filter(|at| *at > 0)
    }

    /// The clock alone, to be saved now and then while anything is timed (rule 9).
    #[must_use]
    pub fn clock_change(&self) -> Change {
        Change::Meta(self.meta)
    }

    /// Whether the passing of time matters to anything.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        !(self.leases.is_empty() && self.timers.is_empty() && self.wall_timers.is_empty() && self.ended.is_empty())
    }

    /// Whether it was loaded and has not made a step yet.
    pub(crate) fn is_unstepped(&self) -> bool {
        self.unstepped.is_some()
    }

    fn change_of(&self, key: Key) -> Change {
        match key {
            Key::Meta => Change::Meta(self.meta),
            Key::Lock(name) => match self.locks.get(&name) {
                Some(lock) => Change::PutLock(lock.record.clone()),
                None => Change::DeleteLock(name),
            },
            Key::Template(prefix) => match self.templates.get(&prefix) {
                Some(template) => Change::PutTemplate(template.record.clone()),
                None => Change::DeleteTemplate(prefix),
            },
            Key::Ticket(number, id) => match self.tickets.get(&id) {
                Some(ticket) => Change::PutTicket(ticket.record.clone()),
                None => Change::DeleteTicket { number, id },
            },
            Key::Withholding(number) => match self.withholdings.get(&number) {
                Some(withholding) => Change::PutWithholding(withholding.clone()),
                None => Change::DeleteWithholding(number),
            },
            Key::WithheldName(name) => match self.withheld_names.get(&name) {
                Some(withheld) => Change::PutWithheldName(withheld.clone()),
                None => Change::DeleteWithheldName(name),
            },
            Key::Withdrawn(scope) => match self.withdrawn.get(&scope) {
                Some(withdrawal) => Change::PutWithdrawn(withdrawal.record.clone()),
                None => Change::DeleteWithdrawn(scope),
            },
        }
    }

    /// The count of heartbeats of each ticket, what [`crate::Command::Undelivered`] is held against. Ended ones are
    /// among them: their end may not have become durable.
    #[must_use]
    pub fn activity_seqs(&self) -> BTreeMap<TicketId, u64> {
        self.tickets.iter().map(|(&id, ticket)| (id, ticket.activity_seq)).collect()
    }

    /// Tickets that were granted and claimed, or ended, while requests waited for them: those requests are answered now.
    /// Each ticket once, also if it was granted and then ended.
    pub fn take_served(&mut self) -> Vec<TicketId> {
        let mut seen = BTreeSet::new();
        self.served.retain(|id| seen.insert(*id));
        std::mem::take(&mut self.served)
    }

    /// Events of this step so far: a view made now includes that many of those that [`Table::take_events`] will give.
    #[must_use]
    pub fn events_so_far(&self) -> usize {
        self.events.len()
    }

    /// What happened in this step.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Service time at which [`Table::expire`] has something to do, if no command comes before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Ms> {
        let lease = self.leases.first().map(|(at, _)| (*at).max(self.floor));
        let timer = self.timers.next();
        let wall = self.wall_timers.next().map(|at| self.now() + at.saturating_sub(self.wall));
        let memory = self.ended.first().map(|(at, ..)| at + limits::ENDED_MEMORY_MS);
        let sweep = (self.unstepped.is_some() || !self.unfinished.is_empty()).then_some(self.now());
        [lease, timer, wall, memory, sweep].into_iter().flatten().min()
    }

    fn mark(&mut self, key: Key) {
        if let Key::Ticket(_, id) = &key {
            self.deferred.remove(id);
        }
        self.dirty.insert(key);
    }

    fn mark_ticket(&mut self, id: TicketId) {
        self.mark(Key::Ticket(self.ticket(id).number, id));
    }

    fn is_marked(&self, id: TicketId) -> bool {
        self.dirty.contains(&Key::Ticket(self.ticket(id).number, id))
    }

    fn emit(&mut self, at: StepContext<'_>, lock: &LockName, kind: EventKind) {
        let template = self.locks.get(lock).and_then(|lock| lock.record.template.clone());
        let by = self.author.clone().filter(|_| match &kind {
            EventKind::Ticket { transition, .. } => matches!(transition, Transition::Ended { .. }),
            _ => true,
        });
        self.events.push(Event { at: at.wall, lock: lock.clone(), template, kind, by });
    }

    /// Tells what has become of a lock that was in that condition.
    fn emit_change(&mut self, at: StepContext<'_>, lock: &LockName, was: &Condition) {
        let (changes, pause) = was.changes(&self.lock(lock).record);
        self.emit(at, lock, EventKind::LockChanged { changes, pause });
    }

    pub(crate) fn ticket(&self, id: TicketId) -> &Ticket {
        self.tickets.get(&id).expect("an id from the table's own lists")
    }

    fn ticket_mut(&mut self, id: TicketId) -> &mut Ticket {
        self.tickets.get_mut(&id).expect("an id from the table's own lists")
    }

    pub(crate) fn lock(&self, name: &LockName) -> &Lock {
        self.locks.get(name).expect("a live ticket's lock exists")
    }

    fn lock_mut(&mut self, name: &LockName) -> &mut Lock {
        self.locks.get_mut(name).expect("a live ticket's lock exists")
    }

    /// When a lease ends that stands in the table as ending then.
    fn lease_end(&self, until: Ms) -> Ms {
        until.max(self.floor)
    }

    /// How a ticket's client finds it: live or remembered.
    fn find(&self, id: TicketId) -> Result<&Ticket, Rejection> {
        self.tickets.get(&id).map(Box::as_ref).ok_or(Rejection::UnknownTicket)
    }

    fn is_ended(&self, id: TicketId) -> bool {
        matches!(self.ticket(id).state, State::Ended { .. })
    }
}
