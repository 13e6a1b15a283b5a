//! Servers that do not answer: how long a client tries, and how it says so.

use crate::Tried;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a call may be without an answer before somebody is told.
pub(crate) const TELL_AFTER: Duration = Duration::from_secs(1);

/// How long a call may take without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Beside the time that a server is asked to wait.
    pub within: Duration,
    /// A socket that is not there, that we may not use, or that nobody serves, and a host that nobody knows, are final: for
    /// those who only look, waiting for a server to be started is no use.
    pub nowhere_is_final: bool,
}

/// A call has been without an answer for a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// The server that was tried last.
    pub server: String,
    /// What came of it; nothing if it has not answered yet.
    pub why: Option<String>,
    /// How long it is tried still.
    pub left: Duration,
}

pub(crate) type OnSilence = Arc<dyn Fn(&Silence) + Send + Sync>;

/// When to tell that a call is without an answer, which is done once.
pub(crate) struct Watch {
    tell: Option<OnSilence>,
    at: Instant,
    ends: Instant,
    last: Option<Tried>,
}

impl Watch {
    /// `waits`: how long a server that is well may be silent.
    pub(crate) fn new(tell: Option<OnSilence>, begin: Instant, waits: Duration, ends: Instant) -> Self {
        Self { tell, at: begin + waits + TELL_AFTER, ends, last: None }
    }

    /// A try has failed: from now on it is not the server that waits.
    pub(crate) fn failed(&mut self, tried: &Tried, begin: Instant) {
        self.at = self.at.min(begin + TELL_AFTER);
        self.last = Some(tried.clone());
    }

    /// The outcome of `work`. If that takes too long somebody is told that `server` does not answer.
    pub(crate) async fn over<T>(&mut self, server: &str, work: impl Future<Output = T>) -> T {
        if self.tell.is_none() {
            return work.await;
        }
        tokio::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::time::sleep_until(self.at) => {}
        }
        if let Some(tell) = self.tell.take() {
            let last = self.last.take();
            let (server, why) = last.map_or_else(|| (server.to_owned(), None), |last| (last.server, Some(last.what)));
            tell(&Silence { server, why, left: self.ends.saturating_duration_since(Instant::now()) });
        }
        work.await
    }
}
