//! Every route.

use super::app::App;
use super::{fleetlock, health, json, metrics, page, terraform, xmlrpc};
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use lock_api::routes;

/// The routes, in front of one engine.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::show).post(xmlrpc::call))
        .route("/RPC2", post(xmlrpc::call))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route(routes::METRICS, get(metrics::show))
        .merge(json::routes())
        .route(routes::FLEETLOCK_LOCK, post(fleetlock::lock))
        .route(routes::FLEETLOCK_UNLOCK, post(fleetlock::unlock))
        // For clients whose base URL has a path of its own.
        .route("/fleetlock/v1/pre-reboot", post(fleetlock::lock))
        .route("/fleetlock/v1/steady-state", post(fleetlock::unlock))
        // LOCK and UNLOCK are methods that no router knows.
        .route(routes::TERRAFORM, any(terraform::call))
        .fallback(unknown_path)
        .layer(from_fn_with_state(app.clone(), metrics::count))
        .with_state(app)
}

async fn unknown_path(uri: Uri) -> Response {
    if uri.path().starts_with("/v1") {
        return json::unknown_path(&uri);
    }
    let text =
        "There is nothing here. The status page is at /, XML-RPC at /RPC2, the JSON API at /v1 (see /openapi.json).\n";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
