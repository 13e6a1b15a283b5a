//! What protocols that name the holder have in common: try to take, wait for it, take again, give back (rule 6).

use super::acquire::{WaitEnd, Waiting, new_ticket};
use super::app::{App, attach, only_while_held};
use super::auth::Who;
use super::connection::Connection;
use crate::access::Denied;
use crate::engine::{CommandResult, EngineError};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lock_core::{
    Caller, Command, IfBusy, Lease, LockName, LockView, NewTicket, Outcome, Rejection, ReleaseTarget, TicketsAfter,
};
use std::sync::Arc;
use tokio::time::Instant;

/// What came of trying.
pub(super) enum Taken {
    /// The holder has a permit, now or since an earlier request.
    Held(CommandResult),
    /// Others have them all.
    Full,
}

/// Tries to take one permit for a holder. The same holder again has it still: a lost answer is simply asked for again.
/// There is no lease, because these protocols have no renewal.
pub(super) async fn take(
    app: &App,
    who: &Who,
    lock: &LockName,
    holder: &str,
    info: &str,
) -> Result<Taken, EngineError> {
    let caller = &who.caller_for(lock);
    let new = ticket_of(who, lock, holder, info);
    let told = match app.engine.submit(caller, Command::Acquire(new)).await {
        Err(EngineError::Rejected(Rejection::Busy | Rejection::Paused(_))) => return Ok(Taken::Full),
        answer => answer?,
    };
    match told.outcome {
        Outcome::Ticket(ref view) if view.is_held() => Ok(Taken::Held(told)),
        // A grant that could not be told before has lapsed, and others were faster since. This request does not wait, so it keeps
        // no place either.
        _ => {
            give_back(app, caller, lock, holder).await?;
            Ok(Taken::Full)
        }
    }
}

/// One permit for a holder, without a lease: these protocols have no renewal.
fn ticket_of(who: &Who, lock: &LockName, holder: &str, info: &str) -> NewTicket {
    NewTicket {
        info: Arc::from(info),
        lease: Lease::Never,
        holder: Some(Arc::from(holder)),
        ..new_ticket(who, lock.clone())
    }
}

/// How a wait ended.
pub(super) enum Waited {
    /// The holder has a permit.
    Held(CommandResult),
    /// Its time was over, and nothing is left of it.
    Late,
    /// Somebody ended its ticket while it waited.
    Ended,
    /// The client hung up, or the server stops. The place is kept for a minute and passed over; the same holder takes it up again.
    Kept,
    /// The client may not use the lock any more, and nothing is left of it.
    Denied(Denied),
}

/// Takes one permit for a holder, in its turn. The same holder again waits in the place that it has.
pub(super) async fn take_in_turn(
    app: &App,
    who: &Who,
    connection: &Arc<Connection>,
    lock: &LockName,
    holder: (&str, &str),
    until: Instant,
) -> Result<Waited, EngineError> {
    let caller = &who.caller_for(lock);
    let (holder, info) = holder;
    let new = NewTicket { if_busy: IfBusy::Wait, ..ticket_of(who, lock, holder, info) };
    let waiting = Waiting { app, connection, caller, until };
    let (told, end) =
        waiting.send(Command::Acquire(new), app.until_denied(who, std::slice::from_ref(lock)), true).await?;
    let Outcome::Ticket(view) = &told.outcome else { unreachable!("a request for permits gives a ticket") };
    if view.is_held() {
        return Ok(Waited::Held(told));
    }
    if view.ended().is_some() {
        return Ok(Waited::Ended);
    }
    let waited = match end {
        WaitEnd::ClientGone | WaitEnd::Stopping => return Ok(Waited::Kept),
        WaitEnd::Answered | WaitEnd::Time => Waited::Late,
        WaitEnd::Revoked(denied) => Waited::Denied(denied),
    };
    give_back(app, caller, lock, holder).await?;
    Ok(waited)
}

/// 200 without a body; `full` instead if it has ended when that would be written. The receipt goes with it.
pub(super) fn granted(told: CommandResult, full: impl FnOnce() -> Response<Body> + Send + 'static) -> Response {
    let mut response = StatusCode::OK.into_response();
    only_while_held(&mut response, told.standing, |_| full());
    if let Some(receipt) = told.receipt {
        attach(&mut response, receipt);
    }
    response
}

/// Gives the holder's permit back. That it had none is a success.
pub(super) async fn give_back(
    app: &App,
    caller: &Caller,
    lock: &LockName,
    holder: &str,
) -> Result<Outcome, EngineError> {
    let target = ReleaseTarget::Holder(lock.clone(), Arc::from(holder));
    Ok(app.engine.submit(caller, Command::Release { target, queued: true, keep: None, withhold: None }).await?.outcome)
}

/// The lock, with its first holders.
pub(super) async fn look(
    app: &App,
    caller: &Caller,
    lock: &LockName,
    tickets: usize,
) -> Result<Arc<LockView>, EngineError> {
    let command = Command::ViewLock { name: lock.clone(), tickets, after: TicketsAfter::default() };
    match app.engine.submit(caller, command).await?.outcome {
        Outcome::Lock(view) => Ok(view),
        other => unreachable!("a lock was asked for, not {other:?}"),
    }
}
