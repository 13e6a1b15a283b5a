//! The past of a lock.

use crate::{Event, Seconds};
use serde::{Deserialize, Serialize};

/// The last hour and the last day of a lock, as far as the server remembers them: it begins anew with each start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct History {
    /// The lock.
    pub lock: String,
    /// When the server first looked at it, no longer ago than a day; `null` if it has not, or has no room for its past.
    #[serde(default)]
    pub since: Option<String>,
    /// The last hour, in steps of 10 s.
    pub hour: Past,
    /// The last day, in steps of 5 minutes.
    pub day: Past,
    /// Its last events, at most 50, oldest first.
    pub events: Vec<Event>,
    /// The last event that this includes.
    pub as_of: String,
}

/// A stretch of time in equal steps. Each list has one value for each step; `null` is a step that the server did not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Past {
    /// When the first step begins; `null` if there is none.
    pub begin: Option<String>,
    /// Length of a step.
    pub step_s: Seconds,
    /// Permits.
    pub size: Vec<Option<u32>>,
    /// Permits granted or held, on average.
    pub in_use: Vec<Option<f64>>,
    /// Permits granted or held, at most.
    pub in_use_max: Vec<Option<u32>>,
    /// Tickets in the queue, at most.
    pub queued_max: Vec<Option<u32>>,
    /// Share of the time, 0 to 1, in which no permit was left: granted, held and withheld ones filled the lock, or one ticket
    /// had it all.
    #[serde(default)]
    pub full: Vec<Option<f64>>,
    /// How long tickets waited for their grants.
    pub waits: Percentiles,
    /// How long permits were held.
    pub holds: Percentiles,
}

/// How long it took: never less than it was, and at most 20 % more; what took less than 10 ms is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Percentiles {
    /// Times that were measured.
    pub count: u64,
    /// Half of them were no longer.
    pub p50_s: Option<Seconds>,
    /// 90 % of them were no longer.
    pub p90_s: Option<Seconds>,
    /// 99 % of them were no longer.
    pub p99_s: Option<Seconds>,
}
