//! Every route.

use super::app::App;
use super::{health, json, page, xmlrpc};
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

/// The routes, in front of one engine.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::show).post(xmlrpc::call))
        .route("/RPC2", post(xmlrpc::call))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(json::routes())
        .fallback(unknown_path)
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
