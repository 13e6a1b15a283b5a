//! FleetLock: reboots of a fleet, so many at a time (the protocol is described in coreos/zincati).
//!
//! A group is the lock whose name is PREFIX and the group; the client's id is the holder. There is no lease: a node that did not come back
//! keeps its slot until somebody ends it. The only client there is takes any 2xx for a grant, so nothing else gets one.

use super::app::App;
use super::auth::{self, Who};
use super::body;
use super::holder::{self, Taken};
use super::routes::Refuse;
use crate::access::{Denied, Right};
use crate::engine::EngineError;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use lock_core::limits::HOLDER_BYTES_MAX;
use lock_core::{LockName, Rejection};
use serde::{Deserialize, Serialize};

const HEADER: &str = "fleet-lock-protocol";

#[derive(Deserialize)]
struct Wanted {
    client_params: ClientParams,
}

#[derive(Deserialize)]
struct ClientParams {
    id: String,
    group: String,
}

/// Body of a refusal. `kind` becomes a label of the client's metrics, so there are few of them.
#[derive(Serialize)]
struct Refusal {
    kind: &'static str,
    value: String,
}

fn refuse(status: StatusCode, kind: &'static str, value: impl Into<String>) -> Response {
    (status, Json(Refusal { kind, value: value.into() })).into_response()
}

/// Refuses with `kind` and `value`.
pub(super) const REFUSE: Refuse = Refuse { denied, foreign: denied, failed, ..auth::PLAIN };

/// The sender may not do this.
fn denied(denied: Denied) -> Response {
    let response = if denied.unauthorized {
        refuse(StatusCode::UNAUTHORIZED, "unauthorized", denied.text.clone())
    } else {
        refuse(StatusCode::FORBIDDEN, "not_allowed", denied.text.clone())
    };
    auth::refused(response, &denied, auth::BASIC)
}

fn failed(failure: EngineError) -> Response {
    match failure {
        EngineError::Rejected(Rejection::UnknownLock) => {
            refuse(StatusCode::BAD_REQUEST, "unknown_group", "there is no lock for this group; make one, or a template")
        }
        EngineError::Rejected(Rejection::HolderTaken) => {
            denied(Denied { unauthorized: false, text: failure.to_string() })
        }
        EngineError::Rejected(why) => refuse(StatusCode::CONFLICT, "failed_lock", why.to_string()),
        EngineError::Overloaded | EngineError::ShuttingDown | EngineError::Unavailable { .. } => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, "server_unavailable", failure.to_string())
        }
    }
}

/// The node and its group. The client sets no Content-Type, so none is looked at.
async fn read(request: Request<Body>, who: &Who, prefix: &str) -> Result<(LockName, String), Response> {
    let bad = |kind, value: String| refuse(StatusCode::BAD_REQUEST, kind, value);
    if !is_fleetlock(request.headers()) {
        return Err(bad("missing_fleetlock_header", format!("the header '{HEADER}: true' is missing")));
    }
    let bytes = body::read_json(request.into_body()).await.map_err(|error| bad("bad_request", error.to_string()))?;
    let wanted: Wanted = serde_json::from_slice(&bytes).map_err(|error| bad("bad_request", error.to_string()))?;
    let ClientParams { id, group } = wanted.client_params;
    if id.is_empty() || id.len() > HOLDER_BYTES_MAX {
        return Err(bad("invalid_client_identity", format!("the id must have 1 to {HOLDER_BYTES_MAX} bytes")));
    }
    lock_core::text::check("the id", &id).map_err(|why| bad("invalid_client_identity", why))?;
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    match LockName::new(&format!("{prefix}{group}")) {
        Ok(lock) if !group.is_empty() && group.chars().all(fine) => {
            who.may(Right::Use, &lock).map_err(denied)?;
            Ok((lock, id))
        }
        _ => Err(bad("invalid_group", "a group has letters, digits, dots and hyphens".to_owned())),
    }
}

fn is_fleetlock(headers: &HeaderMap) -> bool {
    headers.get(HEADER).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// `POST /v1/pre-reboot`: may this node reboot now? The same node again is told yes again.
pub(super) async fn lock(State(app): State<App>, Extension(who): Extension<Who>, request: Request<Body>) -> Response {
    let (lock, id) = match read(request, &who, &app.live().fleetlock_prefix).await {
        Ok(wanted) => wanted,
        Err(response) => return response,
    };
    match holder::take(&app, &who, &lock, &id, &format!("reboot of {id}")).await {
        Ok(Taken::Held(told)) => holder::granted(told, full),
        Ok(Taken::Full) => full(),
        Err(failure) => failed(failure),
    }
}

fn full() -> Response {
    let value = "semaphore currently full, all slots are locked already";
    refuse(StatusCode::LOCKED, "failed_lock_semaphore_full", value)
}

/// `POST /v1/steady-state`: the node is up. Not to hold anything is fine.
pub(super) async fn unlock(State(app): State<App>, Extension(who): Extension<Who>, request: Request<Body>) -> Response {
    let (lock, id) = match read(request, &who, &app.live().fleetlock_prefix).await {
        Ok(wanted) => wanted,
        Err(response) => return response,
    };
    match holder::give_back(&app, &who.caller_for(&lock), &lock, &id).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(failure) => failed(failure),
    }
}
