//! Events: every change, as the stream tells it.

use crate::{EndedAs, Seconds, Usage};
use serde::{Deserialize, Serialize};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A lock is new.
    LockCreated,
    /// Its settings changed, or it was paused or resumed.
    LockChanged,
    /// It is gone.
    LockDeleted,
    /// Withheld permits can be given again.
    PermitsRestored,
    /// A ticket was made.
    Queued,
    /// It has its permits.
    Granted,
    /// Its client knows.
    Held,
    /// Nobody claimed the grant; back in the queue.
    Lapsed,
    /// The grant could not be told; granted anew.
    Undelivered,
    /// The ticket is over; see `ended_as`.
    Ended,
    /// A kind that this client does not know yet.
    #[serde(other)]
    Unknown,
}

impl EventKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LockCreated => "lock_created",
            Self::LockChanged => "lock_changed",
            Self::LockDeleted => "lock_deleted",
            Self::PermitsRestored => "permits_restored",
            Self::Queued => "queued",
            Self::Granted => "granted",
            Self::Held => "held",
            Self::Lapsed => "lapsed",
            Self::Undelivered => "undelivered",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

/// One change. The stream's `id` is its place, its `event` the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: String,
    /// The lock.
    pub lock: String,
    /// Number of the ticket, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The client's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// Name of the ticket's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Fencing token of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// From the making of the ticket to its grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s: Option<Seconds>,
    /// How long it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_s: Option<Seconds>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
    /// An administrator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The lock in numbers after this and what was stored together with it; not if the lock is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}
