//! A ticket in the hands of its maker: read, wait for, renew, release.

use super::super::acquire::{WaitEnd, Waiting};
use super::super::app::{attach, only_while_held};
use super::super::auth::Who;
use super::acquire::lock_name;
use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{examples, sees, view, written};
use crate::access::Right;
use crate::engine::CommandResult;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use lock_api::{ErrorCode, Released, Renew, Ticket, Tickets, routes};
use lock_core::limits::{BUNDLE_LOCKS_MAX, LISTED_TICKETS_MAX};
use lock_core::{Command, Outcome, ReleaseTarget, State, TicketId};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;
use utoipa::openapi::path::HttpMethod;

const WITHHOLD: &str = "Why the permits that come back are broken: they are withheld until somebody restores them";
const KEEP: &str = "For so long nobody is given the permits that come back; cut to the lock's `max_ttl_s`";

pub(super) fn describe() -> Vec<Call> {
    vec![
        Call::new(HttpMethod::Get, routes::TICKET, "ticket", "Read a ticket")
            .about("Claims it if it has been granted. With `wait_s` it waits while the ticket is queued, which renews it.")
            .query_wait()
            .answer::<Ticket>(200, "The ticket, which lives: look at its state", examples::ticket(true))
            .errors(&[ErrorCode::UnknownTicket, ErrorCode::Gone, ErrorCode::NotAllowed, ErrorCode::LimitReached]),
        Call::new(HttpMethod::Get, routes::TICKETS, "mine", "The caller's live tickets")
            .about(
                "Those made with the caller's key or, without one, from its address; without their ids. A page of them, in the \
                 order of their numbers; `next` says that there are more.",
            )
            .query_flag("mine", "To be given: others' tickets are listed with their locks")
            .query_number("limit", 1000, "At most so many, 1,000 without this")
            .query_text("cursor", "17", "The `next` of the page before")
            .answer::<Tickets>(200, "The tickets", json!({"tickets": [examples::ticket(false)]})),
        Call::new(HttpMethod::Post, routes::RENEW, "renew", "Send a heartbeat")
            .body::<Renew>(json!({"ttl_s": 120}), false)
            .answer::<Ticket>(200, "The ticket, with the lease that it was given", examples::ticket(true))
            .errors(&[ErrorCode::UnknownTicket, ErrorCode::NotAllowed, ErrorCode::Gone]),
        Call::new(HttpMethod::Delete, routes::TICKET, "release", "Release a ticket, or withdraw it from the queue")
            .about("A success as often as it is asked for.")
            .query_number("keep_s", 60, KEEP)
            .query_text("withhold", "no ping", WITHHOLD)
            .answer::<Released>(200, "It has ended by its owner", examples::released())
            .errors(&[ErrorCode::UnknownTicket, ErrorCode::Gone]),
        Call::new(HttpMethod::Delete, routes::LOCK_TICKETS, "release_request", "End a ticket by its `request_id`")
            .about("Also before its request arrives: that one then takes nothing.")
            .query_text("request_id", "d1f0c9a4-9a7e-4b52", "The `request_id` that made or would make it")
            .query_number("keep_s", 60, KEEP)
            .query_text("withhold", "no ping", WITHHOLD)
            .answer::<Released>(200, "There is no such live ticket any more", examples::released())
            .errors(&[ErrorCode::UnknownLock, ErrorCode::Gone, ErrorCode::LimitReached]),
        Call::new(HttpMethod::Delete, routes::TICKETS, "release_request_of_all", "End a ticket for several locks by its `request_id`")
            .about("Also before its request arrives: that one then takes nothing. All locks of the request are named, in any order.")
            .query_text("request_id", "d1f0c9a4-9a7e-4b52", "The `request_id` that made or would make it")
            .query_texts("lock", &["san-ssh", "licence"], "Its locks: `lock=san-ssh&lock=licence`")
            .query_number("keep_s", 60, KEEP)
            .query_text("withhold", "no ping", WITHHOLD)
            .answer::<Released>(200, "There is no such live ticket any more", examples::released())
            .errors(&[ErrorCode::UnknownLock, ErrorCode::Gone, ErrorCode::LimitReached]),
    ]
}

/// The answer about one ticket, to its maker: a success while it lives.
fn tell(told: CommandResult) -> Answer {
    let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was asked for") };
    if ticket.ended().is_some() {
        return Err(Refusal::gone(ticket));
    }
    let mut response = view::written(StatusCode::OK, written::ticket(ticket));
    only_while_held(&mut response, told.standing, |ticket| Refusal::gone(ticket).into_response());
    if let Some(receipt) = told.receipt {
        attach(&mut response, receipt);
    }
    Ok(response)
}

pub(super) async fn get(asked: Asked) -> Answer {
    asked.only_parameters(&["wait_s"])?;
    let (id, wait, Asked { app, connection, .. }) = (asked.ticket()?, asked.wait()?, &asked);
    let until = Instant::now() + wait;
    if wait.is_zero() {
        return tell(app.engine.submit(&asked.caller, read(id, false)).await?);
    }
    let _place = asked.waiting_place()?;
    let mut who = asked.who.clone();
    loop {
        let waiting = Waiting { app, connection, caller: &who.caller(), until };
        // Which lock the ticket is of, only the engine knows.
        let (told, end) = waiting.send(read(id, true), app.until_changed(&who), false).await?;
        let WaitEnd::Revoked(changed) = end else { return tell(told) };
        let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was asked for") };
        let is_queued = matches!(ticket.ticket.state, State::Queued { .. });
        let may_all = |now: &Who| ticket.ticket.parts().try_for_each(|part| now.may(Right::Use, part.lock));
        match changed.and_then(|now| may_all(&now).map(|()| now)) {
            Ok(now) if is_queued => who = now,
            Ok(_) => return tell(told),
            Err(denied) => {
                // First of all: an answer that is not given must not find a later activity of its ticket.
                drop(told);
                if is_queued {
                    // Whatever comes of it: a ticket that is granted meanwhile lapses after its grace time.
                    drop(suspend(&asked, id, &who).await);
                }
                return Err(denied.into());
            }
        }
    }
}

fn read(id: TicketId, wait: bool) -> Command {
    Command::Get { lock: None, id, renew: false, wait }
}

/// Makes a queued ticket dormant: its client may not be granted the lock any more, so others are served.
async fn suspend(asked: &Asked, id: TicketId, who: &Who) -> Result<(), Refusal> {
    let waiting = asked.app.engine.submit_waiting(&who.caller(), read(id, true), asked.connection.clone()).await?;
    waiting.give_up(true).await?;
    Ok(())
}

pub(super) async fn mine(asked: Asked) -> Answer {
    asked.only_parameters(&["mine", "limit", "cursor"])?;
    if !asked.flag("mine")? {
        return Err(Refusal::invalid("add ?mine for your own tickets; GET /v1/locks/{lock} lists everybody's"));
    }
    let (after, tickets) = (asked.count("cursor")?.unwrap_or(0), asked.at_most("limit", LISTED_TICKETS_MAX)?.max(1));
    let command = Command::ListMine { after, tickets };
    let told = asked.app.engine.look(&asked.caller, command, asked.connection.clone()).await?;
    let Outcome::Tickets(page) = told.outcome else { unreachable!("tickets were asked for") };
    let weight = page.weight();
    let make = move || {
        let tickets = page.tickets.iter().map(|one| view::ticket(one, false, sees::ALL)).collect();
        view::bytes(&Tickets { tickets, next: page.next.map(|number| number.to_string()) })
    };
    let body = asked.app.reads.make(&asked.connection, weight, make).await?;
    Ok(view::rendered(StatusCode::OK, body))
}

pub(super) async fn renew(mut asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let id = asked.ticket()?;
    let wanted: Renew = asked.wanted().await?;
    let ttl = wanted.ttl_s.map(lock_api::Seconds::as_ms);
    tell(asked.app.engine.submit(&asked.caller, Command::Renew { id, ttl }).await?)
}

pub(super) async fn release(asked: Asked) -> Answer {
    asked.only_parameters(&["keep_s", "withhold"])?;
    let target = ReleaseTarget::Id(None, asked.ticket()?);
    end(asked, target).await
}

pub(super) async fn release_request(asked: Asked) -> Answer {
    asked.only_parameters(&["request_id", "keep_s", "withhold"])?;
    let lock = asked.lock()?;
    let id = request_id(&asked)?;
    let target = ReleaseTarget::Request(lock, Box::default(), id);
    end(asked, target).await
}

pub(super) async fn release_request_of_all(asked: Asked) -> Answer {
    asked.only_parameters_and(&["request_id", "lock", "keep_s", "withhold"], Some("lock"))?;
    let id = request_id(&asked)?;
    let mut locks = asked.texts("lock").iter().map(|name| lock_name(name)).collect::<Result<Vec<_>, _>>()?;
    for lock in &locks {
        asked.who.may(Right::Use, lock).map_err(|denied| Refusal::from(denied).of_lock(lock))?;
    }
    locks.sort();
    if let Some(twice) = locks.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Refusal::invalid(format!("the query names the lock {:?} twice", twice[0])));
    }
    if locks.is_empty() || locks.len() > BUNDLE_LOCKS_MAX {
        let text = format!("name the locks of the request, 1 to {BUNDLE_LOCKS_MAX}: ?lock=san-ssh&lock=licence");
        return Err(Refusal::invalid(text));
    }
    let others = locks.split_off(1);
    end(asked, ReleaseTarget::Request(locks.remove(0), others.into(), id)).await
}

fn request_id(asked: &Asked) -> Result<Arc<str>, Refusal> {
    asked.text("request_id").map(Arc::from).ok_or_else(|| Refusal::invalid("name the request to end: ?request_id="))
}

async fn end(asked: Asked, target: ReleaseTarget) -> Answer {
    let keep = asked.seconds("keep_s")?.map(lock_api::Seconds::as_ms);
    let withhold = asked.text("withhold").map(Arc::from);
    let command = Command::Release { target, queued: true, keep, withhold };
    let told = asked.app.engine.submit(&asked.caller, command).await?;
    let ticket = if let Outcome::Ticket(ticket) = &told.outcome { Some(&**ticket) } else { None };
    Ok(view::written(StatusCode::OK, written::released(ticket)))
}
