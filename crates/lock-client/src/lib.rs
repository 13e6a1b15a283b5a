//! The async Rust client of lockserver.
