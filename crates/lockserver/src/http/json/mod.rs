//! The JSON API, version 1: see `docs/api.md`. Types, codes and paths are those of `lock-api`.
//!
//! Each handler reads what was asked (`asked`, `body`), submits a command, and shows the outcome (`view`) or the refusal
//! (`problem`). Beside it stands its description, from which `/openapi.json` is made (`openapi`).

mod acquire;
mod asked;
mod body;
mod change;
mod events;
mod examples;
mod lock;
mod openapi;
mod problem;
mod status;
mod ticket;
mod view;

use super::app::{App, Place};
use asked::Asked;
use axum::Router;
use axum::http::header;
use axum::routing::{delete, get, post};
use lock_api::{ErrorCode, routes};
use problem::Refusal;
pub(super) use problem::unknown_path;
use std::sync::LazyLock;
use tower_http::catch_panic::CatchPanicLayer;

/// The routes of this API.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(routes::LOCKS, get(lock::list))
        .route(routes::LOCK, get(lock::get).put(change::put).patch(change::change).delete(change::delete))
        .route(routes::LOCK_TICKETS, post(acquire::handle).delete(ticket::release_request))
        .route(routes::LOCK_TICKET, delete(change::revoke))
        .route(routes::LOCK_CLOSURES, delete(change::open))
        .route(routes::VERIFY, get(lock::verify))
        .route(routes::TICKETS, get(ticket::mine))
        .route(routes::TICKET, get(ticket::get).delete(ticket::release))
        .route(routes::RENEW, post(ticket::renew))
        .route(routes::EVENTS, get(events::stream))
        .route(routes::STATUS, get(status::get))
        .route(routes::RELOAD, post(status::reload))
        .route(routes::OPENAPI, get(description))
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(CatchPanicLayer::custom(problem::after_panic))
}

/// The description as JSON, made once.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    let mut calls = vec![acquire::describe(), events::describe(), openapi::describe_itself()];
    calls.extend(ticket::describe());
    calls.extend(lock::describe());
    calls.extend(change::describe());
    calls.extend(status::describe());
    openapi::describe(calls).to_pretty_json().expect("a description is plain data")
});

async fn description() -> impl axum::response::IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], DESCRIPTION.as_str())
}

impl Asked {
    /// A place among those who wait.
    fn waiting_place(&self) -> Result<Place, Refusal> {
        self.app.may_wait(&self.caller).ok_or_else(|| {
            let text = format!("{} requests wait for you already; nothing was done", self.app.live().max_waiting);
            Refusal::new(ErrorCode::LimitReached, text)
        })
    }
}
