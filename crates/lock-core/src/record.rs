//! What of the table is durable: the records a store keeps, and the changes it is given.
//!
//! Records hold nothing that is derived: no lease deadlines (a lease starts again in full at load, rule 9), no indexes, no
//! statistics.

use crate::uptime::{CLOCK_LAG_MAX_MS, Uptime};
use crate::{LockName, Ms, Prefix, Selection, Settings, SlotName, WallMs};
use std::fmt;
use std::sync::Arc;

/// Secret name of a ticket: knowing it allows to renew and release. A UUID, version 4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u128);

impl fmt::Debug for TicketId {
    /// The first 8 hexadecimal digits: logs and panics must not carry the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}…", (self.0 >> 96) as u32)
    }
}

/// Slots as sorted, disjoint, non-adjacent, inclusive ranges: a ticket may have a million of them.
pub type SlotRanges = Vec<(u32, u32)>;

/// Counters and the clock. Saved with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Service time (rule 9).
    pub service_ms: Ms,
    /// The last fencing token given (rule 10).
    pub last_token: u64,
    /// The last ticket number given.
    pub last_number: u64,
    /// The last place in a queue given.
    pub last_seq: u64,
    /// The last revision of a lock's settings given.
    pub last_revision: u64,
    /// The lives of the server.
    pub uptime: Uptime,
    /// Every ticket up to this number that queued unacknowledged became dormant when the server was started (rule 9), which is not
    /// written down for each: see [`Snapshot::read_dormancy`].
    pub dormant_to: u64,
}

impl Meta {
    /// The part of service time that is known to be uptime.
    #[must_use]
    pub fn uptime_ms(&self) -> Ms {
        self.service_ms.saturating_sub(self.uptime.downtime_ms)
    }

    /// After a crash: counts the time since the last commit, at most [`CLOCK_LAG_MAX_MS`], so that the clock does not go
    /// back. On another boot of the machine its clock begins at 0; either way no more is counted than has passed.
    pub fn count_downtime(&mut self, monotonic_ms: u64) {
        let Uptime { monotonic_ms: then, .. } = self.uptime;
        if then == 0 {
            return;
        }
        let passed = if monotonic_ms >= then { monotonic_ms - then } else { monotonic_ms };
        let counted = passed.min(CLOCK_LAG_MAX_MS);
        self.service_ms += counted;
        self.uptime.downtime_ms += counted;
    }
}

/// When something ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// In service time: what holders were promised.
    Service(Ms),
    /// In wall time: what an administrator said. It passes while the server does not run, and follows the clock if that is set.
    Wall(WallMs),
}

/// A pause of a lock (rule 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why, for people.
    pub reason: Arc<str>,
    /// The author of the pause: see [`Caller::name`](crate::Caller::name). `None` if the file did, or nobody knows any more.
    pub by: Option<Arc<str>>,
    /// When it ends by itself.
    pub until: Option<Until>,
}

impl Pause {
    /// ` by ops: firmware`
    pub(crate) fn words(&self) -> String {
        let by = self.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let reason = Some(&*self.reason).filter(|reason| !reason.is_empty());
        format!("{by}{}", reason.map(|reason| format!(": {reason}")).unwrap_or_default())
    }
}

/// The values that a lock was last set to from the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileValues {
    /// Settings of the section, every value resolved.
    pub settings: Settings,
    /// 0.36's size 0.
    pub paused: bool,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRecord {
    /// Its name; the key of the record.
    pub name: LockName,
    /// What holds now.
    pub settings: Settings,
    /// What the file last said; `None` for a lock made by request.
    pub file: Option<FileValues>,
    /// The template it is an instance of.
    pub template: Option<Prefix>,
    /// Its section is gone: no new tickets, and it goes with its last one.
    pub retiring: bool,
    /// Grants are stopped.
    pub pause: Option<Pause>,
    /// What was last reported of permits that others use.
    pub outside: Option<Outside>,
    /// Which slot has which of the names in `settings.capacity`, by slot. Empty without names.
    pub slot_names: Vec<(u32, SlotName)>,
    /// Revision of the settings: a new one at each change of them, a pause included. Never given twice on a server.
    pub revision: u64,
}

/// A template: settings for every lock whose name begins with the prefix (rule 12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRecord {
    /// Key of the record.
    pub prefix: Prefix,
    /// Settings of a new instance.
    pub settings: Settings,
    /// New instances start paused.
    pub paused: bool,
}

/// How many permits a ticket asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permits {
    /// That many.
    Count(u32),
    /// Every one: granted only when nothing of the lock is out, and alone while it lives (rule 2).
    All,
}

/// How long a ticket lives without a heartbeat (rule 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// As the lock's settings say.
    OfLock,
    /// That long; given to the client in the answer.
    Given(Ms),
    /// For ever once it is held: the protocol has no renewal (FleetLock, Terraform). It queues like any other.
    Never,
}

/// Queue lease of a ticket that has no [`Lease::Given`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLease {
    /// A minute.
    Minute,
    /// The lock's `expiration` (XML-RPC).
    Expiration,
}

/// How a ticket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndedAs {
    /// Its client gave the permits back, claimed or not.
    Released,
    /// Its client withdrew it while it was queued.
    Cancelled,
    /// A newer ticket of its owner took its place while it was queued (rule 18).
    Superseded,
    /// No heartbeat while it was queued.
    Expired,
    /// No heartbeat while it was held.
    Lost,
    /// Held longer than `max_hold`.
    Overdue,
    /// An administrator ended it.
    Revoked,
    /// The lock shrank below what it asked for.
    Oversized,
    /// The lock was deleted.
    LockDeleted,
}

impl EndedAs {
    /// All of them, in the order above.
    pub const ALL: [Self; 9] = [
        Self::Released,
        Self::Cancelled,
        Self::Superseded,
        Self::Expired,
        Self::Lost,
        Self::Overdue,
        Self::Revoked,
        Self::Oversized,
        Self::LockDeleted,
    ];

    /// The word used in APIs, logs and stores; never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Overdue => "overdue",
            Self::Revoked => "revoked",
            Self::Oversized => "oversized",
            Self::LockDeleted => "lock_deleted",
        }
    }

    /// The end that has this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == word)
    }

    /// Whether the client itself ended the ticket.
    #[must_use]
    pub fn by_owner(self) -> bool {
        matches!(self, Self::Released | Self::Cancelled)
    }
}

/// Where a ticket is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In the queue. A dormant one is not served until its next heartbeat.
    Queued {
        /// Not served until its next heartbeat.
        dormant: bool,
    },
    /// Has its permits and has not been told.
    Granted,
    /// Has its permits and has been told.
    Held,
    /// Over.
    Ended {
        /// How.
        how: EndedAs,
        /// When, in service time.
        at: Ms,
        /// An administrator's words; of a superseded one, the server's.
        reason: Option<Arc<str>>,
    },
}

/// Where a live ticket is, without anything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the queue, dormant or not.
    Queued,
    /// It has its permits, and its client has not heard of it.
    Granted,
    /// It has its permits, and its client knows.
    Held,
}

impl Stage {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Granted => "granted",
            Self::Held => "held",
        }
    }
}

/// A `request_id` with what the request asked for beside what the ticket shows, to tell a repetition from a reuse (rule 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// As the client chose it.
    pub id: Arc<str>,
    /// The lease asked for, before any cap.
    pub asked_ttl: Option<Ms>,
    /// The longest hold asked for, before any cap.
    pub asked_max_hold: Option<Ms>,
}

/// What few tickets have, in one box: there may be a million without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// The word with which it was to supersede queued tickets, and can be superseded itself (rule 18).
    pub supersede: Option<Arc<str>>,
    /// Number of the ticket that superseded it.
    pub superseded_by: Option<u64>,
    /// Service time before which its permits are not given again (rule 17); set when it is claimed.
    pub not_before: Option<Ms>,
    /// The author of its end, if an administrator ended it, or a change by one: see [`Caller::name`](crate::Caller::name).
    pub ended_by: Option<Arc<str>>,
    /// Which slots it will have; `None` takes any.
    pub selection: Option<Arc<Selection>>,
    /// Of a bundle (rule 13): the further locks, in the order of their names, each behind [`TicketRecord::lock`].
    pub parts: Vec<Part>,
}

/// What a bundle asks for and has of one of its further locks (rule 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The lock.
    pub lock: LockName,
    /// What it asks for there.
    pub permits: Permits,
    /// Slots of its last grant.
    pub slots: SlotRanges,
    /// Names of those slots, in their order; empty if they have none.
    pub slot_names: Vec<SlotName>,
    /// Service time before which these permits are not given again (rule 17); set when it is claimed.
    pub not_before: Option<Ms>,
}

/// A ticket: one request for permits, from its making to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRecord {
    /// Secret; the key of the record.
    pub id: TicketId,
    /// Public.
    pub number: u64,
    /// The lock it is for; of a bundle the first one by its name. The others are in [`More::parts`].
    pub lock: LockName,
    /// Name of the key that made it; `None` without a key.
    pub owner: Option<Arc<str>>,
    /// Address of the client that made it.
    pub from: Arc<str>,
    /// The client's words about it.
    pub info: Arc<str>,
    /// What it asks for.
    pub permits: Permits,
    /// Higher ones go first.
    pub priority: i8,
    /// Its place among those of its priority (rule 2).
    pub seq: u64,
    /// Set if the client chose a `request_id`. In a box, for there may be a million tickets without.
    pub request: Option<Box<RequestKey>>,
    /// Set by protocols that name the holder.
    pub holder: Option<Arc<str>>,
    /// Its lease.
    pub lease: Lease,
    /// Its lease while queued, if it has none of its own.
    pub queue_lease: QueueLease,
    /// Longest hold it asked for itself.
    pub max_hold: Option<Ms>,
    /// A request has named it since it was made, so its client knows of it (rule 9). Storing that is deferred: after a crash
    /// `false` proves nothing.
    pub acknowledged: bool,
    /// Uptime ([`Meta::uptime_ms`]) at which its lease began for the first time in the last life of the server in which it
    /// did, so far as is stored: later than the start of that life. Storing it is deferred, as for `acknowledged`.
    pub lease_began: Ms,
    /// Where it is.
    pub state: State,
    /// Fencing token of its last grant.
    pub token: Option<u64>,
    /// Slots of its last grant.
    pub slots: SlotRanges,
    /// Names of those slots, in their order; empty if they have none.
    pub slot_names: Vec<SlotName>,
    /// Service time at which it becomes overdue; set when it is claimed.
    pub hold_until: Option<Ms>,
    /// When it was made.
    pub created_at: WallMs,
    /// When it was last granted.
    pub granted_at: Option<WallMs>,
    /// When it was claimed.
    pub held_at: Option<WallMs>,
    /// When it ended.
    pub ended_at: Option<WallMs>,
    /// What few tickets have; `None` if it has nothing of that. Read it with [`TicketRecord::more`].
    pub more: Option<Box<More>>,
}

impl TicketRecord {
    /// What few tickets have.
    #[must_use]
    pub fn more(&self) -> &More {
        static NOTHING: More = More {
            supersede: None,
            superseded_by: None,
            not_before: None,
            ended_by: None,
            selection: None,
            parts: Vec::new(),
        };
        self.more.as_deref().unwrap_or(&NOTHING)
    }

    /// Changes what few tickets have. What is left empty takes no room.
    pub(crate) fn change_more(&mut self, change: impl FnOnce(&mut More)) {
        let mut more = self.more.take().unwrap_or_default();
        change(&mut more);
        self.more = Some(more).filter(|more| **more != More::default());
    }

    /// Whether it has permits.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Granted | State::Held)
    }

    /// Where it is; `None` once it has ended.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self.state {
            State::Queued { .. } => Some(Stage::Queued),
            State::Granted => Some(Stage::Granted),
            State::Held => Some(Stage::Held),
            State::Ended { .. } => None,
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }
}

/// Why permits are withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WithheldCause {
    /// Their last holder was lost, overdue or revoked, and may still be at work (rule 4).
    LostHolder,
    /// They came back sooner than they may be given again (rule 17).
    Cooldown,
    /// Their last holder gave them back as broken (rule 15).
    Broken,
    /// An administrator withholds them (rule 15).
    Admin,
    /// Others use them, as was reported (rule 15).
    Outside,
}

impl WithheldCause {
    /// All of them, in the order above.
    pub const ALL: [Self; 5] = [Self::LostHolder, Self::Cooldown, Self::Broken, Self::Admin, Self::Outside];

    /// The word used in APIs, logs and stores; never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LostHolder => "lost_holder",
            Self::Cooldown => "cooldown",
            Self::Broken => "broken",
            Self::Admin => "admin",
            Self::Outside => "outside",
        }
    }

    /// The cause of this word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// Permits that nobody may be given for now (rules 4, 15 and 17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withholding {
    /// Number of the ticket that had them, or one of its own; the key of the record. No ticket and no other withholding has it.
    pub number: u64,
    /// The lock.
    pub lock: LockName,
    /// The slots.
    pub slots: SlotRanges,
    /// Their names, if they have any.
    pub slot_names: Vec<SlotName>,
    /// The ticket had asked for all permits: nothing at all is granted while this lasts.
    pub all: bool,
    /// Why they are withheld.
    pub cause: WithheldCause,
    /// How the ticket ended that had them; `None` if they were withheld by somebody's word.
    pub how: Option<EndedAs>,
    /// The reason that was given when they were withheld, or when the ticket was ended. That of a ticket is cut to [`crate::limits::INFO_KEPT_BYTES_MAX`].
    pub reason: Option<Arc<str>>,
    /// Service time at which they can be given again.
    pub until: Option<Ms>,
    /// Or wall time, if an administrator or a report said so. With neither they are withheld until they are restored.
    pub until_wall: Option<WallMs>,
    /// So many more are withheld as they come back.
    pub awaited: u32,
    /// Or those slots, when they come back. A name that is not there any more is awaited in vain.
    pub awaited_names: Vec<SlotName>,
}

impl Withholding {
    /// When they can be given again by themselves.
    #[must_use]
    pub fn ends(&self) -> Option<Until> {
        self.until.map(Until::Service).or_else(|| self.until_wall.map(Until::Wall))
    }

    /// How many permits it is to withhold, those included that have not come back yet.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        let slots: u64 = self.slots.iter().map(|&(first, last)| u64::from(last - first) + 1).sum();
        slots + u64::from(self.awaited) + self.awaited_names.len() as u64
    }
}

/// What was reported of a lock's permits that are used out of our sight (rule 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// Permits in use when it was made, those of our own holders included.
    pub in_use: u32,
    /// When it was made.
    pub reported_at: WallMs,
    /// Until when it counts; `None` once it is stale.
    pub until: Option<WallMs>,
}

/// Name of a deleted lock that may not be taken yet (rule 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithheldName {
    /// The name; the key of the record.
    pub name: LockName,
    /// Service time at which it may be taken again.
    pub until: Ms,
}

/// Whose `request_id`: its scope is a key name and a lock (rule 6), or the locks of a bundle (rule 13).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestScope {
    /// The lock; of a bundle the first one by its name.
    pub lock: LockName,
    /// The further locks of a bundle, in the order of their names.
    pub others: Box<[LockName]>,
    /// The key's name.
    pub owner: Option<Arc<str>>,
    /// As the client chose it.
    pub id: Arc<str>,
}

/// A `request_id` that was ended before its request arrived; the late request takes nothing (rule 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The key of the record.
    pub scope: RequestScope,
    /// Service time at which it is forgotten.
    pub until: Ms,
}

/// Everything a store gives back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Counters and the clock.
    pub meta: Meta,
    /// Locks.
    pub locks: Vec<LockRecord>,
    /// Templates.
    pub templates: Vec<TemplateRecord>,
    /// Tickets, ended ones that are still remembered included.
    pub tickets: Vec<TicketRecord>,
    /// Withheld permits.
    pub withholdings: Vec<Withholding>,
    /// Names of deleted locks.
    pub withheld_names: Vec<WithheldName>,
    /// Withdrawn request ids.
    pub withdrawn: Vec<Withdrawn>,
    /// The store forgets, or is a copy of another: counters begin at Unix time in microseconds if that is higher (rule 10).
    pub restart_counters: bool,
    /// The store is older than what was last committed to it, and is no copy: somebody may hold what it does not know of.
    pub lost_commits: bool,
}

/// One change of the durable state. A commit holds at most one for each key, and a [`Change::Meta`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Counters and the clock.
    Meta(Meta),
    /// A lock is made or changed.
    PutLock(LockRecord),
    /// A lock is gone.
    DeleteLock(LockName),
    /// A template is made or changed.
    PutTemplate(TemplateRecord),
    /// A template is gone.
    DeleteTemplate(Prefix),
    /// A ticket is made or changed.
    PutTicket(TicketRecord),
    /// An ended ticket is forgotten. Its number is the one that it always had: a store finds it by either.
    DeleteTicket {
        /// Its number.
        number: u64,
        /// Its id.
        id: TicketId,
    },
    /// Permits are withheld, or until another time.
    PutWithholding(Withholding),
    /// Permits can be given again; by ticket number.
    DeleteWithholding(u64),
    /// The name of a deleted lock is withheld.
    PutWithheldName(WithheldName),
    /// A name may be taken again.
    DeleteWithheldName(LockName),
    /// A request id is withdrawn.
    PutWithdrawn(Withdrawn),
    /// A withdrawn request id is forgotten.
    DeleteWithdrawn(RequestScope),
}

/// The record that a [`Change`] is about; changes of the same key replace each other within a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// [`Meta`].
    Meta,
    /// A lock.
    Lock(LockName),
    /// A template.
    Template(Prefix),
    /// A ticket, by its number first: a commit then names those together that were made together.
    Ticket(u64, TicketId),
    /// Withheld permits.
    Withholding(u64),
    /// A withheld name.
    WithheldName(LockName),
    /// A withdrawn request id.
    Withdrawn(RequestScope),
}

impl Change {
    /// The record it is about.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Meta(_) => Key::Meta,
            Self::PutLock(lock) => Key::Lock(lock.name.clone()),
            Self::DeleteLock(name) => Key::Lock(name.clone()),
            Self::PutTemplate(template) => Key::Template(template.prefix.clone()),
            Self::DeleteTemplate(prefix) => Key::Template(prefix.clone()),
            Self::PutTicket(ticket) => Key::Ticket(ticket.number, ticket.id),
            Self::DeleteTicket { number, id } => Key::Ticket(*number, *id),
            Self::PutWithholding(withholding) => Key::Withholding(withholding.number),
            Self::DeleteWithholding(number) => Key::Withholding(*number),
            Self::PutWithheldName(withheld) => Key::WithheldName(withheld.name.clone()),
            Self::DeleteWithheldName(name) => Key::WithheldName(name.clone()),
            Self::PutWithdrawn(withdrawn) => Key::Withdrawn(withdrawn.scope.clone()),
            Self::DeleteWithdrawn(scope) => Key::Withdrawn(scope.clone()),
        }
    }

    /// Whether it leaves no record.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        matches!(
            self,
            Self::DeleteLock(_)
                | Self::DeleteTemplate(_)
                | Self::DeleteTicket { .. }
                | Self::DeleteWithholding(_)
                | Self::DeleteWithheldName(_)
                | Self::DeleteWithdrawn(_)
        )
    }
}

impl FromIterator<Change> for Snapshot {
    /// What those records make, each of another key, [`Snapshot::read_dormancy`] included.
    ///
    /// # Panics
    /// If one of them is a deletion: what is gone is not kept.
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut snapshot = Self::default();
        for change in changes {
            match change {
                Change::Meta(meta) => snapshot.meta = meta,
                Change::PutLock(lock) => snapshot.locks.push(lock),
                Change::PutTemplate(template) => snapshot.templates.push(template),
                Change::PutTicket(ticket) => snapshot.tickets.push(ticket),
                Change::PutWithholding(withholding) => snapshot.withholdings.push(withholding),
                Change::PutWithheldName(withheld) => snapshot.withheld_names.push(withheld),
                Change::PutWithdrawn(withdrawn) => snapshot.withdrawn.push(withdrawn),
                Change::DeleteLock(_)
                | Change::DeleteTemplate(_)
                | Change::DeleteTicket { .. }
                | Change::DeleteWithholding(_)
                | Change::DeleteWithheldName(_)
                | Change::DeleteWithdrawn(_) => panic!("{change:?} is not a record"),
            }
        }
        snapshot.read_dormancy();
        snapshot
    }
}

impl Snapshot {
    /// Makes dormant what the records leave to [`Meta::dormant_to`], so that a start with a million tickets writes one number. Call
    /// it on a snapshot that was put together from committed records; it changes nothing the second time. A ticket up to
    /// that number is woken only by what acknowledges it as well, so none is taken for dormant that is not.
    pub fn read_dormancy(&mut self) {
        for ticket in &mut self.tickets {
            if ticket.number <= self.meta.dormant_to
                && !ticket.acknowledged
                && let State::Queued { dormant } = &mut ticket.state
            {
                *dormant = true;
            }
        }
    }

    /// The changes that make an empty store hold this.
    #[must_use]
    pub fn into_changes(self) -> Vec<Change> {
        let Self {
            meta,
            locks,
            templates,
            tickets,
            withholdings,
            withheld_names,
            withdrawn,
            restart_counters: _,
            lost_commits: _,
        } = self;
        let records = locks.into_iter().map(Change::PutLock);
        let records = records.chain(templates.into_iter().map(Change::PutTemplate));
        let records = records.chain(tickets.into_iter().map(Change::PutTicket));
        let records = records.chain(withholdings.into_iter().map(Change::PutWithholding));
        let records = records.chain(withheld_names.into_iter().map(Change::PutWithheldName));
        let records = records.chain(withdrawn.into_iter().map(Change::PutWithdrawn));
        std::iter::once(Change::Meta(meta)).chain(records).collect()
    }

    /// Sorts the records by key, so that snapshots can be compared.
    pub fn sort(&mut self) {
        self.locks.sort_by(|a, b| a.name.cmp(&b.name));
        self.templates.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        self.tickets.sort_by_key(|ticket| ticket.id);
        self.withholdings.sort_by_key(|withholding| withholding.number);
        self.withheld_names.sort_by(|a, b| a.name.cmp(&b.name));
        self.withdrawn.sort_by(|a, b| a.scope.cmp(&b.scope));
    }
}
