//! The async side of the engine.

use super::answer::{Answer, EngineError};
use super::events::Events;
use super::observers::Observers;
use super::request::{LookRequest, Request, Subject};
use super::request_queue::{Combine, RequestQueue};
use super::status::Status;
use super::waiters::{Onlooker, Presence, WaitState, Waiter};
use crate::audit::Audit;
use crate::metrics::Metrics;
use lock_core::{Caller, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the engine may take to measure the locks. A scrape needs the other numbers, too, when the disk hangs.
const MEASURE_TIME: Duration = Duration::from_secs(2);

/// Sends requests to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) request_queue: Arc<RequestQueue>,
    pub(crate) observers: Observers,
    pub(crate) next_waiter: Arc<AtomicU64>,
    /// Where the store never waits.
    pub(crate) combine: Option<Arc<dyn Combine>>,
}

impl Handle {
    /// Sends a command that does not wait, and gives its answer.
    ///
    /// # Errors
    /// See [`EngineError`].
    ///
    /// # Panics
    /// If the command may wait: it would have nobody to wait for.
    pub async fn submit(&self, caller: &Caller, command: Command) -> Answer {
        assert!(!command.may_wait(), "a command that may wait goes through submit_waiting");
        let answer = if command.only_looks() {
            self.push_look(caller, command, None)?
        } else {
            let shed = command.may_be_shed();
            let (request, answer) = Request::new(caller, command);
            self.push(request, shed).await?;
            answer
        };
        answer.await.unwrap_or_else(|_| Err(EngineError::engine_ended()))
    }

    /// Sends a command that only looks, for this client: once it has gone, nobody looks for it.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn look(&self, caller: &Caller, command: Command, presence: Arc<dyn Presence>) -> Answer {
        assert!(command.only_looks(), "nobody may be passed over who wants more than to look");
        let answer = self.push_look(caller, command, Some(Onlooker(presence)))?;
        // Its client has gone.
        answer.await.unwrap_or(Err(EngineError::Overloaded))
    }

    /// Sends a command that may wait for its grant. `presence` is asked just before the grant.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn submit_waiting(
        &self,
        caller: &Caller,
        command: Command,
        presence: Arc<dyn Presence>,
    ) -> Result<Wait, EngineError> {
        let number = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        let wait_state = Arc::new(WaitState::default());
        let shed = command.may_be_shed();
        let (request, answer) =
            Request::waiting(caller, command, Waiter { number, presence, wait_state: wait_state.clone() });
        self.push(request, shed).await?;
        Ok(Wait { number, wait_state, answer, over: false, request_queue: self.request_queue.clone() })
    }

    fn push_look(
        &self,
        caller: &Caller,
        command: Command,
        onlooker: Option<Onlooker>,
    ) -> Result<oneshot::Receiver<Answer>, EngineError> {
        let (look, answer) = LookRequest::new(caller, Subject::Command(Box::new(command)), onlooker);
        self.noting_shed(self.request_queue.push_look(look))?;
        Ok(answer)
    }

    async fn push(&self, request: Request, shed: bool) -> Result<(), EngineError> {
        if shed {
            self.noting_shed(self.request_queue.push_ordinary(request))?;
        } else {
            self.request_queue.push_urgent(request).await?;
        }
        if let Some(combine) = &self.combine {
            combine.combine();
        }
        Ok(())
    }

    fn noting_shed(&self, pushed: Result<(), EngineError>) -> Result<(), EngineError> {
        pushed.inspect_err(|failure| {
            if *failure == EngineError::Overloaded {
                self.observers.metrics.engine.shed.increment();
            }
        })
    }

    /// Has the metrics say how the locks are now. False if the engine cannot tell, or not soon enough.
    pub async fn measure(&self) -> bool {
        let (look, answer) = LookRequest::new(Caller::server(), Subject::Locks, None);
        let measured = async { self.request_queue.push_look(look).is_ok() && matches!(answer.await, Ok(Ok(_))) };
        timeout(MEASURE_TIME, measured).await.unwrap_or(false)
    }

    /// Counters and measurements of the engine, and of the owners of this handle.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.observers.metrics
    }

    /// Where it is written down who did what.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.observers.audit
    }

    /// How the engine is.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.observers.status
    }

    /// Committed events.
    #[must_use]
    pub fn events(&self) -> &Arc<Events> {
        &self.observers.events
    }

    /// What has been sent and not yet taken by the engine.
    #[must_use]
    pub fn request_queue(&self) -> &RequestQueue {
        &self.request_queue
    }

    /// Takes nothing more in; the engine answers what it has and ends.
    pub fn close(&self) {
        self.request_queue.close();
    }
}

/// A request that may be waiting. Dropped before its answer, its client counts as gone.
#[derive(Debug)]
pub struct Wait {
    number: u64,
    wait_state: Arc<WaitState>,
    answer: oneshot::Receiver<Answer>,
    over: bool,
    request_queue: Arc<RequestQueue>,
}

impl Wait {
    /// The answer, as soon as there is one. May be dropped and called again.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn answer(&mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.over = true;
        answer.unwrap_or_else(|_| Err(EngineError::engine_ended()))
    }

    /// Waits no longer, and gives the ticket as it is now; a grant that came just before is not lost.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn give_up(mut self, lost: bool) -> Answer {
        self.end(lost);
        self.answer().await
    }

    fn end(&mut self, lost: bool) {
        self.over = true;
        self.wait_state.set(lost);
        self.request_queue.push_report(Request::end_wait(self.number, lost));
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.over {
            self.end(true);
        }
    }
}
