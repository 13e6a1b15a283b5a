//! Several lockservers over etcd, clients, faults, and a judge of what the clients were told.
//!
//! [`run()`] starts the processes, for root each in a network namespace. It lets clients work on a few locks while a seed chooses
//! faults, and records every call with its answer, and what two readers of events are told ([`history`]). [`judge`] then reads
//! that record alone. It is written from `docs/rules.md` and `docs/api.md`, and shares nothing with the server:
//! whatever the server believes, it counts what its clients may rely on.

pub mod history;
pub mod judge;

mod client;
mod faults;
mod http;
mod random;
mod report;
mod run;
mod world;

pub use report::{Of, Report};
pub use run::{Plan, run};
