//! The state of the server.

use crate::Seconds;
use serde::{Deserialize, Serialize};

/// Outcome of the last reading of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationStatus {
    /// The files it was read from.
    pub files: Vec<String>,
    /// When it was last applied.
    pub loaded_at: String,
    /// Why the last reload was refused; what was in force before still is.
    pub refused: Option<String>,
}

/// The caller, as the server knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct You {
    /// Name of the key that was sent.
    pub key: Option<String>,
    /// The address, or `uid:N` of a local administrator.
    pub from: String,
    /// `observe`, `use` and `admin`, those that it has.
    pub rights: Vec<String>,
    /// The locks that the rights are for: names, and beginnings of names with a `*`.
    pub locks: Vec<String>,
    /// The server has keys: with another one there may be other rights.
    pub keys: bool,
}

/// The server that has the locks, where several share a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Leader {
    /// What it is called.
    pub name: String,
    /// Where the others reach it; `null` if it does not say.
    pub url: Option<String>,
    /// Since when it leads, by its own clock.
    pub since: String,
}

/// A server that would take over from the leader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standby {
    /// What it is called.
    pub name: String,
    /// Where the others reach it; `null` if it does not say.
    pub url: Option<String>,
    /// How many seconds its clock is ahead of the leader's; negative if it is behind.
    pub clock_ahead_s: f64,
}

/// The state of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// Version of the server.
    pub version: String,
    /// How long it has been up.
    pub uptime_s: Seconds,
    /// `leader`, or `standby`, which gives requests to the leader; a server alone is its own leader.
    pub role: String,
    /// The leader, where several servers share a store; `null` without one, or if it is not known.
    #[serde(default)]
    pub leader: Option<Leader>,
    /// The standbys, where several servers share a store, as the leader knows them; empty while that is not known.
    #[serde(default)]
    pub standbys: Vec<Standby>,
    /// Where locks and tickets are kept.
    pub store: String,
    /// It serves; if not, `trouble` says why.
    pub ready: bool,
    /// Why it does not serve now.
    pub trouble: Option<String>,
    /// The configuration.
    pub configuration: ConfigurationStatus,
    /// What an operator should look at.
    pub warnings: Vec<String>,
    /// The client of this request, and its rights.
    #[serde(default)]
    pub you: You,
    /// Bounds by name.
    pub limits: std::collections::BTreeMap<String, u64>,
}

/// What a reload of the configuration did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reloaded {
    /// Locks and templates made.
    pub created: Vec<String>,
    /// Locks and templates changed.
    pub changed: Vec<String>,
    /// Locks whose section is gone: gone at once, or with their last ticket.
    pub retired: Vec<String>,
    /// Sections that could not be applied, and why.
    pub refused: Vec<String>,
    /// What should be looked at, and what takes a restart.
    pub warnings: Vec<String>,
}
