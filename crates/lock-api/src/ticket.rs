//! Tickets: what a client asks for, and what it is told.

use crate::Seconds;
use crate::words::words;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// How many permits: a number from 1, or `"all"` for every permit and nobody beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permits {
    /// That many.
    Count(u32),
    /// Every one, alone.
    All,
}

impl Default for Permits {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl fmt::Display for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

impl Serialize for Permits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::All => serializer.serialize_str("all"),
        }
    }
}

impl<'de> Deserialize<'de> for Permits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PermitsVisitor)
    }
}

struct PermitsVisitor;

impl Visitor<'_> for PermitsVisitor {
    type Value = Permits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of permits from 1, or \"all\"")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Permits, E> {
        match u32::try_from(value) {
            Ok(count) if count > 0 => Ok(Permits::Count(count)),
            _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Permits, E> {
        if value == "all" { Ok(Permits::All) } else { Err(E::invalid_value(Unexpected::Str(value), &self)) }
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use super::Permits;
    use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Type, schema::Schema};

    impl utoipa::PartialSchema for Permits {
        fn schema() -> RefOr<Schema> {
            let count = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1_000_000));
            let all = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["all"]));
            OneOfBuilder::new().item(count).item(all).into()
        }
    }

    impl utoipa::ToSchema for Permits {}
}

/// What is wanted of each lock. A lock that is named twice is refused: nobody knows which of both is meant.
fn wanted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, Permits>>, D::Error> {
    deserializer.deserialize_map(WantedVisitor).map(Some)
}

struct WantedVisitor;

impl<'de> Visitor<'de> for WantedVisitor {
    type Value = BTreeMap<String, Permits>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a number of permits, or \"all\", for each name of a lock")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut wanted = BTreeMap::new();
        while let Some((lock, permits)) = map.next_entry::<String, Permits>()? {
            if let Some(_earlier) = wanted.insert(lock.clone(), permits) {
                return Err(A::Error::custom(format!("the lock {lock:?} is named twice")));
            }
        }
        Ok(wanted)
    }
}

/// Body of a request for permits; every field is optional, but for `locks` where the path names no lock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Acquire {
    /// Of `POST /v1/tickets` only, and needed there: 1 to 16 locks, and how many permits of each. All or nothing.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "wanted")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub locks: Option<BTreeMap<String, Permits>>,
    /// How many permits: 1 without this, or one for each of `slots`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permits: Option<Permits>,
    /// Every permit and nobody beside: the same as `"permits": "all"`, for languages in which a field has one type.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// Exactly the slots of these names, at most 100. Of one lock only, as `tags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<String>>,
    /// Slots that have all of these tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// How long to wait on the server for the grant, at most 60.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0, maximum = 60))]
    pub wait_s: Seconds,
    /// How long the ticket lives without a heartbeat; capped by the lock's `max_ttl_s`, of several locks by the shortest. The
    /// answer tells the one given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 1, maximum = 2_592_000))]
    pub ttl_s: Option<Seconds>,
    /// The purpose of the ticket, shown to everybody that looks; at most 4,096 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 4096))]
    pub info: String,
    /// -100 to 100, higher goes first.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    pub priority: i8,
    /// 16 to 128 random characters that make the request safe to repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 16, max_length = 128))]
    pub request_id: Option<String>,
    /// Longest time to hold, whatever is renewed; 0 for as long as the lock allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hold_s: Option<Seconds>,
    /// End the *queued* tickets of the same locks that were made with the same word, by the same key or without one from the
    /// same address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 200))]
    pub supersede: Option<String>,
    /// Keep the place in the queue when the wait is over without a grant.
    pub queue: bool,
}

/// Body of a renewal; may be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Renew {
    /// A new lease from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>, minimum = 1, maximum = 2_592_000))]
    pub ttl_s: Option<Seconds>,
}

/// Which slots a ticket asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Exactly those of these names.
    Slots(Vec<String>),
    /// Any that have all of these tags.
    Tags(Vec<String>),
}

words! {
    /// Where a ticket is in its life.
    pub enum TicketState {
        /// In the queue.
        Queued = "queued",
        /// Has its permits; its client has not been told yet.
        Granted = "granted",
        /// Has its permits, and its client knows.
        Held = "held",
        /// Over; see `ended_as`.
        Ended = "ended",
    }
}

words! {
    /// How a ticket ended.
    pub enum EndedAs {
        /// Given back by its client.
        Released = "released",
        /// Withdrawn by its client.
        Cancelled = "cancelled",
        /// A newer ticket took its place in the queue.
        Superseded = "superseded",
        /// No heartbeat while queued.
        Expired = "expired",
        /// No heartbeat while held.
        Lost = "lost",
        /// Held too long.
        Overdue = "overdue",
        /// Ended by an administrator.
        Revoked = "revoked",
        /// The lock shrank below what it asked for.
        Oversized = "oversized",
        /// The lock was deleted.
        LockDeleted = "lock_deleted",
    }
}

/// What a ticket has of one of its locks, or asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Part {
    /// What it asked for.
    pub permits: Permits,
    /// The slots it was given, the lowest first: the first 1,000 of them, for all see `slot_ranges`.
    #[serde(default)]
    pub slots: Vec<u32>,
    /// All slots it was given, as ranges: `0-2,7`. Empty while it has none.
    #[serde(default)]
    pub slot_ranges: String,
    /// The names of its slots in the order of `slot_ranges`, if the lock's slots have names. Listings name the first 1,000.
    #[serde(default)]
    pub slot_names: Vec<String>,
    /// Tickets before it in the queue of this lock. Of a bundle only, and not where a lock is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
}

/// A ticket.
///
/// That of one lock has `lock`, `permits`, `slots`, `slot_ranges` and `slot_names` beside `locks`. A *bundle*, which is for
/// several locks, has `locks` alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ticket {
    /// Secret: with it the ticket is renewed and released. Only its maker is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Public number, never given twice.
    pub number: u64,
    /// What it has of each of its locks, by their names.
    pub locks: BTreeMap<String, Part>,
    /// The ticket is for so many further locks, which the caller may not see.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub locks_unseen: u64,
    /// The lock, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// Where it is in its life.
    pub state: TicketState,
    /// As in `locks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permits: Option<Permits>,
    /// As in `locks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<Vec<u32>>,
    /// As in `locks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_ranges: Option<String>,
    /// As in `locks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot_names: Option<Vec<String>>,
    /// Fencing token of the grant.
    pub token: Option<u64>,
    /// Tickets before it in the queue; of a bundle in the queue where they are most, and where a lock is listed in that of this lock.
    pub ahead: u64,
    /// Dormant: others are served until its client sends a heartbeat.
    pub dormant: bool,
    /// Higher goes first.
    pub priority: i8,
    /// The client's words.
    pub info: String,
    /// Name of the key it was made with.
    pub owner: Option<String>,
    /// Address of its client.
    pub from: String,
    /// When it was made.
    pub created_at: String,
    /// When it got its permits.
    pub granted_at: Option<String>,
    /// When its client was told.
    pub held_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// When it ends without another heartbeat: its lease or its longest hold, whichever is over first; `null` for never,
    /// or while a request waits for it.
    pub expires_at: Option<String>,
    /// The same as a duration from now, which needs no common clock.
    pub expires_in_s: Option<Seconds>,
    /// Its lease; `null` for never.
    pub ttl_s: Option<Seconds>,
    /// How it ended.
    pub ended_as: Option<EndedAs>,
    /// An administrator's words about its end.
    pub reason: Option<String>,
    /// The author of its end, if an administrator ended it, or a change by one: the name of a key, or what stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// Which slots it asks for; without this any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The word with which it supersedes queued tickets, and is superseded itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede: Option<String>,
    /// Number of the ticket that superseded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<u64>,
}

impl Ticket {
    /// The names of its locks, with commas between.
    #[must_use]
    pub fn lock_names(&self) -> String {
        self.locks.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// A list of tickets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tickets {
    /// The tickets, without their ids, in the order of their numbers.
    pub tickets: Vec<Ticket>,
    /// There are more: ask again with this as `cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer to the end of a ticket by its owner. It is a success however often it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Released {
    /// This request ended the ticket. If not, its owner had ended it before, or it never was.
    pub released: bool,
    /// The ticket that this request ended.
    pub ticket: Option<Ticket>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_of_several_locks() {
        let read = |text: &str| serde_json::from_str::<Acquire>(text).map_err(|error| error.to_string());
        let wanted = read(r#"{"locks": {"b": "all", "a": 2}}"#).unwrap().locks.unwrap();
        assert_eq!(
            wanted.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), Permits::Count(2)), ("b".to_owned(), Permits::All)]
        );
        assert_eq!(read("{}").unwrap().locks, None);
        for (wrong, why) in [
            (r#"{"locks": {"a": 1, "a": 2}}"#, "is named twice"),
            (r#"{"locks": ["a"]}"#, "for each name of a lock"),
            (r#"{"locks": null}"#, "for each name of a lock"),
            (r#"{"locks": {"a": 0}}"#, "a number of permits from 1"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
