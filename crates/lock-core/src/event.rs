//! What happened: for the event stream, the log and the metrics. Told only after the commit that made it durable.

use crate::{EndedAs, LockChange, LockName, Pause, Prefix, SlotName, WallMs, WithheldCause};
use std::sync::Arc;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: WallMs,
    /// The lock.
    pub lock: LockName,
    /// The template that the lock is an instance of.
    pub template: Option<Prefix>,
    /// What changed.
    pub kind: EventKind,
    /// The administrator whose command did it, or whose change of the lock ended the ticket: see
    /// [`Caller::name`](crate::Caller::name). Nobody for what clients do themselves, and for what time does.
    pub by: Option<Arc<str>>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The lock is new.
    LockCreated,
    /// Its settings changed, or it was paused or resumed.
    LockChanged {
        /// What is another now; nothing if it was set to what it was.
        changes: Vec<LockChange>,
        /// The pause that began with it, or changed.
        pause: Option<Pause>,
    },
    /// It is gone.
    LockDeleted,
    /// Permits are withheld, or will be when they come back.
    PermitsWithheld(Box<Withheld>),
    /// Withheld permits can be given again, or are awaited no longer.
    PermitsRestored(Box<Withheld>),
    /// What was reported of permits that others use is too old to count any longer.
    ReportStale,
    /// Something about a ticket.
    Ticket {
        /// Its number. Never its id.
        number: u64,
        /// The client's words.
        info: Arc<str>,
        /// Name of its key.
        owner: Option<Arc<str>>,
        /// Address of its client.
        from: Arc<str>,
        /// What happened to it.
        transition: Transition,
    },
}

/// Permits that a withholding has from now on, or has no longer. What all events say of one withholding adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Number of the withholding: that of the ticket that had the permits, or its own.
    pub number: u64,
    /// Why they are, or were withheld.
    pub cause: WithheldCause,
    /// How many, those included that have not come back yet.
    pub permits: u64,
    /// Names of their slots, at most [`EVENT_SLOT_NAMES_MAX`](crate::limits::EVENT_SLOT_NAMES_MAX); none if they have none, or
    /// while it is open which ones will come back.
    pub slot_names: Vec<SlotName>,
    /// How the ticket ended that had them; `None` if they were withheld by somebody's word.
    pub how: Option<EndedAs>,
    /// The reason that was given when they were withheld, or when the ticket was ended.
    pub reason: Option<Arc<str>>,
    /// When it ends by itself, in wall time.
    pub until: Option<WallMs>,
}

/// A change of a ticket's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Made, and queued for now.
    Queued,
    /// Has its permits.
    Granted {
        /// Fencing token.
        token: u64,
        /// Time from its making, in wall milliseconds.
        waited: u64,
    },
    /// Its client knows.
    Held,
    /// Nobody claimed the grant; back in the queue.
    Lapsed,
    /// The grant could not be told; granted anew.
    Undelivered,
    /// Over.
    Ended {
        /// How.
        how: EndedAs,
        /// An administrator's words.
        reason: Option<Arc<str>>,
        /// How long it was held, in wall milliseconds.
        held: Option<u64>,
    },
}
