//! Every route, and what it takes to call it.

use super::app::App;
use super::auth::Refused;
use super::cluster::{self, Doubt, Passed};
use super::connection::{Connection, Responder};
use super::metrics::Counting;
use super::routes::{Entry, Found, Handling, Need, Protocol, Refuse, Routes, Table};
use super::shrink::Shrinking;
use super::{auth, fleetlock, health, json, metrics, page, reads, terraform, waited, xmlrpc};
use crate::access::Right::{Observe, Use};
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use lock_api::routes;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

fn all() -> Routes {
    let page = Routes::of(Protocol::Page, &page::REFUSE)
        .get("/", Need::Right(Observe), page::overview)
        .get("/locks/{lock}", Need::Right(Observe), page::lock)
        // What the page is made of; it holds no data.
        .get("/page/{version}/{file}", Need::Nothing, page::asset);
    let public = Routes::of(Protocol::Plain, &auth::PLAIN)
        .get(routes::HEALTHZ, Need::Nothing, health::alive)
        .get(routes::READYZ, Need::Nothing, health::ready)
        // Between the servers, by the secret that they share.
        .post(cluster::STANDBY, Need::Nothing, cluster::standby)
        .get(routes::METRICS, Need::Right(Observe), metrics::show);
    // Which lock a call is about stands in its body; the protocol looks.
    let xmlrpc = Routes::of(Protocol::XmlRpc, &xmlrpc::REFUSE).post("/", Need::Right(Use), xmlrpc::call).post(
        "/RPC2",
        Need::Right(Use),
        xmlrpc::call,
    );
    let fleetlock = Routes::of(Protocol::FleetLock, &fleetlock::REFUSE)
        .post(routes::FLEETLOCK_LOCK, Need::Right(Use), fleetlock::lock)
        .post(routes::FLEETLOCK_UNLOCK, Need::Right(Use), fleetlock::unlock)
        // For clients whose base URL has a path of its own.
        .post("/fleetlock/v1/pre-reboot", Need::Right(Use), fleetlock::lock)
        .post("/fleetlock/v1/steady-state", Need::Right(Use), fleetlock::unlock);
    // LOCK and UNLOCK are methods that no router knows.
    let terraform = Routes::of(Protocol::Plain, &auth::PLAIN).any(routes::TERRAFORM, Need::Right(Use), terraform::call);
    page.and(public).and(xmlrpc).and(json::routes()).and(fleetlock).and(terraform)
}

/// The routes, in front of one engine.
pub fn router(app: App) -> Responder {
    let table = Arc::new(all().finish(beside));
    Responder::new(move |request| answer(app.clone(), Arc::clone(&table), request))
}

/// Everything that surrounds a handler, from the outside to the inside: each request is counted, what is long is made smaller,
/// the gate lets it through, and what only looks waits for its turn.
async fn answer(app: App, table: Arc<Table>, mut request: Request) -> Response {
    let (found, matched) = table.find(request.uri().path(), request.method());
    if let Some(matched) = matched {
        request.extensions_mut().insert(matched);
    }
    let counting = Counting::begin(&app, found.path, &request);
    let connection = Connection::of(&request).clone();
    let shrinking = Shrinking::of(found.path, &request);
    let is_head = request.method() == Method::HEAD;
    let is_forwarded = cluster::is_forwarded(request.headers());
    let (request, doubt) = if cluster::is_given_on(&app, found) {
        let (passed, waited) = waited::watch(Box::pin(cluster::pass(&app, found, request))).await;
        match passed {
            Passed::Own(request, doubt) => (request, doubt),
            Passed::Answered(response) => {
                counting.answered(&response, waited.waited, &connection);
                return response;
            }
        }
    } else {
        (request, Doubt::default())
    };
    // Nothing that has a request or an answer in it is moved about unfinished: it is ready, or in its handler's box.
    let (passage, entered) = auth::enter(&app, found, request);
    let work = async {
        let handled = match entered.and_then(|request| handle(&app, found, request).map_err(Refused::AtOnce)) {
            Ok(handling) => match found.refuse.panicked {
                None => handling.await,
                Some(panicked) => AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(panicked),
            },
            Err(Refused::AtOnce(refusal)) => *refusal,
            Err(Refused::WrongKey(address)) => Box::pin(auth::wrong_key(&app, address, found.refuse)).await,
        };
        let handled = with_length(passage.leave(doubt.settle(found, handled)), is_head);
        reads::layers::hold(shrinking.of_answer(&app, &connection, handled).await)
    };
    let (mut response, waited) = waited::watch(pin!(work)).await;
    if waited.cut_short && is_forwarded {
        cluster::mark_cut_short(&mut response);
    }
    counting.answered(&response, waited.waited, &connection);
    response
}

/// Has the handler of its route answer.
fn handle(app: &App, found: Found<'_>, request: Request) -> Result<Handling, Box<Response>> {
    let Some(route) = found.route else {
        let Some(allow) = found.allow else { return Err(Box::new(unknown_path(request.uri()))) };
        let mut response = (found.refuse.wrong_method)(request.method());
        response.headers_mut().insert(header::ALLOW, allow.clone());
        return Err(Box::new(response));
    };
    Ok(match reads::layers::may_take(route.entry.path, &request) {
        None => route.handle(request, app.clone()),
        Some(bytes) => {
            let (app, route) = (app.clone(), route.clone());
            Box::pin(reads::layers::pass(app, bytes, request, move |app, request| route.handle(request, app)))
        }
    })
}

/// Says how long the body is, also to who asks for the head alone (RFC 9110, section 9.3.2).
fn with_length(mut response: Response, is_head: bool) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    if is_head { response.map(|_| Body::empty()) } else { response }
}

/// Every route with the right that it needs, for tests.
#[must_use]
pub fn entries() -> Vec<Entry> {
    all().into_entries()
}

/// Refuses for a path without a route.
fn beside(path: &str) -> &'static Refuse {
    if path.starts_with("/v1") { &json::REFUSE } else { &auth::PLAIN }
}

fn unknown_path(uri: &Uri) -> Response {
    if uri.path().starts_with("/v1") {
        return json::unknown_path();
    }
    let text =
        "There is nothing here. The status page is at /, XML-RPC at /RPC2, the JSON API at /v1 (see /openapi.json).\n";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
