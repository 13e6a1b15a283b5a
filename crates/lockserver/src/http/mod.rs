//! Front ends: the HTTP protocols in front of the engine.
//!
//! `connection` owns the sockets, `router` shows every route on one screen, and each protocol has a folder or file of its own.
//! A protocol decodes, submits a command, and encodes the answer; it decides nothing and never sees the store.

mod acquire;
mod app;
mod auth;
mod body;
mod cluster;
pub mod connection;
mod fleetlock;
mod health;
mod holder;
mod json;
mod metrics;
mod page;
mod path;
mod reads;
mod router;
mod routes;
mod service;
mod shrink;
mod terraform;
mod waited;
pub mod xmlrpc;

pub use app::{App, Live};
pub use auth::AuthSettings;
pub use cluster::{Cluster, stand_by};
pub use router::{entries, router};
pub use routes::{Entry, Need, Protocol};
pub use service::{Configured, ReloadRequest, Service};
