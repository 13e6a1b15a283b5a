//! The way to the engine: two bounded queues, the urgent one drained first, so that overload sheds only new tickets and reads;
//! and one for those who only look, which is drained when everything else is done (see `look`).

use super::answer::{Answer, EngineError};
use super::receipt::Reports;
use super::waiters::{Onlooker, Waiter};
use lock_core::limits::LOOKS_MAX;
use lock_core::{Caller, Command, TicketId};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Requests that each queue holds.
const QUEUE_MAX: usize = 10_000;
/// Requests of one step, at most.
const BATCH_MAX: usize = 5000;

/// What is asked of the engine.
#[derive(Debug)]
pub(crate) enum Work {
    /// A command, answered once its step is durable unless it waits.
    Command(Box<Command>),
    /// The locks are to be measured for the metrics.
    Measure,
    /// The request with this number waits no longer.
    EndWait {
        /// [`Waiter::number`].
        number: u64,
        /// Its client is gone.
        lost: bool,
    },
}

/// One request on its way to the engine.
#[derive(Debug)]
pub struct Request {
    pub(crate) work: Work,
    pub(crate) reply: Option<oneshot::Sender<Answer>>,
    /// Who waits, if it may.
    pub(crate) waiter: Option<Waiter>,
    pub(crate) attempt: Attempt,
    /// Whose it is, where the command itself does not say so.
    pub(crate) by: Option<Caller>,
    /// Who looks, if it only looks.
    pub(crate) onlooker: Option<Onlooker>,
}

/// How often a request has been worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Not yet: it has just arrived.
    Initial,
    /// One step was not enough.
    Continued,
    /// It waited as the last term ended.
    Replayed {
        /// [`PendingWait::made`](super::waiters::PendingWait).
        made: bool,
    },
}

impl Request {
    /// A command and where its answer goes.
    #[must_use]
    pub fn new(command: Command) -> (Self, oneshot::Receiver<Answer>) {
        Self::of(Work::Command(Box::new(command)))
    }

    pub(crate) fn measure() -> (Self, oneshot::Receiver<Answer>) {
        Self::of(Work::Measure)
    }

    fn of(work: Work) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self { reply: Some(reply), ..Self::report(work) }, answer)
    }

    /// A request without an answer.
    pub(crate) fn report(work: Work) -> Self {
        Self { work, reply: None, waiter: None, attempt: Attempt::Initial, by: None, onlooker: None }
    }

    pub(crate) fn with_waiter(mut self, waiter: Waiter) -> Self {
        self.waiter = Some(waiter);
        self
    }

    /// Whose request a command is, if the core asks.
    pub(crate) fn caller(command: &Command) -> Option<&Caller> {
        match command {
            Command::Acquire(new) => Some(&new.caller),
            Command::Get { caller, .. }
            | Command::WaitOn { caller, .. }
            | Command::Renew { caller, .. }
            | Command::Release { caller, .. } => Some(caller),
            _ => None,
        }
    }

    /// Whose doing it is, for the audit log.
    pub(crate) fn author(&self) -> Option<Caller> {
        match &self.work {
            _ if self.by.is_some() => self.by.clone(),
            Work::Command(command) => match &**command {
                Command::Revoke { caller, .. } => Some(caller.clone()),
                Command::Configure { .. } => Some(Caller { admin: true, ..Caller::anonymous("configuration") }),
                other => Self::caller(other).cloned(),
            },
            Work::Measure | Work::EndWait { .. } => None,
        }
    }
}

#[derive(Debug, Default)]
struct Queues {
    urgent: VecDeque<Request>,
    ordinary: VecDeque<Request>,
    looks: VecDeque<Request>,
    closed: bool,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty() && self.looks.is_empty()
    }
}

/// The requests that the engine has not taken yet.
#[derive(Debug)]
pub struct RequestQueue {
    queues: Mutex<Queues>,
    arrived: Condvar,
    /// Room in the urgent queue: who finds none waits for it, and nothing is shed.
    urgent_room: Semaphore,
}

impl RequestQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { queues: Mutex::default(), arrived: Condvar::new(), urgent_room: Semaphore::new(QUEUE_MAX) })
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, Queues> {
        // Nothing in here can panic half-way.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.arrived.notify_one();
        Ok(())
    }

    /// Sends a request that only looks. Overload sheds it, and nothing that changes anything waits for it.
    pub(crate) fn push_look(&self, request: Request) -> Result<(), EngineError> {
        let mut queues = self.queues();
        if queues.closed {
            return Err(EngineError::ShuttingDown);
        }
        if queues.looks.len() >= LOOKS_MAX {
            return Err(EngineError::Overloaded);
        }
        queues.looks.push_back(request);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next request that only looks, if it is wanted.
    pub(crate) fn take_look(&self, wanted: impl Fn(&Request) -> bool) -> Option<Request> {
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
        self.arrived.notify_one();
        Ok(())
    }

    /// Sends what nobody waits for an answer to, from anywhere. There is at most one such report for each answer and each
    /// waiting request, so those bound it.
    pub(crate) fn push_report(&self, work: Work) {
        let mut queues = self.queues();
        if !queues.closed {
            queues.urgent.push_back(Request::report(work));
            self.arrived.notify_one();
        }
    }

    /// Waits until something has arrived, at most this long, and takes what fits a step; those who only look stay for
    /// its end. `None` once the queues are closed and empty.
    pub fn take(&self, timeout: Duration) -> Option<Vec<Request>> {
        let empty = |queues: &mut Queues| queues.is_empty() && !queues.closed;
        let (mut queues, _) =
            self.arrived.wait_timeout_while(self.queues(), timeout, empty).unwrap_or_else(PoisonError::into_inner);
        if queues.closed && queues.is_empty() {
            return None;
        }
        let urgent = queues.urgent.len().min(BATCH_MAX);
        let mut batch: Vec<Request> = queues.urgent.drain(..urgent).collect();
        let ordinary = queues.ordinary.len().min(BATCH_MAX - urgent);
        batch.extend(queues.ordinary.drain(..ordinary));
        drop(queues);
        let taken = batch.iter().take(urgent).filter(|request| request.reply.is_some()).count();
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
        let left = [urgent, ordinary, looks].map(std::mem::take);
        drop(queues);
        // Their senders hear it by the loss of the other end.
        drop(left);
    }
}

impl Reports for RequestQueue {
    fn undelivered(&self, id: TicketId, activity_seq: u64, made: bool) {
        self.push_report(Work::Command(Box::new(Command::Undelivered { id, activity_seq, made })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::LockName;

    #[test]
    fn abandon_fails_queued_requests() {
        let request_queue = RequestQueue::new();
        let verify = || Command::Verify { lock: LockName::new("x").unwrap(), token: 1 };
        let (request, mut ordinary) = Request::new(verify());
        request_queue.push_ordinary(request).unwrap();
        let (request, mut look) = Request::measure();
        request_queue.push_look(request).unwrap();
        let (request, mut urgent) =
            Request::new(Command::Restore { lock: LockName::new("x").unwrap(), number: Some(1) });
        request_queue.queues().urgent.push_back(request);
        request_queue.abandon();
        let gone = Err(oneshot::error::TryRecvError::Closed);
        assert_eq!(ordinary.try_recv().map(drop), gone);
        assert_eq!(urgent.try_recv().map(drop), gone);
        assert_eq!(look.try_recv().map(drop), gone);
        assert_eq!(request_queue.push_ordinary(Request::new(verify()).0).unwrap_err(), EngineError::ShuttingDown);
        assert_eq!(request_queue.push_look(Request::measure().0).unwrap_err(), EngineError::ShuttingDown);
        assert!(request_queue.take(Duration::ZERO).is_none());
    }
}
