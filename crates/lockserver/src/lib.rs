//! The lockserver daemon: a library with every part, and a thin binary.
pub mod http;
pub mod os;
pub mod store;
