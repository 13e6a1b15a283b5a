//! Locks: how they are set, and how they are.

use crate::words::words;
use crate::{EndedAs, LockChange, Seconds, Ticket};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

words! {
    /// Which of the slots that fit is given: of those with the fewest tags.
    pub enum Pick {
        /// The lowest.
        First = "first",
        /// The one that has been unused for longest.
        Lru = "lru",
    }
}

/// Settings of a lock. `size` and `slots` exclude each other; times that are `null` are never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LockSettings {
    /// Permits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Names of the permits; their number is the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<String>>,
    /// Tags of these slots, by their names: `{"gpu0": ["a100", "nvlink"]}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Which of the slots that fit is given.
    pub pick: Pick,
    /// How long a grant waits to be claimed.
    pub grace_time_s: Seconds,
    /// Lease of queued tickets made over XML-RPC.
    pub expiration_time_s: Option<Seconds>,
    /// Lease of holders that asked for none.
    pub max_lock_time_s: Option<Seconds>,
    /// Longest hold, whatever is renewed.
    pub max_hold_time_s: Option<Seconds>,
    /// Longest lease that may be asked for; `null` for the default, the larger of `max_lock_time_s` and an hour.
    pub max_ttl_s: Option<Seconds>,
    /// How long permits stay withheld after a holder was lost, overdue or revoked.
    pub lock_delay_s: Seconds,
    /// Longest queue.
    pub max_queue: u32,
    /// Most permits that tickets of one owner, a key or without one an address, have at a time; `null` for no cap.
    pub max_per_owner: Option<u32>,
    /// How long after their claim permits are not given again, however early they come back.
    pub min_hold_time_s: Seconds,
    /// For people.
    pub description: String,
}

impl Default for LockSettings {
    fn default() -> Self {
        Self {
            size: None,
            slots: None,
            tags: BTreeMap::new(),
            pick: Pick::First,
            grace_time_s: Seconds::from_ms(10_000),
            expiration_time_s: Some(Seconds::from_ms(300_000)),
            max_lock_time_s: Some(Seconds::from_ms(300_000)),
            max_hold_time_s: None,
            max_ttl_s: None,
            lock_delay_s: Seconds::from_ms(0),
            max_queue: 100_000,
            max_per_owner: None,
            min_hold_time_s: Seconds::from_ms(0),
            description: String::new(),
        }
    }
}

/// A field of a merge patch (RFC 7396) that may be `null`: absent is `None`, `null` is `Some(None)`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A field of a merge patch that cannot be `null`, because a lock always has a value for it.
fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A merge patch of a lock (RFC 7396): what is absent stays, what is `null` has its default again: of most times that is never.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LockPatch {
    /// Permits; takes away names.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub size: Option<u32>,
    /// Names of the permits.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub slots: Option<Vec<String>>,
    /// Tags of the slots, all of them.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub tags: Option<Option<BTreeMap<String, Vec<String>>>>,
    /// Which of the slots that fit is given.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub pick: Option<Option<Pick>>,
    /// How long a grant waits to be claimed.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub grace_time_s: Option<Option<Seconds>>,
    /// Lease of queued tickets made over XML-RPC.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub expiration_time_s: Option<Option<Seconds>>,
    /// Lease of holders that asked for none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_lock_time_s: Option<Option<Seconds>>,
    /// Longest hold.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_hold_time_s: Option<Option<Seconds>>,
    /// Longest lease.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_ttl_s: Option<Option<Seconds>>,
    /// How long permits stay withheld.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub lock_delay_s: Option<Option<Seconds>>,
    /// Longest queue.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_queue: Option<Option<u32>>,
    /// Most permits that tickets of one owner have at a time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_per_owner: Option<Option<u32>>,
    /// How long after their claim permits are not given again.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub min_hold_time_s: Option<Option<Seconds>>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub description: Option<Option<String>>,
    /// Stop grants, or let them go on.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub paused: Option<bool>,
    /// Why it is paused.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub reason: Option<String>,
    /// The pause ends by itself after this time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub until_s: Option<Seconds>,
}

words! {
    /// Why permits are withheld.
    pub enum WithheldCause {
        /// Their last holder was lost, overdue or revoked, and may still be at work.
        LostHolder = "lost_holder",
        /// They came back sooner than they may be given again.
        Cooldown = "cooldown",
        /// Their last holder gave them back as broken.
        Broken = "broken",
        /// An administrator withholds them.
        Admin = "admin",
        /// Others use them, as was reported.
        Outside = "outside",
        /// One that this version does not know.
        #[serde(other)]
        Unknown = "unknown",
    }
}

/// Permits that nobody may be given for now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Withholding {
    /// Number of the ticket that had them, or one of its own.
    pub number: u64,
    /// The slots, the lowest first: the first 1,000 of them, for all see `slot_ranges`.
    pub slots: Vec<u32>,
    /// All of the slots, as ranges: `0-2,7`.
    #[serde(default)]
    pub slot_ranges: String,
    /// Their names in the same order, the first 1,000, if they have any.
    pub slot_names: Vec<String>,
    /// Why they are withheld.
    pub cause: WithheldCause,
    /// How the ticket ended that had them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
    /// The reason that was given when they were withheld, or when the ticket was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time until they can be given again by themselves; without it they are withheld until they are restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_s: Option<Seconds>,
    /// So many more are withheld as they come back.
    #[serde(default)]
    pub awaited: u32,
    /// Or the slots of these names.
    #[serde(default)]
    pub awaited_names: Vec<String>,
}

/// What is to be withheld: `permits` or `slots`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Withhold {
    /// So many permits, whichever come back first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permits: Option<u32>,
    /// The slots of these names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<String>>,
    /// Why, for everybody who looks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// They can be given again by themselves after this time; without it when they are restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_s: Option<Seconds>,
}

/// A report of how many permits of a lock are in use, from a program that can see that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Permits in use in all, those of this server's holders included.
    pub in_use: u32,
    /// So long it counts, if no other comes.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 1, maximum = 2_592_000))]
    pub until_s: Seconds,
}

/// The last report of what is used of a lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outside {
    /// Permits in use in all, as it was reported.
    pub in_use: u32,
    /// When it was reported.
    pub reported_at: String,
    /// How long it still counts; `null` once it is stale, and nothing is withheld because of it.
    pub ends_in_s: Option<Seconds>,
}

/// Counts since the server started or made the lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Statistics {
    /// Tickets made.
    pub queries: u64,
    /// Grants.
    pub grants: u64,
    /// Answers that said "you have it".
    pub got: u64,
    /// Grants that nobody claimed.
    pub lapsed: u64,
    /// Tickets released.
    pub released: u64,
    /// Tickets cancelled.
    pub cancelled: u64,
    /// Waiters that a newer ticket took the place of.
    pub superseded: u64,
    /// Tickets expired.
    pub expired: u64,
    /// Holders that were lost: their lease ran out.
    pub lost: u64,
    /// Tickets overdue.
    pub overdue: u64,
    /// Tickets revoked.
    pub revoked: u64,
    /// Tickets oversized.
    pub oversized: u64,
    /// Tickets that ended with their lock.
    pub lock_deleted: u64,
}

/// A lock in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Permits.
    pub size: u32,
    /// Permits that could be given now.
    pub free: u64,
    /// Permits granted or held.
    pub in_use: u64,
    /// Those of them that are granted and not claimed.
    pub granted: u64,
    /// Permits withheld.
    pub withheld: u64,
    /// Tickets with permits.
    pub holding: u64,
    /// Tickets in the queue.
    pub queued: u64,
    /// Those of them that a sum over all locks leaves out: tickets for several locks, each of which counts for the first of its
    /// locks by name.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub queued_elsewhere: u64,
    /// Grants are stopped.
    pub paused: bool,
    /// When the ticket that is in line longest was made.
    pub waiting_since: Option<String>,
    /// When the first of the present holders was granted its permits.
    pub holding_since: Option<String>,
    /// How long one more request for a permit would wait, by what was usual in the last hour or day; `null` if nobody can
    /// tell.
    pub expected_wait_s: Option<Seconds>,
}

/// A lock as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Permits.
    pub size: u32,
    /// Permits that could be given now.
    pub free: u64,
    /// Permits granted or held.
    pub in_use: u64,
    /// Those of them that are granted and not claimed.
    #[serde(default)]
    pub granted: u64,
    /// Permits withheld.
    pub withheld: u64,
    /// Tickets with permits.
    pub holding: u64,
    /// Tickets in the queue.
    pub queued: u64,
    /// Those of them that a sum over all locks leaves out: tickets for several locks, each of which counts for the first of its
    /// locks by name.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub queued_elsewhere: u64,
    /// When the ticket that is in line longest was made.
    #[serde(default)]
    pub waiting_since: Option<String>,
    /// When the first of the present holders was granted its permits.
    #[serde(default)]
    pub holding_since: Option<String>,
    /// How long one more request for a permit would wait, by what was usual in the last hour or day; `null` if nobody can
    /// tell.
    #[serde(default)]
    pub expected_wait_s: Option<Seconds>,
    /// How it is, in one sentence for people: why one has to wait, and what a newcomer has to expect. Its words may change.
    #[serde(default)]
    pub why: String,
    /// Grants are stopped.
    pub paused: bool,
    /// Why.
    pub pause_reason: Option<String>,
    /// The author of the pause: the name of a key or, without one, an address, `uid:N` for a local administrator; `null` if the
    /// configuration did.
    #[serde(default)]
    pub paused_by: Option<String>,
    /// When the pause ends by itself.
    pub pause_ends_in_s: Option<Seconds>,
    /// Its section is gone from the configuration: no new tickets, and it goes with its last one.
    pub retiring: bool,
    /// The template it is an instance of, as written: `deploy-*`.
    pub template: Option<String>,
    /// Everything that can be set.
    pub settings: LockSettings,
    /// Settings that were changed live since the configuration set them.
    pub overridden: Vec<String>,
    /// The same with what the configuration says (`from`) and what counts (`to`); absent for a lock that is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Vec<LockChange>>,
    /// Revision of the settings, as in the ETag.
    pub revision: u64,
    /// Tickets with permits in the order of their grants, at most 1,000, or as many as were asked for.
    pub holders: Vec<Ticket>,
    /// The queue in its order, likewise.
    pub queue: Vec<Ticket>,
    /// There are more holders or waiters than are listed here: ask for this lock with it as `cursor`. Not in a list of locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Withheld permits, at most 1,000 entries, the oldest first.
    pub withholdings: Vec<Withholding>,
    /// What was last reported of permits that others use, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// Counts.
    pub statistics: Statistics,
    /// The last event that this includes; a valid Last-Event-ID.
    pub as_of: String,
}

/// All locks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Locks {
    /// In the order of their names.
    pub locks: Vec<Lock>,
    /// There are more: ask again with this as `cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The last event that this includes. Of several pages the first one's is the Last-Event-ID to go on from.
    pub as_of: String,
}
