//! Any sequence of commands leaves the rules whole. Run with `cargo fuzz run commands`; the body also runs on every
//! `cargo test`, from `crates/lock-core/tests/fuzz_commands.rs`.
#![no_main]

#[path = "../bodies/commands/mod.rs"]
mod commands;

libfuzzer_sys::fuzz_target!(|data: &[u8]| commands::fuzz_commands(data));
