//! Answers to requests, and what the delivery of one lets its client know.

use super::events::EventId;
use super::receipt::Receipt;
use super::rendered::Rendered;
use super::standing::Standing;
use crate::store::StoreError;
use lock_core::{Command, Outcome, Rejection, TicketView};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The result of a command, and the receipt that goes with its answer.
#[derive(Debug)]
pub struct CommandResult {
    /// Its outcome.
    pub outcome: Outcome,
    /// The last event that the outcome includes.
    pub as_of: EventId,
    /// To be confirmed when the answer was delivered, and dropped otherwise.
    pub receipt: Option<Arc<Receipt>>,
    /// See [`Rendered`].
    pub rendered: Rendered,
    /// If the outcome is that a ticket is held: to be looked at as the last thing before that is told.
    pub standing: Option<Arc<Standing>>,
}

impl CommandResult {
    /// An outcome that nothing hangs on.
    pub(crate) fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            as_of: EventId { term: 0, sequence: 0 },
            receipt: None,
            rendered: Rendered::default(),
            standing: None,
        }
    }
}

/// Why there is no outcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EngineError {
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

impl EngineError {
    /// A commit failed, so that its outcome is unknown.
    pub(crate) fn store_failed(error: &StoreError, may_have_taken_effect: bool) -> Self {
        Self::Unavailable { reason: Arc::from(error.to_string()), may_have_taken_effect }
    }

    /// There is no term, for this reason.
    pub(crate) fn down(reason: &Arc<str>, may_have_taken_effect: bool) -> Self {
        Self::Unavailable { reason: reason.clone(), may_have_taken_effect }
    }

    /// The engine ended with the request in its hands.
    pub(crate) fn engine_ended() -> Self {
        Self::Unavailable {
            reason: Arc::from("the server stopped while it worked on the request"),
            may_have_taken_effect: true,
        }
    }
}

/// The answer to a request.
pub type Answer = Result<CommandResult, EngineError>;

/// An answer that is sent once its step is durable.
pub(crate) struct Reply {
    pub(crate) to: Option<oneshot::Sender<Answer>>,
    pub(crate) answer: Result<Outcome, EngineError>,
    pub(crate) delivery: DeliveryKind,
    /// Events of its step that the answer includes.
    pub(crate) events: usize,
    /// Its ticket, if that was held when it was asked, and ended later in the same step.
    pub(crate) ended: Option<Box<TicketView>>,
}

/// What a client knows of its ticket once an answer is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryKind {
    /// Nothing: it is for somebody else.
    Nothing,
    /// How its ticket is.
    Ticket,
    /// That there is a ticket: its request made it, and nothing else names it.
    Made,
}

impl DeliveryKind {
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Acquire(new) if new.request_id.is_none() && new.holder.is_none() => Self::Made,
            Command::Acquire(_) | Command::Get { .. } | Command::WaitOn { .. } | Command::Renew { .. } => Self::Ticket,
            _ => Self::Nothing,
        }
    }

    pub(crate) fn of_waiting(made: bool) -> Self {
        if made { Self::Made } else { Self::Ticket }
    }
}

/// Sends an answer. If nobody takes it any more, what hangs on it (a receipt) is dropped here.
pub(crate) fn send_reply(to: Option<oneshot::Sender<Answer>>, answer: Answer) {
    if let Some(to) = to {
        drop(to.send(answer));
    }
}
