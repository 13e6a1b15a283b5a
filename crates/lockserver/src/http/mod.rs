//! The faces of lockserver: HTTP protocols in front of the engine.
pub mod xmlrpc;
