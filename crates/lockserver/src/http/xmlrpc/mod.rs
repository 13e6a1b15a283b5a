//! The XML-RPC face: what clients of 0.36 speak.
pub mod codec;
