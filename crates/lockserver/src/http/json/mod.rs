//! The JSON API, version 1: see `docs/api.md`. Types, codes and paths are those of `lock-api`.
//!
//! Each handler reads what was asked (`asked`, `body`), submits a command, and shows the outcome (`view`) or the refusal
//! (`problem`). Beside it stands its description, from which `/openapi.json` is made (`openapi`), and from that `/openapi-3.0.json`.

mod acquire;
mod asked;
mod body;
mod busy;
mod change;
mod document;
mod events;
mod examples;
mod lock;
mod openapi;
mod openapi_3_0;
mod problem;
mod sees;
mod status;
mod ticket;
mod view;
mod why;
mod withhold;
mod written;

use super::app::Place;
use super::auth;
use super::routes::{Need, Protocol, Refuse, Routes};
use super::shrink;
use crate::access::Denied;
use crate::access::Right::{Admin, Observe, Use};
use asked::Asked;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use lock_api::{ErrorCode, routes};
use problem::Refusal;
pub(super) use problem::unknown_path;
pub(super) use sees::Sees;
use std::sync::LazyLock;
pub(super) use view::{now_ms, time_left};
pub(super) use why::{expected_wait, why};

/// The routes of this API.
pub(super) fn routes() -> Routes {
    let (observe, r#use, admin) = (Need::Right(Observe), Need::Right(Use), Need::Right(Admin));
    Routes::of(Protocol::Json, &REFUSE)
        .get(routes::LOCKS, observe, lock::list)
        .get(routes::LOCK, observe, lock::get)
        .put(routes::LOCK, admin, change::put)
        .patch(routes::LOCK, admin, change::change)
        .delete(routes::LOCK, admin, change::delete)
        .post(routes::LOCK_TICKETS, r#use, acquire::one)
        .delete(routes::LOCK_TICKETS, r#use, ticket::release_request)
        // One's own; for others' the handler wants an administrator.
        .delete(routes::LOCK_TICKET, r#use, change::revoke)
        .post(routes::LOCK_WITHHELD, admin, withhold::withhold)
        .delete(routes::LOCK_WITHHELD, admin, withhold::restore)
        .put(routes::LOCK_OUTSIDE, admin, withhold::report)
        .delete(routes::LOCK_OUTSIDE, admin, withhold::unreport)
        .get(routes::LOCK_HISTORY, observe, lock::history)
        .get(routes::VERIFY, Need::UseOrObserve, lock::verify)
        .get(routes::TICKETS, r#use, ticket::mine)
        // The body and the query name the locks: the handlers want the right for each.
        .post(routes::TICKETS, r#use, acquire::all)
        .delete(routes::TICKETS, r#use, ticket::release_request_of_all)
        .get(routes::TICKET, r#use, ticket::get)
        .delete(routes::TICKET, r#use, ticket::release)
        .post(routes::RENEW, r#use, ticket::renew)
        .get(routes::EVENTS, observe, events::stream)
        .get(routes::STATUS, observe, status::get)
        .post(routes::RELOAD, admin, status::reload)
        .get(routes::OPENAPI, Need::Nothing, description)
        .get(routes::OPENAPI_3_0, Need::Nothing, description_3_0)
}

fn denied(denied: Denied) -> Response {
    auth::refused(Refusal::from(denied.clone()).into_response(), &denied, auth::BEARER)
}

/// Refuses with a problem of RFC 9457.
pub(super) const REFUSE: Refuse = Refuse {
    denied,
    foreign: denied,
    too_many: |text| Refusal::new(ErrorCode::LimitReached, text).into_response(),
    wrong_method: problem::wrong_method,
    panicked: Some(problem::after_panic),
    unreadable: |error| Refusal::from(error).into_response(),
    failed: |failure| Refusal::from(failure).into_response(),
    sign_in: |_, _| None,
};

/// There is too much to do.
pub(super) fn overloaded(text: &str) -> Response {
    Refusal::new(ErrorCode::Overloaded, text).into_response()
}

/// A description as JSON, and the same as gzip.
struct Described {
    plain: String,
    shrunk: Vec<u8>,
}

impl Described {
    fn new(plain: String) -> Self {
        Self { shrunk: shrink::gzip(plain.as_bytes(), Compression::best()), plain }
    }

    fn answer(&'static self, headers: &HeaderMap) -> Response {
        let head = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "Accept-Encoding"),
        ];
        match shrink::accepted(headers) {
            true => (head, [(header::CONTENT_ENCODING, "gzip")], self.shrunk.as_slice()).into_response(),
            false => (head, self.plain.as_str()).into_response(),
        }
    }
}

/// The description, made once.
static DESCRIPTION: LazyLock<Described> = LazyLock::new(|| {
    let mut calls = vec![events::describe()];
    calls.extend(openapi::describe_itself());
    calls.extend(acquire::describe());
    calls.extend(ticket::describe());
    calls.extend(lock::describe());
    calls.extend(change::describe());
    calls.extend(withhold::describe());
    calls.extend(status::describe());
    calls.extend(openapi::describe_neighbours());
    Described::new(format!("{:#}", document::document(calls)))
});

/// The same as OpenAPI 3.0, made once.
static DESCRIPTION_3_0: LazyLock<Described> = LazyLock::new(|| {
    let document = serde_json::from_str(&DESCRIPTION.plain).expect("it is JSON");
    let old = openapi_3_0::rewritten(document);
    Described::new(serde_json::to_string_pretty(&old).expect("a description is plain data"))
});

async fn description(headers: HeaderMap) -> Response {
    DESCRIPTION.answer(&headers)
}

async fn description_3_0(headers: HeaderMap) -> Response {
    DESCRIPTION_3_0.answer(&headers)
}

impl Asked {
    /// A place among those who wait.
    fn waiting_place(&self) -> Result<Place, Refusal> {
        self.app.take_waiting_place(&self.caller, &self.connection).ok_or_else(|| {
            let text = format!(
                "you have too many waiting requests: {}, or your share of the server's connections for waiting, is the most; \
                 nothing was done",
                self.app.live().max_waiting
            );
            Refusal::new(ErrorCode::LimitReached, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use axum::http::HeaderValue;

    #[tokio::test]
    async fn what_is_the_same_for_everybody_is_shrunk_once() {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let mut places = Vec::new();
        for _ in 0..2 {
            let response = description(headers.clone()).await;
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
            places.push(to_bytes(response.into_body(), usize::MAX).await.unwrap().as_ptr());
        }
        assert_eq!(places[0], places[1], "the very same bytes");
    }
}
