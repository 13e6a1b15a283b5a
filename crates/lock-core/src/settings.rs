//! What can be set on a lock, and what a configuration file says about it.

use crate::limits::{GRACE_MIN_MS, MAX_TTL_DEFAULT_MS, TTL_MAX_MS};
use crate::{LockName, Ms, Pick, Prefix, SlotName, SlotTags};
use std::sync::Arc;

/// How many permits a lock has. Names alone set the number (rule 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capacity {
    /// That many permits, in slots 0 to n-1. At least 1.
    Size(u32),
    /// A permit for each name. At least one, none twice.
    Named(Vec<SlotName>),
}

impl Capacity {
    /// Number of permits.
    #[must_use]
    pub fn size(&self) -> u32 {
        match self {
            Self::Size(size) => *size,
            Self::Named(names) => u32::try_from(names.len()).expect("bounded by SLOT_NAMES_MAX"),
        }
    }
}

/// Everything that can be set on a lock. Times are service time in milliseconds; `None` means never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Permits and, if they have any, their names.
    pub capacity: Capacity,
    /// Tags of named slots, by which tickets select slots (rule 14). Each name stands once. A name without a slot has no effect.
    pub tags: SlotTags,
    /// Which of the slots that fit is given.
    pub pick: Pick,
    /// How long a grant waits to be claimed; at least 1 s.
    pub grace: Ms,
    /// Queue lease of tickets made over XML-RPC.
    pub expiration: Option<Ms>,
    /// Lease of a holder that asked for none.
    pub max_lock: Option<Ms>,
    /// Longest time that a permit is held, whatever its holder renews.
    pub max_hold: Option<Ms>,
    /// Longest lease that a client may ask for; `None` for the default (see [`Settings::max_ttl_ms`]).
    pub max_ttl: Option<Ms>,
    /// How long permits stay withheld after `lost`, `overdue` and `revoked`. 0 for not at all.
    pub lock_delay: Ms,
    /// Most tickets that may queue.
    pub max_queue: u32,
    /// Most permits that tickets of one owner have at a time (rule 16); `None` for no cap. At least 1.
    pub max_per_owner: Option<u32>,
    /// Permits are not given again before that long after they were claimed, however the ticket ended (rule 17). 0 for at once.
    pub min_hold: Ms,
    /// For people.
    pub description: Arc<str>,
}

impl Settings {
    /// 0.36's defaults with that many permits.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self {
            capacity: Capacity::Size(size),
            tags: SlotTags::new(),
            pick: Pick::First,
            grace: 10_000,
            expiration: Some(300_000),
            max_lock: Some(300_000),
            max_hold: None,
            max_ttl: None,
            lock_delay: 0,
            max_queue: crate::limits::LOCK_TICKETS_MAX as u32,
            max_per_owner: None,
            min_hold: 0,
            description: Arc::from(""),
        }
    }

    /// Number of permits.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.capacity.size()
    }

    /// Most permits that one ticket may ask for by number.
    #[must_use]
    pub fn most_permits(&self) -> u32 {
        self.max_per_owner.unwrap_or(u32::MAX).min(self.size())
    }

    /// Longest lease that a client may ask for: as set, else the larger of `max_lock` and an hour (rule 4).
    #[must_use]
    pub fn max_ttl_ms(&self) -> Ms {
        let default = self.max_lock.map_or(TTL_MAX_MS, |max_lock| max_lock.max(MAX_TTL_DEFAULT_MS));
        self.max_ttl.unwrap_or(default).min(TTL_MAX_MS)
    }

    /// Grace time with its lower bound applied.
    #[must_use]
    pub fn grace_ms(&self) -> Ms {
        self.grace.max(GRACE_MIN_MS)
    }
}

/// What a definition is for: a lock, or every lock whose name begins so (rule 12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One lock.
    Lock(LockName),
    /// A template.
    Template(Prefix),
}

impl Target {
    /// The name or the beginning of names, and whether it is a name.
    pub(crate) fn text(&self) -> (&str, bool) {
        match self {
            Self::Lock(name) => (name.as_str(), true),
            Self::Template(prefix) => (prefix.as_str(), false),
        }
    }

    /// Whether this names the lock, or the beginning of its name.
    #[must_use]
    pub fn takes(&self, lock: &LockName) -> bool {
        match self {
            Self::Lock(name) => name == lock,
            Self::Template(prefix) => lock.as_str().starts_with(prefix.as_str()),
        }
    }
}

/// One lock section of the configuration file, with every value resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Lock or template.
    pub target: Target,
    /// Its settings.
    pub settings: Settings,
    /// 0.36's size 0: the lock starts paused.
    pub paused: bool,
}
