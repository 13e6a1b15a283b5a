//! Every route, and what it takes to call it.

use super::app::App;
use super::auth::{self, Gate};
use super::routes::{Entry, Need, Protocol, Refuse, Routes};
use super::{fleetlock, health, json, metrics, page, reads, shrink, terraform, xmlrpc};
use crate::access::Right::{Observe, Use};
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use lock_api::routes;

fn all() -> Routes {
    let page = Routes::of(Protocol::Page, &page::REFUSE)
        .get("/", Need::Right(Observe), page::overview)
        .get("/locks/{lock}", Need::Right(Observe), page::lock)
        // What the page is made of; it holds no data.
        .get("/page/{version}/{file}", Need::Nothing, page::asset);
    let public = Routes::of(Protocol::Plain, &auth::PLAIN)
        .get(routes::HEALTHZ, Need::Nothing, health::alive)
        .get(routes::READYZ, Need::Nothing, health::ready)
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
pub fn router(app: App) -> Router {
    let (router, table) = all().finish(beside);
    let gate = Gate::new(app.clone(), table);
    router
        .fallback(unknown_path)
        // Inside the gate: whose turn it is depends on who asks.
        .layer(middleware::from_fn_with_state(app.clone(), reads::layers::pass))
        .layer(middleware::from_fn_with_state(gate, auth::pass))
        .layer(middleware::from_fn_with_state(app.clone(), shrink::pass))
        .layer(middleware::from_fn(reads::layers::hold))
        // Around the gate: what it refuses is counted too.
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}

/// Every route with what it needs, for whoever wants to check that.
#[must_use]
pub fn entries() -> Vec<Entry> {
    all().into_entries()
}

/// Refuses for a path without a route.
fn beside(path: &str) -> &'static Refuse {
    if path.starts_with("/v1") { &json::REFUSE } else { &auth::PLAIN }
}

async fn unknown_path(uri: Uri) -> Response {
    if uri.path().starts_with("/v1") {
        return json::unknown_path();
    }
    let text =
        "There is nothing here. The status page is at /, XML-RPC at /RPC2, the JSON API at /v1 (see /openapi.json).\n";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
