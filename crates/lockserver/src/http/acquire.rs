//! What every protocol does to ask for permits: describe the ticket, and wait for its grant.

use super::app::App;
use super::auth::Who;
use super::connection::Connection;
use super::waited;
use crate::engine::{CommandResult, EngineError};
use futures_util::FutureExt as _;
use lock_core::{Caller, Command, LockName, NewTicket, TicketId};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// A new ticket with a random id, and the priority of a request that names none.
pub(super) fn new_ticket(who: &Who, lock: LockName) -> NewTicket {
    let id = TicketId(Uuid::new_v4().as_u128());
    NewTicket { priority: who.usual_priority(), ..NewTicket::new(lock, id) }
}

/// Why a request waits no longer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WaitEnd<R> {
    /// It was answered.
    Answered,
    /// Its time was up.
    Time,
    /// Its client has closed the connection, or one side of it.
    ClientGone,
    /// The server stops.
    Stopping,
    /// What it may do has changed.
    Revoked(R),
}

/// A command that may wait on the server, and for how long.
pub(super) struct Waiting<'a> {
    pub(super) app: &'a App,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) caller: &'a Caller,
    pub(super) until: Instant,
}

impl Waiting<'_> {
    /// Sends it, and waits for its answer as long as its client is there and nothing else ends the wait. Whatever does, the
    /// ticket is given as it is then: a grant that came just before is not lost. `revoked` resolves when the rights of the
    /// client have changed; with `dormant` the ticket is passed over from then on.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub(super) async fn send<R>(
        self,
        command: Command,
        revoked: impl Future<Output = R>,
        dormant: bool,
    ) -> Result<(CommandResult, WaitEnd<R>), EngineError> {
        let Waiting { app, connection, caller, until } = self;
        let mut wait = app.engine.submit_waiting(caller, command, connection.clone()).await?;
        // Most answers are there already, and nothing has to be watched for them.
        if let Some(answer) = wait.answer().now_or_never() {
            return Ok((answer?, WaitEnd::Answered));
        }
        waited::note();
        let end = tokio::select! {
            biased;
            answer = wait.answer() => return Ok((answer?, WaitEnd::Answered)),
            () = connection.closed() => WaitEnd::ClientGone,
            () = sleep_until(until) => WaitEnd::Time,
            () = app.stopping() => WaitEnd::Stopping,
            change = revoked => WaitEnd::Revoked(change),
        };
        if matches!(end, WaitEnd::Stopping) {
            waited::note_cut_short();
        }
        let lost = match end {
            WaitEnd::ClientGone => true,
            WaitEnd::Revoked(_) => dormant,
            WaitEnd::Answered | WaitEnd::Time | WaitEnd::Stopping => false,
        };
        Ok((wait.give_up(lost).await?, end))
    }
}
