//! Looking at locks: nothing in here changes anything.

use super::super::app::only_while_held;
use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{examples, view};
use crate::engine::{CommandResult, EngineError};
use crate::metrics::Span;
use crate::wall::rfc3339;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use lock_api::{ErrorCode, History, Lock, Locks, Ticket, routes};
use lock_core::limits::{LISTED_LOCKS_MAX, LISTED_TICKETS_MAX};
use lock_core::{Command, LockName, LockView, Outcome, Rejection, TicketView, TicketsAfter};
use serde_json::json;
use utoipa::openapi::path::HttpMethod;

/// Of `?tickets=`.
const LISTED: &str = "At most so many holders and waiters of each lock, 1,000 without this";

pub(super) fn describe() -> Vec<Call> {
    vec![
        Call::new(HttpMethod::Get, routes::LOCKS, "locks", "All locks, with holders and waiters")
            .about(
                "A page of them, in the order of their names: at most 1,000, and fewer where they are long. `next` says that \
                 there are more.",
            )
            .query_number("tickets", 0, LISTED)
            .query_number("limit", 1000, "At most so many locks, 1,000 without this")
            .query_text("cursor", "san-ssh", "The `next` of the page before")
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
            .query_text("cursor", "77.0.41", "The `next` of an answer: its listings go on from there")
            .answer_with::<Lock>(
                200,
                "The lock",
                examples::lock(),
                &[("ETag", "Revision of the settings, for If-Match; not of holders and waiters")],
            )
            .errors(&[ErrorCode::UnknownLock]),
        Call::new(HttpMethod::Get, routes::LOCK_HISTORY, "history", "The last hour and day of a lock")
            .about(
                "Permits in use, length of the queue, times of waits and holds, since the server started. The server remembers \
                 the 1,000 locks in use; the lists of others are empty.",
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
    asked.at_most("tickets", LISTED_TICKETS_MAX)
}

fn no_cursor() -> Refusal {
    Refusal::invalid("cursor is the next of an answer to the same question")
}

/// Where the listings of a lock go on: `token` or `token.priority.place`.
fn read_cursor(text: Option<&str>) -> Result<TicketsAfter, Refusal> {
    let Some(text) = text else { return Ok(TicketsAfter::default()) };
    let parts: Vec<&str> = text.split('.').collect();
    let read = match parts[..] {
        [token] => token.parse().ok().map(|token| TicketsAfter { token, place: None }),
        [token, priority, place] => match (token.parse(), priority.parse(), place.parse()) {
            (Ok(token), Ok(priority), Ok(place)) => Some(TicketsAfter { token, place: Some((priority, place)) }),
            _ => None,
        },
        _ => None,
    };
    read.ok_or_else(no_cursor)
}

/// Whether the answer is another one than others get who ask the same: tickets are listed that may be for locks which are not to be
/// seen.
fn sees_less(asked: &Asked, locks: &[LockView]) -> bool {
    asked.who.among().is_some() && locks.iter().any(view::has_bundles)
}

pub(super) async fn list(asked: Asked) -> Answer {
    asked.only_parameters(&["tickets", "limit", "cursor"])?;
    let limit = asked.at_most("limit", LISTED_LOCKS_MAX)?.max(1);
    let after = asked.text("cursor").map(LockName::new).transpose().map_err(|_| no_cursor())?;
    let command = Command::ListLocks { after, limit, tickets: tickets(&asked)?, among: asked.who.among() };
    let CommandResult { outcome, as_of, rendered, .. } =
        asked.app.engine.look(&asked.caller, command, asked.connection.clone()).await?;
    let Outcome::Locks(page) = outcome else { unreachable!("locks were asked for") };
    let metrics = asked.app.engine.metrics().clone();
    let weight = page.weight();
    let own = sees_less(&asked, &page.locks);
    let who = asked.who.clone();
    let make = move || {
        let sees = |lock: &LockName| who.sees(lock);
        let make = || {
            let locks = page.locks.iter().map(|one| view::lock(one, as_of, &metrics.history, &sees)).collect();
            let next = page.next().map(ToString::to_string);
            view::bytes(&Locks { locks, next, as_of: as_of.to_string() })
        };
        if own { make() } else { rendered.get_or_init(make).clone() }
    };
    let body = asked.app.reads.make(&asked.connection, weight, make).await?;
    Ok(view::rendered(StatusCode::OK, body))
}

pub(super) async fn get(asked: Asked) -> Answer {
    asked.only_parameters(&["tickets", "cursor"])?;
    let after = read_cursor(asked.text("cursor"))?;
    let command = Command::ViewLock { name: asked.lock()?, tickets: tickets(&asked)?, after };
    let CommandResult { outcome, as_of, rendered, .. } =
        asked.app.engine.look(&asked.caller, command, asked.connection.clone()).await?;
    let Outcome::Lock(lock) = outcome else { unreachable!("a lock was asked for") };
    let metrics = asked.app.engine.metrics().clone();
    let (weight, tag) = (lock.weight(), view::tag(&lock));
    let own = sees_less(&asked, std::slice::from_ref(&*lock));
    let who = asked.who.clone();
    let make = move || {
        let sees = |lock: &LockName| who.sees(lock);
        let make = || view::bytes(&view::lock(&lock, as_of, &metrics.history, &sees));
        if own { make() } else { rendered.get_or_init(make).clone() }
    };
    let body = asked.app.reads.make(&asked.connection, weight, make).await?;
    Ok((tag, view::rendered(StatusCode::OK, body)).into_response())
}

pub(super) async fn history(asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let name = asked.lock()?;
    // Whether there is such a lock, the engine knows.
    let look = Command::ViewLock { name: name.clone(), tickets: 0, after: TicketsAfter::default() };
    asked.app.engine.look(&asked.caller, look, asked.connection.clone()).await?;
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
    asked.only_parameters(&["token"])?;
    let lock = asked.lock()?;
    let Some(token) = asked.count("token")? else { return Err(Refusal::invalid("name the token: ?token=")) };
    let told = asked.app.engine.submit(&asked.caller, Command::Verify { lock: lock.clone(), token }).await?;
    let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was asked for") };
    let (who, owns) = (&asked.who, asked.who.owns(&ticket.ticket));
    let mut shown = view::ticket(ticket, false, &|one| owns || *one == lock || who.sees(one));
    if !owns && !who.sees(&lock) {
        // The right to use a lock is none to read who else does, and tokens can be guessed.
        shown = Ticket { info: String::new(), owner: None, from: String::new(), priority: 0, supersede: None, ..shown };
    }
    let mut response = view::json(StatusCode::OK, &shown);
    let not_held = |_: &TicketView| Refusal::from(EngineError::Rejected(Rejection::NotAHolder)).into_response();
    only_while_held(&mut response, told.standing, not_held);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_a_lock() {
        let at = |token, place| TicketsAfter { token, place };
        for (after, text) in [(at(77, None), "77"), (at(0, Some((-3, 41))), "0.-3.41")] {
            assert_eq!(view::cursor(after), text);
            assert_eq!(read_cursor(Some(text)).unwrap(), after);
        }
        assert_eq!(read_cursor(None).unwrap(), TicketsAfter::default());
        for bad in ["", "a", "1.2", "1.200.3", "1.2.3.4"] {
            assert!(read_cursor(Some(bad)).is_err(), "{bad}");
        }
    }
}
