//! The JSON types, error codes and paths of lockserver's HTTP API, version 1. Shared by server and clients; it knows neither
//! the rules nor any transport.
//!
//! Durations are in seconds, as numbers with at most three decimals, in fields whose names end in `_s`. Times are RFC 3339 in
//! UTC. Unknown fields of a request are refused, unknown fields of an answer are passed over.
#![warn(missing_docs)]

mod change;
mod error;
mod event;
mod history;
mod lock;
mod seconds;
mod status;
mod ticket;
mod words;

pub mod routes;
pub mod text;

pub use change::{LockChange, SettingValue};
pub use error::{ErrorCode, PROBLEM_JSON, Problem};
pub use event::{Event, EventKind};
pub use history::{History, Past, Percentiles};
pub use lock::{
    Lock, LockPatch, LockSettings, Locks, Outside, Pick, Report, Statistics, Usage, WithheldCause, Withhold,
    Withholding,
};
pub use seconds::Seconds;
pub use status::{ConfigurationStatus, Leader, Reloaded, Standby, Status, You};
pub use ticket::{Acquire, EndedAs, Part, Permits, Released, Renew, Selection, Ticket, TicketState, Tickets};

/// Of a count that is left out where it is 0, as of nearly all.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
