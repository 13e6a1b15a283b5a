//! What the protocols know of the process around them: its store, its configuration, and how to have that read again.

use super::cluster::Cluster;
use lock_api::{ConfigurationStatus, Reloaded};
use lock_core::limits::WARNINGS_TOLD_MAX;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Asks for a reload; what came of it goes back the way that is given, an error as a text for people.
pub type ReloadRequest = oneshot::Sender<Result<Reloaded, String>>;

/// The configuration as the status shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured {
    /// Where it comes from, and how its last reading went.
    pub status: ConfigurationStatus,
    /// What the last reading warned of.
    pub warnings: Vec<String>,
}

/// The process around the protocols.
#[derive(Debug)]
pub struct Service {
    /// When it began.
    pub started: Instant,
    /// Where locks and tickets are kept, for people.
    pub store: String,
    /// What is wrong with the files of the store, as they were found at the start.
    pub store_warnings: Vec<String>,
    /// The administrators' socket, if there is one.
    pub admin_socket: Option<Arc<Path>>,
    pub configured: watch::Receiver<Configured>,
    pub reload: mpsc::Sender<ReloadRequest>,
    /// The other servers on the same store, if it is one that several may share.
    pub cluster: Option<Cluster>,
}

/// What is told of these warnings: a configuration may have one for each of its lines.
pub(super) fn told_warnings(all: &[String]) -> Vec<String> {
    let mut told: Vec<String> = all.iter().take(WARNINGS_TOLD_MAX).cloned().collect();
    if all.len() > told.len() {
        told.push(format!("and {} more, which are in the log", all.len() - told.len()));
    }
    told
}
