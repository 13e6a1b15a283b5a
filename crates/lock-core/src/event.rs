//! What happened: for the event stream, the log and the metrics. Told only after the commit that made it durable.

use crate::{EndedAs, LockChange, LockName, Pause, Prefix, WallMs};
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
    /// Permits are withheld by somebody's word, or will be when they come back.
    PermitsWithheld,
    /// Withheld permits can be given again.
    PermitsRestored,
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
