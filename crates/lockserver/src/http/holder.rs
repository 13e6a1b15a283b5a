//! What protocols that name the holder have in common: try to take, take again, give back (rule 6).

use super::acquire::new_ticket;
use super::app::{App, attach, only_while_held};
use super::auth::Who;
use crate::engine::{CommandResult, EngineError};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lock_core::{
    Caller, Command, Lease, LockName, LockView, NewTicket, Outcome, Rejection, ReleaseTarget, TicketsAfter,
};
use std::sync::Arc;

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
    let new = NewTicket {
        info: Arc::from(info),
        lease: Lease::Never,
        holder: Some(Arc::from(holder)),
        ..new_ticket(who, lock.clone())
    };
    let told = match app.engine.submit(caller, Command::Acquire(new)).await {
        Err(EngineError::Rejected(Rejection::Busy | Rejection::Paused(_))) => return Ok(Taken::Full),
        answer => answer?,
    };
    match told.outcome {
        Outcome::Ticket(ref view) if view.is_held() => Ok(Taken::Held(told)),
        // A grant that could not be told before has lapsed, and others were faster since. Nobody waits in this protocol,
        // so nobody keeps a place either.
        _ => {
            give_back(app, caller, lock, holder).await?;
            Ok(Taken::Full)
        }
    }
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
