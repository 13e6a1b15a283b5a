//! The lockserver daemon: a library with every part, and a thin binary.
pub mod log;
pub mod store;
