//! The lockserver daemon: a library with every part, and a thin binary.

pub mod engine;
pub mod http;
pub mod store;
