//! Looking at locks: nothing in here changes anything.

use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{examples, view};
use crate::metrics::Span;
use crate::wall::rfc3339;
use axum::http::StatusCode;
use lock_api::{ErrorCode, History, Lock, Locks, Ticket, routes};
use lock_core::limits::LISTED_TICKETS_MAX;
use lock_core::{Command, Outcome};
use serde_json::json;
use utoipa::openapi::path::HttpMethod;

/// Of `?tickets=`.
const LISTED: &str = "At most so many holders and waiters of each lock, 1,000 without this";

pub(super) fn describe() -> Vec<Call> {
    vec![
        Call::new(HttpMethod::Get, routes::LOCKS, "locks", "All locks, with holders and waiters")
            .query_number("tickets", 0, LISTED)
            .answer::<Locks>(
                200,
                "The locks",
                json!({"locks": [examples::lock()], "as_of": "1777863721500000-42"}),
            ),
        Call::new(HttpMethod::Get, routes::LOCK, "lock", "One lock, with holders and waiters")
            .about(
                "A name that only fits a template answers as an idle lock. `as_of` is a valid Last-Event-ID: the events \
                 after it are exactly those that this answer does not include.",
            )
            .query_number("tickets", 100, LISTED)
            .answer_with::<Lock>(
                200,
                "The lock",
                examples::lock(),
                &[("ETag", "Revision of the settings, for If-Match; not of holders and waiters")],
            )
            .errors(&[ErrorCode::UnknownLock]),
        Call::new(HttpMethod::Get, routes::LOCK_HISTORY, "history", "The last hour and day of a lock")
            .about(
                "What the server remembers since it started: how much was in use, how long the queue was, how long was \
                 waited and held. Of at most 1,000 locks, those that are used; of others the lists are empty.",
            )
            .answer::<History>(200, "Its past", examples::history())
            .errors(&[ErrorCode::UnknownLock]),
        Call::new(HttpMethod::Get, routes::VERIFY, "verify", "Is this fencing token a holder's now?")
            .query_number("token", 77, "The token")
            .answer::<Ticket>(200, "The holder's ticket", examples::ticket(false))
            .errors(&[ErrorCode::NotAHolder, ErrorCode::UnknownLock]),
    ]
}

/// How many tickets to list of each lock.
fn tickets(asked: &Asked) -> Result<usize, Refusal> {
    asked.knows(&["tickets"])?;
    match asked.count("tickets")? {
        None => Ok(LISTED_TICKETS_MAX),
        Some(count) if count <= LISTED_TICKETS_MAX as u64 => Ok(count as usize),
        Some(_) => Err(Refusal::invalid(format!("tickets is at most {LISTED_TICKETS_MAX}"))),
    }
}

pub(super) async fn list(asked: Asked) -> Answer {
    let command = Command::ListLocks { tickets: tickets(&asked)?, among: asked.who.among() };
    let told = asked.app.engine.submit(command).await?;
    let Outcome::Locks(locks) = &told.outcome else { unreachable!("locks were asked for") };
    let history = &asked.app.engine.metrics().history;
    let locks = locks.iter().map(|one| view::lock(one, told.as_of, history)).collect();
    Ok(view::json(StatusCode::OK, &Locks { locks, next: None, as_of: told.as_of.to_string() }))
}

pub(super) async fn get(asked: Asked) -> Answer {
    let command = Command::ViewLock { name: asked.lock()?, tickets: tickets(&asked)? };
    let told = asked.app.engine.submit(command).await?;
    let Outcome::Lock(lock) = &told.outcome else { unreachable!("a lock was asked for") };
    Ok(view::lock_answer(StatusCode::OK, lock, told.as_of, &asked.app.engine.metrics().history))
}

pub(super) async fn history(asked: Asked) -> Answer {
    asked.knows(&[])?;
    let name = asked.lock()?;
    // Whether there is such a lock, the engine knows.
    asked.app.engine.submit(Command::ViewLock { name: name.clone(), tickets: 0 }).await?;
    let (history, now) = (&asked.app.engine.metrics().history, view::now_ms());
    let (hour, day) = (history.past(&name, Span::Hour, now), history.past(&name, Span::Day, now));
    // Later than what the engine said, so that nothing which is in here is told again after `as_of`.
    let (as_of, events) = asked.app.engine.events().recent(&name);
    let answer = History {
        since: day.since.map(rfc3339),
        hour: view::past(&hour, Span::Hour),
        day: view::past(&day, Span::Day),
        events: events.iter().map(|event| view::event(event)).collect(),
        as_of: as_of.to_string(),
        lock: name.to_string(),
    };
    Ok(view::json(StatusCode::OK, &answer))
}

pub(super) async fn verify(asked: Asked) -> Answer {
    asked.knows(&["token"])?;
    let lock = asked.lock()?;
    let Some(token) = asked.count("token")? else { return Err(Refusal::invalid("name the token: ?token=")) };
    let told = asked.app.engine.submit(Command::Verify { lock, token }).await?;
    let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was asked for") };
    Ok(view::json(StatusCode::OK, &view::ticket(ticket, false)))
}
