//! What the server counts and measures, and how that reads for Prometheus.
//!
//! A leaf: engine, protocols and daemon put numbers in, `/metrics` takes them out. Nothing in here decides anything, waits for
//! anything, or is asked by a rule; the simulation runs with it and never looks.
//!
//! `catalogue` names every metric (docs/metrics.md is the same list for people, and a test holds the two together),
//! `number` has the three kinds of number, `locks`, `engine`, `http` and `process` are where they come from, `history` keeps
//! the last hour and day of each lock in memory for the page, `text` writes the two formats, and `render` brings it together.

mod catalogue;
mod engine;
mod history;
mod http;
mod locks;
mod number;
mod process;
mod render;
#[cfg(test)]
mod tests;
mod text;

pub use engine::Engine;
pub use history::{History, Past, Percentiles, Sample, Samples, Span};
pub use http::{Connections, Forwarded, Http, TimedOut};
pub use locks::{Label, Locks};
pub use number::{Counter, Gauge, Histogram};
pub use render::Scrape;
pub use text::Format;

use std::time::{SystemTime, UNIX_EPOCH};

/// Every number of one server. Shared by its parts.
#[derive(Debug)]
pub struct Metrics {
    pub locks: Locks,
    /// Of each lock, over time: not for Prometheus, but for the plots of the page.
    pub history: History,
    pub engine: Engine,
    pub http: Http,
    pub connections: Connections,
    /// 1 if the configuration was read without error the last time.
    configured: Gauge,
    /// When the configuration was applied last; Unix time in seconds.
    configured_at: Gauge,
    /// When the server began; Unix time in seconds.
    started_at: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            locks: Locks::default(),
            history: History::default(),
            engine: Engine::default(),
            http: Http::default(),
            connections: Connections::default(),
            configured: Gauge::default(),
            configured_at: Gauge::default(),
            started_at: unix_seconds(),
        }
    }
}

impl Metrics {
    /// The configuration was read and applied, now.
    pub fn config_applied(&self) {
        self.configured.set(1);
        self.configured_at.set(i64::try_from(unix_seconds()).unwrap_or(i64::MAX));
    }

    /// The configuration was read and refused, and everything stays as it was.
    pub fn config_refused(&self) {
        self.configured.set(0);
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
