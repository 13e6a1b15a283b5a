//! What can go wrong, in one type.

use lock_api::{EndedAs, ErrorCode, Problem};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// A server that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its address as it was given.
    pub server: String,
    /// What happened.
    pub what: String,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address of a server that cannot be one.
    #[error("`{address}` is not a server address: {why}; write https://HOST:PORT, http://HOST:PORT or unix:/PATH")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key cannot stand in a header.
    #[error("the key has characters that keys do not have: is it the right file?")]
    Key,
    /// A certificate or its key cannot be used.
    #[error("{what} cannot be used: {why}")]
    Certificate {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The server's certificate is not trusted, or the server does not trust ours. Nothing was done.
    #[error("the TLS connection to {server} failed: {what}")]
    Distrust {
        /// Its address.
        server: String,
        /// What is missing.
        what: String,
    },
    /// A variable of the environment names a proxy that cannot be used.
    #[error("the proxy in the variable {variable} cannot be used: {why}")]
    Proxy {
        /// The variable, as it is written.
        variable: String,
        /// What is wrong with it; never a password.
        why: String,
    },
    /// The file with a key cannot be used.
    #[error("the key file {}: {why}", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The server said no.
    #[error("{}", said(.0))]
    Refused(Box<Problem>),
    /// The wait was over before the grant came. Nothing is left behind.
    #[error("timed out after {:.1} s waiting for `{lock}`, {}", .waited.as_secs_f64(), place(*.ahead))]
    TimedOut {
        /// The lock, or the locks with commas between.
        lock: String,
        /// How long we waited.
        waited: Duration,
        /// How many were before us at the end.
        ahead: u64,
    },
    /// No server answered.
    #[error("no server answered: {}{}", list(.tried), if *.may_have_taken_effect { "; the request may be in effect all the same" } else { "" })]
    Unreachable {
        /// Those that were tried.
        tried: Vec<Tried>,
        /// A request went out, and its outcome is unknown.
        may_have_taken_effect: bool,
    },
    /// Something answered that does not speak lockserver's API.
    #[error("{server} is not a lockserver, or something between answers for it: {what}")]
    NotLockserver {
        /// Its address.
        server: String,
        /// What it answered.
        what: String,
    },
}

impl Error {
    /// What the server said, if it said something.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The server's code, if it said something.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        self.problem().map(|problem| problem.code)
    }

    /// Whether the request for a ticket that failed like this, at its first try, may have made one.
    pub(crate) fn may_leave_a_ticket(&self) -> bool {
        match self {
            Self::Refused(problem) => problem.status >= 500,
            Self::Unreachable { .. } | Self::NotLockserver { .. } | Self::TimedOut { .. } => true,
            Self::Address { .. }
            | Self::Key
            | Self::KeyFile { .. }
            | Self::Proxy { .. }
            | Self::Certificate { .. }
            | Self::Distrust { .. } => false,
        }
    }

    /// Whether it says that the ticket is no more.
    pub(crate) fn is_its_end(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::Gone | ErrorCode::UnknownTicket))
    }
}

fn said(problem: &Problem) -> String {
    let mut text = if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() };
    if let Some(word) = problem.ended_as.map(EndedAs::as_str).filter(|word| !text.contains(word)) {
        let _ = write!(text, " ({})", word.replace('_', " "));
    }
    text
}

/// A place in the queue, by the number of tickets before it.
fn place(ahead: u64) -> String {
    if ahead == 0 { "first in the queue".to_owned() } else { format!("{ahead} ahead in the queue") }
}

fn list(tried: &[Tried]) -> String {
    tried.iter().map(|one| format!("{}: {}", one.server, one.what)).collect::<Vec<_>>().join("; ")
}
