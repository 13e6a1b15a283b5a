//! The page of lockserver in a real browser: a server, a headless Chromium, and what both are asked.
//!
//! The tests are in `tests/`; `src/bin/screenshots.rs` takes the pictures of it.

mod axe;
mod browser;
mod server;

pub use axe::{axe, complaints};
pub use browser::{Browser, Look, PHONE, WIDE};
pub use rustix::process::Signal;
pub use server::{SECRET, Server, key};

use std::time::Duration;

/// Far more than anything here takes, so that only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at something that must come.
pub const LOOK: Duration = Duration::from_millis(25);
