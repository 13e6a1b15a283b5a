//! The async face of the engine.

use super::events::{EventId, Events};
use super::lanes::{Lanes, Request, Work};
use super::receipt::Receipt;
use super::term::Status;
use super::waiters::{GivenUp, Presence, Waiter};
use lock_core::{Command, Outcome, Rejection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// What came of a command, and the receipt that goes with telling it.
#[derive(Debug)]
pub struct Told {
    /// What came of it.
    pub outcome: Outcome,
    /// The last event that the outcome includes.
    pub as_of: EventId,
    /// To be confirmed when the answer was delivered, and dropped otherwise.
    pub receipt: Option<Arc<Receipt>>,
}

/// Why there is no outcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The rules refuse it; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too much to do; nothing was done, and later it will be.
    #[error("the server has too much to do, try again")]
    Overloaded,
    /// The server is being stopped; nothing was done.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The store does not do its work now.
    #[error("{reason}")]
    Unavailable {
        /// What the store says.
        reason: Arc<str>,
        /// The command may be durable all the same: ask before repeating it.
        may_have_taken_effect: bool,
    },
}

impl Failure {
    /// The engine ended with the request in its hands.
    fn engine_ended() -> Self {
        Self::Unavailable {
            reason: Arc::from("the server stopped while it worked on the request"),
            may_have_taken_effect: true,
        }
    }
}

/// The answer to a request.
pub type Answer = Result<Told, Failure>;

/// Sends requests to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) status: Arc<Status>,
    pub(crate) events: Arc<Events>,
    pub(crate) next_waiter: Arc<AtomicU64>,
}

impl Handle {
    /// Sends a command that does not wait, and gives its answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn submit(&self, command: Command) -> Answer {
        let shed = command.may_be_shed();
        let (request, answer) = Request::new(command);
        self.push(request, shed).await?;
        answer.await.unwrap_or_else(|_| Err(Failure::engine_ended()))
    }

    /// Sends a command that may wait for its grant. `presence` is asked just before the grant.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn submit_waiting(&self, command: Command, presence: Arc<dyn Presence>) -> Result<Wait, Failure> {
        let number = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        let given_up = Arc::new(GivenUp::default());
        let shed = command.may_be_shed();
        let (request, answer) = Request::new(command);
        let request = request.with_waiter(Waiter { number, presence, given_up: given_up.clone() });
        self.push(request, shed).await?;
        Ok(Wait { number, given_up, answer, over: false, lanes: self.lanes.clone() })
    }

    async fn push(&self, request: Request, shed: bool) -> Result<(), Failure> {
        if shed { self.lanes.push_ordinary(request) } else { self.lanes.push_urgent(request).await }
    }

    /// How the engine is.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Committed events.
    #[must_use]
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// What has been sent and not yet taken by the engine: for a test that drives [`super::Engine`] itself.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Takes nothing more in; the engine answers what it has and ends.
    pub fn close(&self) {
        self.lanes.close();
    }
}

/// A request that may be waiting. Dropped before its answer, its client counts as gone.
#[derive(Debug)]
pub struct Wait {
    number: u64,
    given_up: Arc<GivenUp>,
    answer: oneshot::Receiver<Answer>,
    over: bool,
    lanes: Arc<Lanes>,
}

impl Wait {
    /// The answer, as soon as there is one. May be dropped and called again.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn answer(&mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.over = true;
        answer.unwrap_or_else(|_| Err(Failure::engine_ended()))
    }

    /// Waits no longer, and gives the ticket as it is now; a grant that came just before is not lost.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn give_up(mut self, lost: bool) -> Answer {
        self.end(lost);
        self.answer().await
    }

    fn end(&mut self, lost: bool) {
        self.over = true;
        self.given_up.set(lost);
        self.lanes.push_report(Work::EndWait { number: self.number, lost });
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.over {
            self.end(true);
        }
    }
}
