//! Requests on their way: through the engine's own handle, polled instead of awaited.

use crate::client::Ask;
use lock_core::{Caller, Command};
use lockserver::engine::{Answer, Delivery, EngineError, Handle, Presence, Wait};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// A connection, as the engine sees it.
pub(crate) struct Connection(AtomicBool);

impl Presence for Connection {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(crate) fn break_off(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

fn poll<T>(future: Pin<&mut dyn Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What the handler holds while a request is under way.
pub(crate) enum Call {
    Once(Pending<Answer>),
    Wait(Wait),
}

impl Call {
    /// Sends a command that does not wait.
    pub(crate) fn once(handle: &Handle, caller: Caller, command: Command) -> Self {
        let handle = handle.clone();
        let mut future: Pending<Answer> = Box::pin(async move { handle.submit(&caller, command).await });
        let at_once = poll(future.as_mut());
        assert!(at_once.is_none(), "nobody answers before the step: {at_once:?}");
        Self::Once(future)
    }

    /// Sends a command that may wait.
    ///
    /// # Errors
    /// If the queues are full or closed.
    pub(crate) fn wait(
        handle: &Handle,
        caller: Caller,
        command: Command,
        connection: Arc<Connection>,
    ) -> Result<Self, EngineError> {
        let handle = handle.clone();
        let mut future: Pending<Result<Wait, EngineError>> =
            Box::pin(async move { handle.submit_waiting(&caller, command, connection).await });
        poll(future.as_mut()).expect("there is room in the queues").map(Self::Wait)
    }

    /// The answer, if it is there.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        match self {
            Self::Once(future) => poll(future.as_mut()),
            Self::Wait(wait) => poll(std::pin::pin!(wait.answer())),
        }
    }

    /// Waits no longer; the answer follows.
    pub(crate) fn give_up(self, lost: bool) -> Self {
        match self {
            Self::Once(future) => Self::Once(future),
            Self::Wait(wait) => {
                let mut future: Pending<Answer> = Box::pin(wait.give_up(lost));
                match poll(future.as_mut()) {
                    Some(answer) => Self::Once(Box::pin(std::future::ready(answer))),
                    None => Self::Once(future),
                }
            }
        }
    }
}

/// What becomes of an answer on its way to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The client hears it. Otherwise it gives up at once.
    pub(crate) heard: bool,
    /// The server learns of it after so many steps.
    pub(crate) steps: u64,
    /// What the server learns. An answer that was heard was sent, whatever became of its acknowledgement.
    pub(crate) delivery: Delivery,
}

impl Fate {
    pub(crate) const DELIVERED: Self = Self { heard: true, steps: 0, delivery: Delivery::Delivered };
}

/// A request under way.
pub(crate) struct Flight {
    pub(crate) number: u64,
    /// Whose; administrators have none.
    pub(crate) client: Option<usize>,
    pub(crate) job: u64,
    pub(crate) ask: Ask,
    pub(crate) command: Command,
    pub(crate) call: Call,
    pub(crate) fate: Fate,
    pub(crate) sent: u64,
    pub(crate) connection: Option<Arc<Connection>>,
    /// When it waits no longer.
    pub(crate) deadline: u64,
    /// It was waiting, whatever it is now.
    pub(crate) waits: bool,
    /// The engine has applied it.
    pub(crate) applied: bool,
    /// It was not answered although its step was durable, so it waits.
    pub(crate) seen: bool,
}

/// An answer that is being written to a slow connection.
pub(crate) struct Writing {
    pub(crate) told: Answer,
    pub(crate) command: Command,
    pub(crate) client: Option<usize>,
    pub(crate) job: u64,
    pub(crate) ask: Ask,
    pub(crate) sent: u64,
    pub(crate) answered_step: u64,
    pub(crate) until_step: u64,
    pub(crate) heard: bool,
    pub(crate) delivery: Delivery,
}
