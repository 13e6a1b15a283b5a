//! What can be asked of the table, and why it may say no.

use crate::view::{LockView, LocksPage, TicketView, TicketsAfter, TicketsPage};
use crate::{
    Capacity, Definition, EndedAs, Lease, LockName, Ms, Pause, Permits, Pick, QueueLease, QuotaOwner, Selection,
    Settings, SlotName, SlotTags, Stage, Tag, Target, TicketId,
};
use std::sync::{Arc, LazyLock};

/// The sender of a command. Knowing a ticket's id allows to renew and release it only with the same key name (design, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the key; `None` without one.
    pub owner: Option<Arc<str>>,
    /// May act on everybody's tickets.
    pub admin: bool,
    /// Address of the client.
    pub from: Arc<str>,
    /// The locks that it may use; `None` for every lock. Of a ticket in any other lock it can only give back its own.
    pub locks: Option<Arc<[Target]>>,
}

impl Caller {
    /// A client without a key.
    #[must_use]
    pub fn anonymous(from: &str) -> Self {
        Self { owner: None, admin: false, from: Arc::from(from), locks: None }
    }

    /// The server itself, which does what its configuration says.
    #[must_use]
    pub fn server() -> &'static Self {
        static SERVER: LazyLock<Caller> =
            LazyLock::new(|| Caller { admin: true, ..Caller::anonymous("configuration") });
        &SERVER
    }

    /// What it is called where something is said to be its doing: the name of its key or, without one, where it comes from.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.owner.clone().unwrap_or_else(|| self.from.clone())
    }

    /// Whose share its tickets count against.
    pub(crate) fn quota_owner(&self) -> QuotaOwner {
        QuotaOwner::of(self.owner.as_ref(), &self.from)
    }

    /// Whether it may use this lock.
    #[must_use]
    pub fn uses(&self, lock: &LockName) -> bool {
        self.locks.as_ref().is_none_or(|all| all.iter().any(|target| target.takes(lock)))
    }
}

/// What becomes of a request for permits that are not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfBusy {
    /// Refused; no ticket is made.
    Refuse,
    /// Queued.
    Queue,
    /// Queued, and the request waits on the server for the grant.
    Wait,
}

/// What a bundle asks for of one of its further locks (rule 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The lock.
    pub lock: LockName,
    /// How many of its permits.
    pub permits: Permits,
}

/// A request for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// The lock; of a bundle the first one by its name.
    pub lock: LockName,
    /// Further locks, which makes the ticket a bundle (rule 13): in the order of their names, each behind `lock`, and at most
    /// [`limits::BUNDLE_LOCKS_MAX`](crate::limits::BUNDLE_LOCKS_MAX) with it. A bundle has neither `selection` nor `holder`.
    pub others: Vec<Asked>,
    /// A fresh random id; used if a ticket is made.
    pub id: TicketId,
    /// How many.
    pub permits: Permits,
    /// Higher goes first; -100 to 100.
    pub priority: i8,
    /// The client's words, at most 4 KiB, without [unsafe characters](crate::text::is_unsafe).
    pub info: Arc<str>,
    /// The lease.
    pub lease: Lease,
    /// The lease while queued if `lease` gives none.
    pub queue_lease: QueueLease,
    /// Longest hold; the lock's own bound holds too.
    pub max_hold: Option<Ms>,
    /// Makes the request repeatable (rule 6).
    pub request_id: Option<Arc<str>>,
    /// Name of the holder, in protocols that have one: the same again is the same ticket.
    pub holder: Option<Arc<str>>,
    /// Ends the queued tickets of this lock, of this owner and with this word (rule 18). At most
    /// [`limits::SUPERSEDE_BYTES_MAX`](crate::limits::SUPERSEDE_BYTES_MAX) bytes.
    pub supersede: Option<Arc<str>>,
    /// Which slots; `None` for any. With names `permits` is their number.
    pub selection: Option<Selection>,
    /// What to do if it cannot be granted at once.
    pub if_busy: IfBusy,
    /// The answer to this very request tells of the grant: it is claimed at once (rule 5).
    pub claim: bool,
}

impl NewTicket {
    /// A request for one permit with the lock's own lease: it is refused if there is none free, and claimed at once.
    #[must_use]
    pub fn new(lock: LockName, id: TicketId) -> Self {
        Self {
            lock,
            others: Vec::new(),
            id,
            permits: Permits::Count(1),
            priority: 0,
            info: Arc::from(""),
            lease: Lease::OfLock,
            queue_lease: QueueLease::Minute,
            max_hold: None,
            request_id: None,
            holder: None,
            supersede: None,
            selection: None,
            if_busy: IfBusy::Refuse,
            claim: true,
        }
    }
}

/// Which ticket to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseTarget {
    /// By its id; of that lock, alone or among others, if one is named.
    Id(Option<LockName>, TicketId),
    /// By the `request_id` that made or would make it. Its scope is the first of its locks by name, and the further ones of a bundle
    /// in the order of their names.
    Request(LockName, Box<[LockName]>, Arc<str>),
    /// By the holder's name. Nothing held is a success.
    Holder(LockName, Arc<str>),
}

/// What is to be withheld.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToWithhold {
    /// That many permits, whichever.
    Count(u32),
    /// These slots.
    Slots(Vec<SlotName>),
}

/// Which withheld permits are restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// All of the lock.
    All,
    /// Those of one withholding.
    Number(u64),
    /// These slots.
    Slots(Vec<SlotName>),
}

/// What must hold of a lock for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// It exists with this revision of its settings (If-Match).
    Revision(u64),
    /// There is no such lock (If-None-Match: *).
    Absent,
}

/// Consent to a change that ends tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Force {
    /// Do it although tickets end.
    pub force: bool,
    /// Only if it ends exactly that many.
    pub expect_tickets: Option<u64>,
}

/// Changes of some of a lock's settings; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// Size or names.
    pub capacity: Option<Capacity>,
    /// Tags of the names, all of them.
    pub tags: Option<SlotTags>,
    /// Which of the slots that fit is given.
    pub pick: Option<Pick>,
    /// Grace time.
    pub grace: Option<Ms>,
    /// Queue lease over XML-RPC; `Some(None)` for never, as below.
    pub expiration: Option<Option<Ms>>,
    /// Lease of holders without their own.
    pub max_lock: Option<Option<Ms>>,
    /// Longest hold.
    pub max_hold: Option<Option<Ms>>,
    /// Longest lease; `Some(None)` for the default.
    pub max_ttl: Option<Option<Ms>>,
    /// How long permits stay withheld.
    pub lock_delay: Option<Ms>,
    /// Longest queue.
    pub max_queue: Option<u32>,
    /// Cap of each owner (rule 16); `Some(None)` for none.
    pub max_per_owner: Option<Option<u32>>,
    /// How long after their claim permits are not given again (rule 17).
    pub min_hold: Option<Ms>,
    /// For people.
    pub description: Option<Arc<str>>,
    /// Pause with reason and, if it ends by itself, after how many milliseconds; `Some(None)` resumes.
    pub pause: Option<Option<(Arc<str>, Option<Ms>)>>,
}

/// How a configuration file relates to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigureMode {
    /// The file is the truth, but for live changes since.
    Apply,
    /// Only what is missing is made (several servers share a store).
    CreateMissing,
}

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ask for permits.
    Acquire(NewTicket),
    /// Read a ticket, and claim it if it is granted.
    Get {
        /// The lock it must be of, alone or among others.
        lock: Option<LockName>,
        /// The ticket.
        id: TicketId,
        /// It is a heartbeat even if it neither waits nor claims (`get_lock`).
        renew: bool,
        /// Wait on the server while it is queued.
        wait: bool,
    },
    /// Wait on for the client of a request that the table before this one had told to wait. The engine's own word: the
    /// client is there, but whether it knows its ticket is another matter.
    WaitOn {
        /// The ticket.
        id: TicketId,
    },
    /// A heartbeat.
    Renew {
        /// The ticket.
        id: TicketId,
        /// A new lease from now on.
        ttl: Option<Ms>,
    },
    /// A waiting request is over. Sent by the protocol, once for each command that was told to wait.
    EndWait {
        /// The ticket.
        id: TicketId,
        /// Its client is gone.
        lost: bool,
    },
    /// Give back, or withdraw.
    Release {
        /// Which.
        target: ReleaseTarget,
        /// Withdraws a queued ticket as well (0.36's `release_lock` does not).
        queued: bool,
        /// Permits that come back by it are not given again for so long (rule 17); cut to the lock's longest lease.
        keep: Option<Ms>,
        /// Permits that come back by it are withheld as broken, for this reason, until somebody restores them (rule 15).
        withhold: Option<Arc<str>>,
    },
    /// An answer that told of a ticket could not be written (rules 5 and 6).
    Undelivered {
        /// The ticket.
        id: TicketId,
        /// [`TicketView::activity_seq`] of that answer.
        activity_seq: u64,
        /// It was the answer to the request that made the ticket.
        made: bool,
    },
    /// Create or replace a lock.
    PutLock {
        /// Its name.
        name: LockName,
        /// All its settings.
        settings: Settings,
        /// What must hold.
        precondition: Precondition,
        /// If it ends tickets.
        force: Force,
    },
    /// Change a lock.
    PatchLock {
        /// Its name.
        name: LockName,
        /// What changes.
        patch: Patch,
        /// What must hold.
        precondition: Precondition,
        /// If it ends tickets.
        force: Force,
    },
    /// Delete a lock.
    DeleteLock {
        /// Its name.
        name: LockName,
        /// What must hold.
        precondition: Precondition,
        /// If it ends tickets.
        force: Force,
    },
    /// End somebody's ticket: an administrator any, a user those of its own key.
    Revoke {
        /// The lock, or one of those of the ticket.
        lock: LockName,
        /// The ticket's number.
        number: u64,
        /// Why, for its client and the log.
        reason: Arc<str>,
        /// Only if the ticket is at this stage: a command against a waiter must not end a job that runs by now.
        only: Option<Stage>,
    },
    /// Withhold permits: those that are free at once, others when they come back (rule 15). An administrator's word.
    Withhold {
        /// The lock. A template's is made.
        lock: LockName,
        /// Which.
        what: ToWithhold,
        /// Why, for people.
        reason: Arc<str>,
        /// After how many milliseconds they can be given again; without it when they are restored.
        lasts: Option<Ms>,
    },
    /// Restore permits that are withheld.
    Restore {
        /// The lock.
        lock: LockName,
        /// Which.
        which: Restored,
    },
    /// Report what is used of a lock out of our sight, in place of what was reported before (rule 15). What our own holders do not
    /// have of that is withheld until the report is stale.
    Outside {
        /// The lock. A template's is made.
        lock: LockName,
        /// Permits in use, those of our own holders included, and for how many milliseconds that counts. `None` takes the report
        /// back.
        report: Option<(u32, Ms)>,
    },
    /// Apply a configuration file.
    Configure {
        /// Its lock sections.
        definitions: Vec<Definition>,
        /// How.
        mode: ConfigureMode,
    },
    /// Locks in the order of their names, at most `tickets` holders and waiters of each. One page: at most `limit`, and
    /// [`limits::LISTED_BYTES_MAX`](crate::limits::LISTED_BYTES_MAX) or little more in all.
    ListLocks {
        /// Those after this name; from the first on without.
        after: Option<LockName>,
        /// So many.
        limit: usize,
        /// Bound for each listing.
        tickets: usize,
        /// Only those that one of these takes; `None` for every lock.
        among: Option<Arc<[Target]>>,
    },
    /// One lock.
    ViewLock {
        /// Its name.
        name: LockName,
        /// Bound for each listing.
        tickets: usize,
        /// Where both listings begin.
        after: TicketsAfter,
    },
    /// The live tickets of the caller's key, or made without one from its address, in the order of their numbers. One page,
    /// as of locks; it may be empty and yet have a next one.
    ListMine {
        /// Those with higher numbers; 0 for all.
        after: u64,
        /// Bound of the listing.
        tickets: usize,
    },
    /// Is this fencing token a holder's now?
    Verify {
        /// The lock.
        lock: LockName,
        /// The token.
        token: u64,
    },
}

impl Command {
    /// Whether its outcome may be [`Outcome::Waiting`].
    #[must_use]
    pub fn may_wait(&self) -> bool {
        match self {
            Self::Acquire(new) => new.if_busy == IfBusy::Wait,
            Self::Get { wait, .. } => *wait,
            Self::WaitOn { .. } => true,
            _ => false,
        }
    }

    /// Whether it tells of a client instead of coming from one. Such a command must not be lost: the next term hears it, if
    /// this one does not.
    #[must_use]
    pub fn is_report(&self) -> bool {
        matches!(self, Self::EndWait { .. } | Self::Undelivered { .. })
    }

    /// Whether it does to a lock, or to somebody's ticket, what is told together with who did it.
    #[must_use]
    pub fn is_told_with_its_author(&self) -> bool {
        matches!(
            self,
            Self::PutLock { .. }
                | Self::PatchLock { .. }
                | Self::DeleteLock { .. }
                | Self::Revoke { .. }
                | Self::Withhold { .. }
                | Self::Restore { .. }
                | Self::Outside { .. }
                | Self::Configure { .. }
        )
    }

    /// Whether it only looks, at much or little: it changes nothing, and can be done after everything else.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::ListLocks { .. } | Self::ViewLock { .. } | Self::ListMine { .. })
    }

    /// Whether everybody who asks this sees the same: its answer does not depend on the caller.
    #[must_use]
    pub fn is_same_for_all(&self) -> bool {
        matches!(self, Self::ListLocks { .. } | Self::ViewLock { .. })
    }

    /// Whether overload may shed it: new tickets and reads. Everything else keeps permits where they belong.
    #[must_use]
    pub fn may_be_shed(&self) -> bool {
        match self {
            Self::Acquire(_)
            | Self::ListLocks { .. }
            | Self::ViewLock { .. }
            | Self::ListMine { .. }
            | Self::Verify { .. } => true,
            Self::Get { renew, .. } => !renew,
            _ => false,
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The ticket as it is now.
    Ticket(Box<TicketView>),
    /// The ticket is queued and the request waits; the engine answers later.
    Waiting(Box<TicketView>),
    /// There was nothing to release, which is what was wanted.
    NothingHeld,
    /// The lock as it is now.
    Lock(Arc<LockView>),
    /// A page of locks.
    Locks(Arc<LocksPage>),
    /// A page of tickets.
    Tickets(Arc<TicketsPage>),
    /// What a configuration file changed.
    Configured(ConfigureReport),
    /// Done; nothing to show.
    Done,
    /// Not finished: one step ends a bounded number of tickets. The engine asks again in its next step.
    Incomplete,
}

/// What a configuration file changed, for the log and the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigureReport {
    /// Locks and templates made.
    pub created: Vec<String>,
    /// Locks and templates changed.
    pub changed: Vec<String>,
    /// Locks whose section is gone: gone at once, or with their last ticket.
    pub retired: Vec<String>,
    /// Sections that could not be applied, and why.
    pub refused: Vec<String>,
}

/// Why a command was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// One lock of a bundle refuses (rule 13), for a reason that is not another `InLock`. Whatever is said of a bundle and is a matter of
    /// one of its locks comes so; nothing else does. See [`Rejection::reason`].
    #[error("lock {0}: {1}")]
    InLock(LockName, Box<Self>),
    /// No such lock.
    #[error("lock does not exist")]
    UnknownLock,
    /// No such ticket, or one of another key.
    #[error("there is no such ticket, or it ended more than 10 minutes ago")]
    UnknownTicket,
    /// The ticket has ended.
    #[error("the ticket has ended: {}", .0.ended_word())]
    Gone(Box<TicketView>),
    /// The `request_id` was ended before its request arrived.
    #[error("the request was cancelled before it arrived")]
    Withdrawn,
    /// The same `request_id` with other parameters.
    #[error("this request_id was used with other parameters; choose a new one for a new request")]
    RequestIdReused,
    /// The holder's name belongs to another key's ticket.
    #[error("a holder of this name has a ticket made with another key")]
    HolderTaken,
    /// Not free now.
    #[error("no permit is free now")]
    Busy,
    /// Not free now, for the lock is paused.
    #[error("the lock is paused{}", .0.words())]
    Paused(Box<Pause>),
    /// More permits than the lock has.
    #[error("{asked} permits were asked for and the lock has {size}")]
    TooManyPermits {
        /// Asked for.
        asked: u32,
        /// Permits of the lock.
        size: u32,
    },
    /// More permits than the lock gives to one owner (rule 16).
    #[error("{asked} permits were asked for and one owner may have {max} of the lock at a time")]
    TooManyForOwner {
        /// Asked for; of one that asks for all, the size.
        asked: u32,
        /// The lock's cap.
        max: u32,
    },
    /// Slots that the lock does not have.
    #[error("the lock has no slot {}{}", .unknown, slots_there(.known))]
    UnknownSlot {
        /// The first of them.
        unknown: SlotName,
        /// Those that it has; the first of them.
        known: Vec<SlotName>,
    },
    /// A tag that no slot of the lock has.
    #[error("no slot of the lock has the tag {}{}", .unknown, tags_there(.known))]
    UnknownTag {
        /// The first of them.
        unknown: Tag,
        /// Tags that there are; the first of them.
        known: Vec<Tag>,
    },
    /// More slots with certain tags than there are.
    #[error("{asked} slots with all of these tags were asked for and the lock has {there}")]
    TooFewSlots {
        /// Asked for.
        asked: u32,
        /// Slots with all of the tags.
        there: u32,
    },
    /// More permits than are not withheld by administrators yet.
    #[error("{asked} permits were to be withheld, and {left} are left that no administrator withholds")]
    TooManyWithheld {
        /// Asked for.
        asked: u64,
        /// Permits of the lock that no administrator withholds.
        left: u64,
    },
    /// The lock's section is gone from the file.
    #[error("the lock is being removed and takes no new tickets")]
    Retiring,
    /// The lock was deleted a moment ago.
    #[error("a lock of this name was deleted while in use; the name can be taken again in {} s", .0.div_ceil(1000))]
    NameWithheld(Ms),
    /// A bound is reached.
    #[error("{what} is at its bound of {max}")]
    LimitReached {
        /// Name of the bound.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A parameter is outside its bound.
    #[error("{0}")]
    Invalid(String),
    /// The lock has another revision, or exists.
    #[error("the lock has changed since: its revision is {0}")]
    RevisionMismatch(u64),
    /// There is such a lock already.
    #[error("there is a lock of this name already")]
    Exists,
    /// Tickets would end.
    #[error("{} tickets would end", .tickets)]
    WouldEnd {
        /// How many.
        tickets: u64,
        /// Some of them.
        some: Vec<TicketView>,
    },
    /// The token is not a holder's.
    #[error("no holder has this token now")]
    NotAHolder,
    /// The caller's ticket, in a lock that it may not use any more.
    #[error("the owner of this ticket may not use the lock {:?} any longer; the ticket can only be released", .0)]
    OutOfReach(LockName),
    /// A lock of a bundle that the caller may not use.
    #[error("this client may not use the lock")]
    NotUsable,
    /// Not the caller's ticket.
    #[error("the ticket was made with another key")]
    NotAllowed,
    /// The ticket is at another stage than it was to be ended at.
    #[error("the ticket has moved on: it is {} now", .0.stage_word())]
    StageChanged(Box<TicketView>),
}

/// Names that an error tells.
pub(crate) const TOLD_NAMES: usize = 20;

fn slots_there(known: &[SlotName]) -> String {
    if known.is_empty() {
        return "; its slots have no names".to_owned();
    }
    format!("; it has {}", first_of(known.iter().map(SlotName::as_str)))
}

fn tags_there(known: &[Tag]) -> String {
    if known.is_empty() {
        return "; its slots have none".to_owned();
    }
    format!("; there are {}", first_of(known.iter().map(Tag::as_str)))
}

/// As many as an error tells, and a mark if there are more.
fn first_of<'a>(known: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = if known.len() > TOLD_NAMES { ", …" } else { "" };
    let told: Vec<&str> = known.take(TOLD_NAMES).collect();
    format!("{}{more}", told.join(", "))
}

impl Outcome {
    /// What it cost to look, in locks, tickets and the like that were visited.
    #[must_use]
    pub fn visited(&self) -> usize {
        match self {
            Self::Lock(lock) => lock.visited(),
            // Those that are on later pages are counted.
            Self::Locks(page) => {
                let counted = usize::try_from(page.more / 16).unwrap_or(usize::MAX);
                page.locks.iter().map(LockView::visited).sum::<usize>() + counted
            }
            Self::Tickets(page) => page.visited,
            _ => 0,
        }
    }
}

impl Rejection {
    /// What one lock says of a ticket: with its name if the ticket is a bundle.
    pub(crate) fn in_lock(self, lock: &LockName, is_bundle: bool) -> Self {
        if is_bundle { Self::InLock(lock.clone(), Box::new(self)) } else { self }
    }

    /// The reason itself, and the lock that refuses if it is one of a bundle.
    #[must_use]
    pub fn reason(&self) -> (Option<&LockName>, &Self) {
        match self {
            Self::InLock(lock, reason) => (Some(lock), reason),
            _ => (None, self),
        }
    }

    /// How the ticket ended, if that is why.
    #[must_use]
    pub fn ended(&self) -> Option<EndedAs> {
        match self {
            Self::Gone(ticket) => ticket.ended(),
            Self::Withdrawn => Some(EndedAs::Cancelled),
            _ => None,
        }
    }
}
