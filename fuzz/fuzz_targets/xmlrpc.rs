//! Any bytes as the body of an XML-RPC request.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lockserver::http::xmlrpc::codec::fuzz(data));
