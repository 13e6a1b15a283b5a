//! What is asked of the engine, by whom, and where the answer goes.

use super::answer::{Answer, send_reply};
use super::waiters::{Onlooker, Waiter};
use lock_core::{Caller, Command};
use tokio::sync::oneshot;

/// One request on its way to the engine.
#[derive(Debug)]
pub struct Request {
    /// The sender: the server itself for what no client asks for.
    pub(crate) caller: Caller,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// A command, answered once its step is durable unless it waits.
    Command { command: Box<Command>, attempt: Attempt, answer_to: AnswerTo },
    /// The request with this number waits no longer.
    EndWait {
        /// [`Waiter::number`].
        number: u64,
        /// Its client is gone.
        lost: bool,
    },
}

/// Where the answer to a command goes.
#[derive(Debug)]
pub(crate) enum AnswerTo {
    /// It is a report.
    Nobody,
    /// A client that does not wait for a grant.
    Client(oneshot::Sender<Answer>),
    /// A client that waits for a grant, if its ticket is queued.
    Waiter(oneshot::Sender<Answer>, Waiter),
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

/// A request that only looks: it is answered behind everything else.
#[derive(Debug)]
pub(crate) struct LookRequest {
    pub(crate) caller: Caller,
    pub(crate) at: Subject,
    pub(crate) reply: oneshot::Sender<Answer>,
    /// Its client, if its protocol says so.
    pub(crate) onlooker: Option<Onlooker>,
}

/// What is looked at.
#[derive(Debug)]
pub(crate) enum Subject {
    /// What a command asks for.
    Command(Box<Command>),
    /// All locks, which are measured for the metrics.
    Locks,
}

impl Request {
    /// A command of this caller, and where its answer arrives.
    #[must_use]
    pub fn new(caller: &Caller, command: Command) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self::command(caller.clone(), command, Attempt::Initial, AnswerTo::Client(reply)), answer)
    }

    /// A command that may wait for its grant.
    pub(crate) fn waiting(caller: &Caller, command: Command, waiter: Waiter) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self::command(caller.clone(), command, Attempt::Initial, AnswerTo::Waiter(reply, waiter)), answer)
    }

    /// A command of the server itself, whose answer nobody reads.
    pub(crate) fn report(command: Command) -> Self {
        Self::command(Caller::server().clone(), command, Attempt::Initial, AnswerTo::Nobody)
    }

    /// The end of a wait.
    pub(crate) fn end_wait(number: u64, lost: bool) -> Self {
        Self { caller: Caller::server().clone(), body: Body::EndWait { number, lost } }
    }

    pub(crate) fn command(caller: Caller, command: Command, attempt: Attempt, answer_to: AnswerTo) -> Self {
        Self { caller, body: Body::Command { command: Box::new(command), attempt, answer_to } }
    }

    /// Whether somebody reads the answer.
    pub(crate) fn is_answered(&self) -> bool {
        !matches!(&self.body, Body::EndWait { .. } | Body::Command { answer_to: AnswerTo::Nobody, .. })
    }

    /// Whose doing it is, for the audit log. What became of an answer is nobody's.
    pub(crate) fn author(&self) -> Option<&Caller> {
        match &self.body {
            Body::Command { command, .. } if !command.is_report() => Some(&self.caller),
            _ => None,
        }
    }
}

impl AnswerTo {
    pub(crate) fn sender(self) -> Option<oneshot::Sender<Answer>> {
        match self {
            Self::Nobody => None,
            Self::Client(reply) | Self::Waiter(reply, _) => Some(reply),
        }
    }

    pub(crate) fn send(self, answer: Answer) {
        send_reply(self.sender(), answer);
    }
}

impl LookRequest {
    /// A look, and where its answer arrives.
    pub(crate) fn new(caller: &Caller, at: Subject, onlooker: Option<Onlooker>) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (Self { caller: caller.clone(), at, reply, onlooker }, answer)
    }

    /// Whether the client that would read the answer has gone.
    pub(crate) fn is_pointless(&self) -> bool {
        self.reply.is_closed() || self.onlooker.as_ref().is_some_and(|one| !one.0.is_open())
    }
}
