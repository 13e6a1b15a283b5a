//! Looking at locks: nothing in here changes anything.

use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{examples, view};
use axum::http::StatusCode;
use lock_api::{ErrorCode, Lock, Locks, Ticket, routes};
use lock_core::limits::LISTED_TICKETS_MAX;
use lock_core::{Command, Outcome};
use serde_json::json;
use utoipa::openapi::path::HttpMethod;

pub(super) fn describe() -> Vec<Call> {
    vec![
        Call::new(HttpMethod::Get, routes::LOCKS, "locks", "All locks, with holders and waiters").answer::<Locks>(
            200,
            "The locks",
            json!({"locks": [examples::lock()], "as_of": "1777863721500000-42"}),
        ),
        Call::new(HttpMethod::Get, routes::LOCK, "lock", "One lock, with holders and waiters")
            .about(
                "A name that only fits a template answers as an idle lock. `as_of` is a valid Last-Event-ID: the events \
                 after it are exactly those that this answer does not include.",
            )
            .answer_with::<Lock>(
                200,
                "The lock",
                examples::lock(),
                &[("ETag", "Revision of the settings, for If-Match; not of holders and waiters")],
            )
            .errors(&[ErrorCode::UnknownLock]),
        Call::new(HttpMethod::Get, routes::VERIFY, "verify", "Is this fencing token a holder's now?")
            .query_number("token", 77, "The token")
            .answer::<Ticket>(200, "The holder's ticket", examples::ticket(false))
            .errors(&[ErrorCode::NotAHolder, ErrorCode::UnknownLock]),
    ]
}

pub(super) async fn list(asked: Asked) -> Answer {
    asked.knows(&[])?;
    let told =
        asked.app.engine.submit(Command::ListLocks { tickets: LISTED_TICKETS_MAX, among: asked.who.among() }).await?;
    let Outcome::Locks(locks) = &told.outcome else { unreachable!("locks were asked for") };
    let locks = locks.iter().map(|one| view::lock(one, told.as_of)).collect();
    Ok(view::json(StatusCode::OK, &Locks { locks, as_of: told.as_of.to_string() }))
}

pub(super) async fn get(asked: Asked) -> Answer {
    asked.knows(&[])?;
    let command = Command::ViewLock { name: asked.lock()?, tickets: LISTED_TICKETS_MAX };
    let told = asked.app.engine.submit(command).await?;
    let Outcome::Lock(lock) = &told.outcome else { unreachable!("a lock was asked for") };
    Ok(view::lock_answer(StatusCode::OK, lock, told.as_of))
}

pub(super) async fn verify(asked: Asked) -> Answer {
    asked.knows(&["token"])?;
    let lock = asked.lock()?;
    let Some(token) = asked.count("token")? else { return Err(Refusal::invalid("name the token: ?token=")) };
    let told = asked.app.engine.submit(Command::Verify { lock, token }).await?;
    let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was asked for") };
    Ok(view::json(StatusCode::OK, &view::ticket(ticket, false)))
}
