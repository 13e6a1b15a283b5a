//! The engine: one thread that owns the table and the store, and the async handle in front of it.
//!
//! A request goes `Handle` -> `request_queue` -> `driver` -> [`Engine::step`]: a batch is applied to the table of the term
//! (`step`), which makes a value of it (`sealed`); the store makes that durable; and what is durable is published to the
//! `observers` and answered. *Nobody is told what is not durable*: only a `Committed` step can be.
//!
//! Nothing in here is async but `Handle` and `Wait`: the engine itself is plain code that is given the time and a batch,
//! so that the simulation can drive it step by step.

mod answer;
mod clock;
mod drive;
mod driver;
mod event_log;
mod events;
mod finish;
mod handle;
mod in_flight;
mod look;
mod observers;
mod pulse;
mod receipt;
mod recovery;
mod rendered;
mod request;
mod request_queue;
mod sealed;
mod standing;
mod status;
mod step;
mod term;
mod thread;
mod waiters;

/// Whom a role names.
pub use crate::store::Leader;
pub use answer::{Answer, CommandResult, EngineError};
pub use clock::Tick;
pub use drive::Engine;
pub use events::{EventId, Events, Published, Reset};
pub use handle::{Handle, Wait};
pub use pulse::Pulse;
pub use receipt::{Delivery, Receipt};
pub use recovery::Fatal;
pub use rendered::Rendered;
pub use request::Request;
pub use request_queue::RequestQueue;
pub use standing::Standing;
pub use status::{Role, Status};
pub use thread::{Running, start, start_audited};
pub use waiters::Presence;
