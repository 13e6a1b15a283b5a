//! Events: every change, as the stream tells it.

use crate::words::words;
use crate::{EndedAs, LockChange, Seconds, Usage, WithheldCause};
use serde::{Deserialize, Serialize};

words! {
    /// What changed.
    pub enum EventKind {
        /// A lock is new.
        LockCreated = "lock_created",
        /// Its settings changed, or it was paused or resumed.
        LockChanged = "lock_changed",
        /// It is gone.
        LockDeleted = "lock_deleted",
        /// Permits are withheld, or will be when they come back.
        PermitsWithheld = "permits_withheld",
        /// Withheld permits can be given again.
        PermitsRestored = "permits_restored",
        /// What was reported of permits that others use is too old to count any longer.
        ReportStale = "report_stale",
        /// A ticket was made.
        Queued = "queued",
        /// It has its permits.
        Granted = "granted",
        /// Its client knows.
        Held = "held",
        /// Nobody claimed the grant; back in the queue.
        Lapsed = "lapsed",
        /// The grant could not be told; granted anew.
        Undelivered = "undelivered",
        /// The ticket is over; see `ended_as`.
        Ended = "ended",
        /// A kind that this client does not know yet.
        #[serde(other)]
        Unknown = "unknown",
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
    /// Address of the ticket's client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Fencing token of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// From the making of the ticket to its grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s: Option<Seconds>,
    /// How long it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_s: Option<Seconds>,
    /// How it ended; of withheld permits, how the ticket ended that had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
    /// Why permits are withheld, for `permits_withheld` and `permits_restored`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<WithheldCause>,
    /// Number of that withholding, as the lock lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withholding: Option<u64>,
    /// How many permits it has more or fewer now, those included that have not come back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permits: Option<u64>,
    /// Names of their slots, at most 100. None while it is open which ones will come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slot_names: Vec<String>,
    /// Somebody's words: why the ticket was ended, the lock was paused, or permits are withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What of the lock is another now, for `lock_changed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LockChange>,
    /// When what began with this ends by itself: a pause, or the withholding of permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The author, if it was not a client with its own ticket: the name of a key or, without one, an address, `uid:N` for a local
    /// administrator, `configuration` for the server's files. Absent for what time did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The lock in numbers after this and what was stored together with it; not if the lock is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}
