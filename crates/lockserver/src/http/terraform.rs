//! State locks of Terraform and OpenTofu: the lock half of their `http` backend.
//!
//! `LOCK` (or POST, PUT) takes, `UNLOCK` (or DELETE) gives back, the ID of the LockInfo is the holder. A refusal carries the
//! holder's whole LockInfo: without an ID in it the clients do not wait. The state itself is not kept here.

use super::app::App;
use super::auth::{RefusedBecause, Who};
use super::body;
use super::holder::{self, Taken};
use super::path;
use crate::engine::Failure;
use crate::wall::rfc3339;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use lock_core::limits::{HOLDER_BYTES_MAX, INFO_BYTES_MAX};
use lock_core::{Caller, Command, LockName, LockView, Outcome, Rejection, TicketView};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// What is needed of a LockInfo; the rest is kept and given back as it came.
#[derive(Deserialize)]
struct LockInfo {
    #[serde(rename = "ID")]
    id: String,
}

/// Any method on `/v1/terraform/{lock}`.
pub(super) async fn call(State(app): State<App>, Extension(who): Extension<Who>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let lock = match path::lock(&parts).expect("the route has a place for it") {
        Ok(lock) => lock,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("the path {error}")),
    };
    let method = parts.method.as_str().to_owned();
    let bytes = match body::read_json(body).await {
        Ok(bytes) => bytes,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let caller = who.caller_for(&lock);
    let result = match method.as_str() {
        "LOCK" | "POST" | "PUT" => take(&app, &who, &lock, &bytes).await,
        "UNLOCK" | "DELETE" => give_back(&app, &caller, &lock, &bytes).await,
        _ => {
            let allow = [(header::ALLOW, "LOCK, UNLOCK, POST, PUT, DELETE")];
            let why = "this is a lock, the state is not kept here; use it as lock_address and unlock_address\n";
            return (StatusCode::METHOD_NOT_ALLOWED, allow, why).into_response();
        }
    };
    result.unwrap_or_else(failed)
}

fn text(status: StatusCode, why: impl std::fmt::Display) -> Response {
    (status, format!("{why}\n")).into_response()
}

fn failed(failure: Failure) -> Response {
    let status = match failure {
        Failure::Rejected(Rejection::UnknownLock) => StatusCode::NOT_FOUND,
        Failure::Rejected(Rejection::HolderTaken | Rejection::NotAllowed) => StatusCode::FORBIDDEN,
        Failure::Rejected(_) => StatusCode::CONFLICT,
        Failure::Overloaded | Failure::ShuttingDown | Failure::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = text(status, &failure);
    if status == StatusCode::FORBIDDEN {
        response.extensions_mut().insert(RefusedBecause(failure.to_string()));
    }
    response
}

fn parse(bytes: &Bytes) -> Result<LockInfo, String> {
    let info: LockInfo = serde_json::from_slice(bytes).map_err(|error| format!("this is no LockInfo: {error}"))?;
    if info.id.is_empty() || info.id.len() > HOLDER_BYTES_MAX {
        return Err(format!("the ID must have 1 to {HOLDER_BYTES_MAX} bytes"));
    }
    Ok(info)
}

async fn take(app: &App, who: &Who, lock: &LockName, bytes: &Bytes) -> Result<Response, Failure> {
    let info = match parse(bytes) {
        Ok(info) => info,
        Err(why) => return Ok(text(StatusCode::BAD_REQUEST, why)),
    };
    // It must come back whole, so it is not cut.
    let Some(whole) = std::str::from_utf8(bytes).ok().filter(|whole| whole.len() <= INFO_BYTES_MAX) else {
        return Ok(text(StatusCode::BAD_REQUEST, format!("a LockInfo has at most {INFO_BYTES_MAX} bytes")));
    };
    match holder::take(app, who, lock, &info.id, whole).await? {
        Taken::Held(receipt) => Ok(holder::granted(receipt)),
        Taken::Full => refuse(app, lock).await,
    }
}

async fn give_back(app: &App, caller: &Caller, lock: &LockName, bytes: &Bytes) -> Result<Response, Failure> {
    // force-unlock of some versions sends no body: whose lock it is, it does not say.
    if bytes.is_empty() {
        return if caller.admin { force_unlock(app, caller, lock).await } else { refuse(app, lock).await };
    }
    let info = match parse(bytes) {
        Ok(info) => info,
        Err(why) => return Ok(text(StatusCode::BAD_REQUEST, why)),
    };
    match holder::give_back(app, caller, lock, &info.id).await? {
        Outcome::Ticket(_) => Ok(StatusCode::OK.into_response()),
        // A repetition whose first answer was lost finds nothing held; somebody else's lock is another matter.
        _ => match holder::look(app, lock).await?.holders.first() {
            None => Ok(StatusCode::OK.into_response()),
            Some(_) => refuse(app, lock).await,
        },
    }
}

/// Ends whatever holds the lock: an administrator asked for it.
async fn force_unlock(app: &App, caller: &Caller, lock: &LockName) -> Result<Response, Failure> {
    while let Some(view) = holder::look(app, lock).await?.holders.first() {
        let (lock, number, caller, reason) =
            (lock.clone(), view.ticket.number, caller.clone(), Arc::from("force-unlock"));
        match app.engine.submit(Command::Revoke { lock, number, caller, reason, only: None }).await {
            Ok(_) | Err(Failure::Rejected(Rejection::UnknownTicket)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(StatusCode::OK.into_response())
}

/// 423 with the holder's LockInfo.
async fn refuse(app: &App, lock: &LockName) -> Result<Response, Failure> {
    let view = holder::look(app, lock).await?;
    let info = match view.holders.first() {
        Some(holder) if holder.ticket.holder.is_some() => holder.ticket.info.to_string(),
        Some(holder) => stranger(holder).to_string(),
        None => return Ok((StatusCode::LOCKED, Json(nobody(&view))).into_response()),
    };
    Ok((StatusCode::LOCKED, [(header::CONTENT_TYPE, "application/json")], info).into_response())
}

/// Somebody who holds the lock and is no Terraform: its words as a LockInfo, so that the clients wait for it too.
fn stranger(holder: &TicketView) -> serde_json::Value {
    let ticket = &holder.ticket;
    json!({
        "ID": format!("ticket-{}", ticket.number), "Operation": "", "Info": &*ticket.info, "Who": &*ticket.from,
        "Version": "", "Created": rfc3339(ticket.created_at), "Path": "",
    })
}

/// Nobody holds it, and it is not given all the same.
fn nobody(view: &LockView) -> serde_json::Value {
    let why = if view.lock.pause.is_some() {
        "the lock is paused"
    } else if view.closed > 0 {
        "its last holder was lost, and the lock stays closed for a while (LOCK_DELAY)"
    } else {
        "somebody else is first in the queue"
    };
    json!({
        "ID": "none", "Operation": "", "Info": why, "Who": "lockserver", "Version": "", "Created": rfc3339(0), "Path": "",
    })
}
