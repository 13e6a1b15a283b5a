//! Any bytes as the body of an XML-RPC request. Run with `cargo fuzz run xmlrpc`; the body also runs on every `cargo test`,
//! from `crates/lockserver/tests/fuzz_bodies.rs`.
#![no_main]

#[path = "../bodies/xmlrpc.rs"]
mod xmlrpc;

libfuzzer_sys::fuzz_target!(|data: &[u8]| xmlrpc::fuzz_xmlrpc(data));
