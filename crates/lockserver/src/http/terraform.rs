//! State locks of Terraform and OpenTofu: the lock half of their `http` backend.
//!
//! `LOCK` (or POST, PUT) takes, `UNLOCK` (or DELETE) gives back, the ID of the LockInfo is the holder. A refusal carries the
//! holder's LockInfo: without an ID in it the clients do not wait. Old clients do not wait at all, so the server does it for them
//! where the address asks for it: `?wait_s=600`. The state itself is not kept here.
//!
//! There is no lease, so only locks that are named for it are taken: LOCKS of `[terraform]`. What is held may be given back
//! whatever is named.

use super::app::App;
use super::auth::{RefusedBecause, Who};
use super::body;
use super::connection::Connection;
use super::holder::{self, Taken, Waited};
use super::path;
use crate::engine::EngineError;
use crate::wall::rfc3339;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_api::Seconds;
use lock_core::limits::{HOLDER_BYTES_MAX, INFO_BYTES_MAX, LISTED_TICKETS_MAX, TERRAFORM_WAIT_MAX_MS};
use lock_core::text::is_unsafe;
use lock_core::{Command, LockName, LockView, Outcome, Rejection, TicketView};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Says what to do about a 423: the clients show the holder's LockInfo at best, and of a failed `force-unlock` only the status.
const ADVICE: HeaderName = HeaderName::from_static("lockserver-advice");

/// What is needed of a LockInfo; the rest is kept and given back as it came.
#[derive(Deserialize)]
struct LockInfo {
    #[serde(rename = "ID")]
    id: String,
}

/// Any method on `/v1/terraform/{lock}`.
pub(super) async fn call(State(app): State<App>, Extension(who): Extension<Who>, request: Request<Body>) -> Response {
    let connection = Arc::clone(Connection::of(&request));
    let (parts, body) = request.into_parts();
    let wait = match wait_of(parts.uri.query().unwrap_or_default()) {
        Ok(wait) => wait,
        Err(why) => return text(StatusCode::BAD_REQUEST, why),
    };
    let lock = match path::lock(&parts.extensions).expect("the route has a place for it") {
        Ok(lock) => lock.clone(),
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("the path {error}")),
    };
    let method = parts.method.as_str().to_owned();
    let bytes = match body::read_json(body).await {
        Ok(bytes) => bytes,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let result = match method.as_str() {
        "LOCK" | "POST" | "PUT" if !app.live().terraform_locks.takes(&lock) => return not_named(&lock),
        "LOCK" | "POST" | "PUT" => take(&app, &who, &connection, &lock, &bytes, wait).await,
        "UNLOCK" | "DELETE" => give_back(&app, &who, &lock, &bytes).await,
        _ => {
            let allow = [(header::ALLOW, "LOCK, UNLOCK, POST, PUT, DELETE")];
            let why = "this is a lock, the state is not kept here; use it as lock_address and unlock_address\n";
            return (StatusCode::METHOD_NOT_ALLOWED, allow, why).into_response();
        }
    };
    result.unwrap_or_else(failed)
}

/// How long the address asks the server to wait. An unlock whose address says it too does not wait.
fn wait_of(query: &str) -> Result<Duration, String> {
    let max_s = TERRAFORM_WAIT_MAX_MS / 1000;
    match query.split_once('=').unwrap_or((query, "")) {
        ("", _) => Ok(Duration::ZERO),
        ("wait_s", value) => match Seconds::from_words(value) {
            Some(wait) if wait.as_ms() <= TERRAFORM_WAIT_MAX_MS => Ok(wait.into()),
            _ => Err(format!("wait_s={value} in the address: a number of seconds from 0 to {max_s} is expected")),
        },
        _ => Err(format!("the query of the address is {query:?}: the only parameter is wait_s, as in ?wait_s=600")),
    }
}

/// No lock is held without a lease unless the administrator says that it may.
fn not_named(lock: &LockName) -> Response {
    let why = format!(
        "the lock {lock:?} is not for Terraform, which holds without a lease: name it in the server's configuration, \
         [terraform] with LOCKS={lock} (or tf-* for all that begin so), and reload"
    );
    forbidden(why)
}

fn forbidden(why: String) -> Response {
    let mut response = text(StatusCode::FORBIDDEN, &why);
    response.extensions_mut().insert(RefusedBecause(why));
    response
}

fn text(status: StatusCode, why: impl std::fmt::Display) -> Response {
    (status, format!("{why}\n")).into_response()
}

fn failed(failure: EngineError) -> Response {
    let status = match failure {
        EngineError::Rejected(Rejection::UnknownLock) => StatusCode::NOT_FOUND,
        EngineError::Rejected(Rejection::Invalid(_)) => StatusCode::BAD_REQUEST,
        EngineError::Rejected(Rejection::HolderTaken | Rejection::NotAllowed) => StatusCode::FORBIDDEN,
        // 423 with a LockInfo that says why: Terraform reads nothing else.
        EngineError::Rejected(why) => return locked(&no_holder(&why.to_string())),
        EngineError::Overloaded | EngineError::ShuttingDown | EngineError::Unavailable { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    if status == StatusCode::FORBIDDEN {
        return forbidden(failure.to_string());
    }
    text(status, &failure)
}

fn parse(bytes: &Bytes) -> Result<LockInfo, String> {
    let info: LockInfo =
        serde_json::from_slice(bytes).map_err(|error| format!("the body is not a LockInfo: {error}"))?;
    if info.id.is_empty() || info.id.len() > HOLDER_BYTES_MAX {
        return Err(format!("the ID must have 1 to {HOLDER_BYTES_MAX} bytes"));
    }
    Ok(info)
}

async fn take(
    app: &App,
    who: &Who,
    connection: &Arc<Connection>,
    lock: &LockName,
    bytes: &Bytes,
    wait: Duration,
) -> Result<Response, EngineError> {
    let info = match parse(bytes) {
        Ok(info) => info,
        Err(why) => return Ok(text(StatusCode::BAD_REQUEST, why)),
    };
    // It must come back whole, so it is not cut.
    let whole = std::str::from_utf8(bytes).ok().map(in_one_line);
    let Some(whole) = whole.filter(|whole| whole.len() <= INFO_BYTES_MAX) else {
        return Ok(text(StatusCode::BAD_REQUEST, format!("a LockInfo has at most {INFO_BYTES_MAX} bytes")));
    };
    // Whoever finds no place among those who wait is answered at once, as without the parameter.
    let place = if wait.is_zero() { None } else { app.take_waiting_place(&who.caller_for(lock), connection) };
    if place.is_none() {
        return match holder::take(app, who, lock, &info.id, &whole).await? {
            Taken::Held(told) => Ok(holder::granted(told, ended)),
            Taken::Full => refuse(app, who, lock).await,
        };
    }
    let until = Instant::now() + wait;
    match holder::take_in_turn(app, who, connection, lock, (&info.id, &whole), until).await? {
        Waited::Held(told) => Ok(holder::granted(told, ended)),
        Waited::Late => refuse(app, who, lock).await,
        Waited::Ended => Ok(locked(&no_holder("somebody has ended your place in the queue"))),
        Waited::Kept => {
            let why =
                "the wait was cut short; the place in the queue is kept for a minute for a request with the same ID";
            Ok(text(StatusCode::SERVICE_UNAVAILABLE, why))
        }
        Waited::Denied(denied) => Ok(forbidden(denied.text)),
    }
}

/// The same JSON without what no text of ours contains: control characters stand between its tokens only, and what else is
/// unsafe in strings, where it has an escape.
fn in_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.trim().chars() {
        match c {
            '\t' | '\n' | '\r' => line.push(' '),
            _ if is_unsafe(c) => crate::lines::push_json_escape(&mut line, c),
            _ => line.push(c),
        }
    }
    line
}

/// It was taken, and has ended since: nobody is known to hold it.
fn ended() -> Response {
    locked(&no_holder("the lock was granted, and somebody else ended your ticket at once"))
}

/// A refusal that Terraform can read.
fn locked(info: &Value) -> Response {
    (StatusCode::LOCKED, [(header::CONTENT_TYPE, "application/json")], info.to_string()).into_response()
}

async fn give_back(app: &App, who: &Who, lock: &LockName, bytes: &Bytes) -> Result<Response, EngineError> {
    let caller = &who.caller_for(lock);
    // force-unlock of some versions sends no body: whose lock it is, it does not say.
    if bytes.is_empty() {
        return if caller.admin { force_unlock(app, caller, lock).await } else { refuse(app, who, lock).await };
    }
    let info = match parse(bytes) {
        Ok(info) => info,
        Err(why) => return Ok(text(StatusCode::BAD_REQUEST, why)),
    };
    match holder::give_back(app, caller, lock, &info.id).await? {
        Outcome::Ticket(_) => Ok(StatusCode::OK.into_response()),
        // A repetition whose first answer was lost finds nothing held; somebody else's lock is another matter.
        _ => match holder::look(app, caller, lock, 1).await?.holders.first() {
            None => Ok(StatusCode::OK.into_response()),
            Some(_) => refuse(app, who, lock).await,
        },
    }
}

/// Ends the ticket that held the lock when it was looked at: an administrator asked for it. The next holder is not meant.
async fn force_unlock(app: &App, caller: &lock_core::Caller, lock: &LockName) -> Result<Response, EngineError> {
    let seen = holder::look(app, caller, lock, LISTED_TICKETS_MAX).await?;
    for holder in &seen.holders {
        let (lock, number, reason) = (lock.clone(), holder.ticket.number, Arc::from("force-unlock"));
        match app.engine.submit(caller, Command::Revoke { lock, number, reason, only: None }).await {
            // It went by itself.
            Ok(_) | Err(EngineError::Rejected(Rejection::UnknownTicket | Rejection::Gone(_))) => {}
            Err(failure) => return Err(failure),
        }
    }
    let left = seen.usage.holding.saturating_sub(seen.holders.len() as u64);
    if left > 0 {
        return Ok(text(
            StatusCode::CONFLICT,
            format!("{} were ended, and {left} more held it: ask again", seen.holders.len()),
        ));
    }
    Ok(StatusCode::OK.into_response())
}

/// 423 with the holder's LockInfo, or what of it this sender may see.
async fn refuse(app: &App, who: &Who, lock: &LockName) -> Result<Response, EngineError> {
    let view = holder::look(app, &who.caller_for(lock), lock, 1).await?;
    let holder = view.holders.first();
    let info = match holder {
        Some(holder) if !who.sees(lock) && !who.owns(&holder.ticket) => {
            let words = "this key may not see the holder (it has the right to use, not to observe)";
            lock_info(holder, words, "").to_string()
        }
        Some(holder) if is_lock_info(&holder.ticket.info, holder.ticket.holder.as_deref()) => {
            holder.ticket.info.to_string()
        }
        // No Terraform, but its words as a LockInfo, so that the clients wait for it too.
        Some(holder) => lock_info(holder, &holder.ticket.info, &holder.ticket.from).to_string(),
        None => nobody(&view).to_string(),
    };
    let mut response = (StatusCode::LOCKED, [(header::CONTENT_TYPE, "application/json")], info).into_response();
    if let Some(holder) = holder {
        let advice = format!(
            "if its run is over for certain, end it with: lockctl revoke '{lock}' {} (terraform force-unlock cannot do that)",
            holder.ticket.number
        );
        // A name may have letters that no header has.
        if let Ok(advice) = HeaderValue::from_str(&advice) {
            response.headers_mut().insert(ADVICE, advice);
        }
    }
    Ok(response)
}

/// Whether its clients can read this as the LockInfo of that holder: one field of another type, and they read none of it.
fn is_lock_info(info: &str, holder: Option<&str>) -> bool {
    let (Some(holder), Ok(Value::Object(fields))) = (holder, serde_json::from_str(info)) else { return false };
    fields.get("ID").and_then(Value::as_str) == Some(holder)
        && fields.iter().all(|(name, value)| match name.to_ascii_lowercase().as_str() {
            "created" => value.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()),
            "id" | "operation" | "info" | "who" | "version" | "path" => value.is_string(),
            _ => true,
        })
}

/// What a holder is as a LockInfo.
fn lock_info(holder: &TicketView, info: &str, who: &str) -> Value {
    let ticket = &holder.ticket;
    json!({
        "ID": format!("ticket-{}", ticket.number), "Operation": "", "Info": info, "Who": who,
        "Version": "", "Created": rfc3339(ticket.created_at), "Path": "",
    })
}

/// Nobody holds it, and it is not given all the same.
fn nobody(view: &LockView) -> Value {
    let why = if view.lock.pause.is_some() {
        "the lock is paused"
    } else if view.usage.withheld > 0 {
        "its last holder was lost, and its permit is withheld for a while (LOCK_DELAY)"
    } else {
        "another client is first in the queue"
    };
    no_holder(why)
}

fn no_holder(why: &str) -> Value {
    json!({
        "ID": "none", "Operation": "", "Info": why, "Who": "lockserver", "Version": "", "Created": rfc3339(0), "Path": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_info_stays_the_same_json_on_one_line() {
        let came = " {\n\t\"ID\": \"a\",\r\n \"Info\": \"x\u{202e}\u{e0041}\u{7f}ä\\n\"}\n";
        let kept = in_one_line(came);
        assert!(!kept.contains(is_unsafe), "{kept}");
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&kept), value(came));
    }

    #[test]
    fn the_wait_that_an_address_asks_for() {
        for (query, wait_ms) in
            [("", 0), ("wait_s=600", 600_000), ("wait_s=0", 0), ("wait_s=10m", 600_000), ("wait_s=3600", 3_600_000)]
        {
            assert_eq!(wait_of(query), Ok(Duration::from_millis(wait_ms)), "{query}");
        }
        for bad in ["wait_s", "wait_s=", "wait_s=3601", "wait_s=-1", "wait_s=soon", "wait=600", "wait_s=6&x=1", "x"] {
            assert!(wait_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_clients_read_as_a_lock_info() {
        let whole =
            r#"{"ID":"a","Operation":"","Info":"","Who":"","Version":"","Created":"2026-11-01T00:00:00Z","Path":""}"#;
        assert!(is_lock_info(whole, Some("a")) && is_lock_info(r#"{"ID":"a"}"#, Some("a")));
        assert!(!is_lock_info(whole, Some("b")) && !is_lock_info(whole, None));
        for bad in [
            "",
            "reboot of a",
            "[]",
            "7",
            "\"a\"",
            "{}",
            r#"{"ID":7}"#,
            r#"{"ID":"a","Who":7}"#,
            r#"{"ID":"a","created":"x"}"#,
        ] {
            assert!(!is_lock_info(bad, Some("a")), "{bad}");
        }
    }
}
