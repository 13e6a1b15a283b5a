//! The way to the engine: two bounded queues, the urgent one drained first, so that overload sheds only new tickets and reads;
//! and one for those who only look, which is drained when everything else is done (see `look`).

use super::answer::EngineError;
use super::receipt::Reports;
use super::request::{LookRequest, Request};
use lock_core::limits::LOOKS_MAX;
use lock_core::{Command, TicketId};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests that each queue holds.
const QUEUE_MAX: usize = 10_000;
/// Requests of one step, at most.
const BATCH_MAX: usize = 5000;

#[derive(Debug, Default)]
struct Queues {
    urgent: VecDeque<Request>,
    ordinary: VecDeque<Request>,
    looks: VecDeque<LookRequest>,
    closed: bool,
    /// The engine's thread waits on `arrived`.
    is_awaited: bool,
    /// It is to come round although nothing has arrived.
    is_woken: bool,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty() && self.looks.is_empty()
    }
}

/// Makes steps on the threads that send requests, with a store that never waits (see `driver`).
pub(crate) trait Combine: fmt::Debug + Send + Sync {
    /// A request has been queued: sees to it that a step takes it.
    fn combine(&self);
}

/// The requests that the engine has not taken yet.
#[derive(Debug)]
pub struct RequestQueue {
    queues: Mutex<Queues>,
    arrived: Condvar,
    /// Requests are taken on the threads that send them, so that none of these wakes the engine's thread.
    is_combined: AtomicBool,
    /// Room in the urgent queue: who finds none waits for it, and nothing is shed.
    urgent_room: Semaphore,
}

impl RequestQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            queues: Mutex::default(),
            arrived: Condvar::new(),
            is_combined: AtomicBool::new(false),
            urgent_room: Semaphore::new(QUEUE_MAX),
        })
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Nothing in here can panic half-way.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, who sends a request sees to it that it is taken ([`Combine`]).
    pub(super) fn combine(&self) {
        self.is_combined.store(true, Ordering::Relaxed);
    }

    /// A request has been pushed. Where senders make steps, this one does.
    fn pushed(&self, queues: MutexGuard<'_, Queues>) {
        if !self.is_combined.load(Ordering::Relaxed) {
            self.notify(queues);
        }
    }

    /// Wakes the engine's thread if it waits. A thread that does not will look at the queues before it waits again.
    fn notify(&self, queues: MutexGuard<'_, Queues>) {
        let is_awaited = queues.is_awaited;
        drop(queues);
        if is_awaited {
            self.arrived.notify_one();
        }
    }

    /// Has the engine's thread come round.
    pub(super) fn wake(&self) {
        let mut queues = self.queues();
        queues.is_woken = true;
        self.notify(queues);
    }

    /// Sends a request that overload may shed.
    pub(crate) fn push_ordinary(&self, request: Request) -> Result<(), EngineError> {
        let mut queues = self.queues();
        if queues.closed {
            return Err(EngineError::ShuttingDown);
        }
        if queues.ordinary.len() >= QUEUE_MAX {
            return Err(EngineError::Overloaded);
        }
        queues.ordinary.push_back(request);
        self.pushed(queues);
        Ok(())
    }

    /// Sends a request that only looks. Overload sheds it, and nothing that changes anything waits for it.
    pub(crate) fn push_look(&self, look: LookRequest) -> Result<(), EngineError> {
        let mut queues = self.queues();
        if queues.closed {
            return Err(EngineError::ShuttingDown);
        }
        if queues.looks.len() >= LOOKS_MAX {
            return Err(EngineError::Overloaded);
        }
        queues.looks.push_back(look);
        self.notify(queues);
        Ok(())
    }

    /// The next request that only looks, if it is wanted.
    pub(crate) fn take_look(&self, wanted: impl Fn(&LookRequest) -> bool) -> Option<LookRequest> {
        let mut queues = self.queues();
        if queues.looks.front().is_some_and(wanted) { queues.looks.pop_front() } else { None }
    }

    /// Sends a request that is never shed; waits for room if there is none.
    pub(crate) async fn push_urgent(&self, request: Request) -> Result<(), EngineError> {
        let Ok(room) = self.urgent_room.acquire().await else {
            return Err(EngineError::ShuttingDown);
        };
        let mut queues = self.queues();
        if queues.closed {
            return Err(EngineError::ShuttingDown);
        }
        room.forget();
        queues.urgent.push_back(request);
        self.pushed(queues);
        Ok(())
    }

    /// Sends what nobody waits for an answer to, from anywhere. There is at most one such report for each answer and each
    /// waiting request, so those bound it.
    pub(crate) fn push_report(&self, report: Request) {
        let mut queues = self.queues();
        if !queues.closed {
            queues.urgent.push_back(report);
            self.notify(queues);
        }
    }

    /// Waits until something has arrived, at most this long.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut queues = self.queues();
        queues.is_awaited = true;
        let nothing = |queues: &mut Queues| queues.is_empty() && !queues.closed && !queues.is_woken;
        let (mut queues, _) =
            self.arrived.wait_timeout_while(queues, timeout, nothing).unwrap_or_else(PoisonError::into_inner);
        queues.is_awaited = false;
        queues.is_woken = false;
    }

    /// Whether [`Self::take`] would give nothing.
    pub(super) fn is_drained(&self) -> bool {
        let queues = self.queues();
        queues.urgent.is_empty() && queues.ordinary.is_empty()
    }

    /// Takes what fits a step; those who only look stay for its end. `None` once the queues are closed and empty.
    pub fn take(&self) -> Option<Vec<Request>> {
        let mut queues = self.queues();
        if queues.closed && queues.is_empty() {
            return None;
        }
        let urgent = queues.urgent.len().min(BATCH_MAX);
        let mut batch: Vec<Request> = queues.urgent.drain(..urgent).collect();
        let ordinary = queues.ordinary.len().min(BATCH_MAX - urgent);
        batch.extend(queues.ordinary.drain(..ordinary));
        drop(queues);
        let taken = batch.iter().take(urgent).filter(|request| request.is_answered()).count();
        self.urgent_room.add_permits(taken);
        Some(batch)
    }

    /// Requests in the urgent queue, and in the ordinary one and behind it.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize) {
        let queues = self.queues();
        (queues.urgent.len(), queues.ordinary.len() + queues.looks.len())
    }

    /// Nothing more is taken in; what is there is still answered.
    pub(crate) fn close(&self) {
        self.queues().closed = true;
        self.urgent_room.close();
        self.arrived.notify_all();
    }

    /// The engine has ended: nothing is taken in, and who sent what is still there hears that it will not be done.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut queues = self.queues();
        let Queues { urgent, ordinary, looks, .. } = &mut *queues;
        let left = (std::mem::take(urgent), std::mem::take(ordinary), std::mem::take(looks));
        drop(queues);
        // Their senders hear it by the loss of the other end.
        drop(left);
    }
}

impl Reports for RequestQueue {
    fn undelivered(&self, id: TicketId, activity_seq: u64, made: bool) {
        self.push_report(Request::report(Command::Undelivered { id, activity_seq, made }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Subject;
    use super::*;
    use lock_core::{Caller, LockName, Restored};
    use tokio::sync::oneshot;

    #[test]
    fn abandon_fails_queued_requests() {
        let request_queue = RequestQueue::new();
        let lock = || LockName::new("x").unwrap();
        let request = || Request::new(Caller::server(), Command::Verify { lock: lock(), token: 1 });
        let look = || LookRequest::new(Caller::server(), Subject::Locks, None);
        let (one, mut ordinary) = request();
        request_queue.push_ordinary(one).unwrap();
        let (one, mut seen) = look();
        request_queue.push_look(one).unwrap();
        let (request_of_admin, mut urgent) =
            Request::new(Caller::server(), Command::Restore { lock: lock(), which: Restored::Number(1) });
        request_queue.queues().urgent.push_back(request_of_admin);
        request_queue.abandon();
        let gone = Err(oneshot::error::TryRecvError::Closed);
        assert_eq!(ordinary.try_recv().map(drop), gone);
        assert_eq!(urgent.try_recv().map(drop), gone);
        assert_eq!(seen.try_recv().map(drop), gone);
        assert_eq!(request_queue.push_ordinary(request().0).unwrap_err(), EngineError::ShuttingDown);
        assert_eq!(request_queue.push_look(look().0).unwrap_err(), EngineError::ShuttingDown);
        assert!(request_queue.take().is_none());
    }
}
