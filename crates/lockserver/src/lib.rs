//! The lockserver daemon: a library with every part, and a thin binary.
//!
//! A request goes from `http` (a protocol decodes it) to `engine` (one thread at a time applies it to the table of `lock-core`), to
//! `store` (the commit), and back. `daemon` starts and stops all that; `config` says with which settings.

// Words that cannot be written must not end anything: `say` writes them.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod access;
mod allocator;
pub mod audit;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod exit;
pub mod generate;
pub mod http;
mod lines;
pub mod log;
pub mod metrics;
#[path = "../../options.rs"]
mod options;
pub mod os;
pub mod say;
#[path = "../../stdout.rs"]
mod stdout;
pub mod store;
pub mod store_commands;
pub mod tls;
mod wall;
