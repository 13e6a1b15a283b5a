//! The engine: one thread that owns the table and the store, and the async handle in front of it.
//!
//! A request goes `Handle` -> `request_queue` -> `thread` -> `step` -> store -> reply. The rule that holds the whole together,
//! *nobody is told what is not durable*, is the function `Engine::conclude` in `step.rs`.
//!
//! Nothing in here is async but `Handle` and `Wait`: the engine itself is plain code that is given the time and a batch,
//! so that the simulation can drive it step by step.

mod answer;
mod clock;
mod events;
mod handle;
mod look;
mod pulse;
mod receipt;
mod request_queue;
mod standing;
mod step;
mod term;
mod thread;
mod waiters;

pub use answer::{Answer, CommandResult, EngineError, Rendered};
pub use clock::Tick;
pub use events::{EventId, Events, Published, Reset};
pub use handle::{Handle, Wait};
pub use pulse::Pulse;
pub use receipt::{Delivery, Receipt};
pub use request_queue::{Request, RequestQueue};
pub use standing::Standing;
pub use step::Engine;
pub use term::{Fatal, Status};
pub use thread::{Running, start, start_audited};
pub use waiters::Presence;
