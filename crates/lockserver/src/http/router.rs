//! Every route.

use super::app::App;
use super::{health, page, xmlrpc};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

/// The routes, in front of one engine.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::show).post(xmlrpc::call))
        .route("/RPC2", post(xmlrpc::call))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_path)
        .with_state(app)
}

async fn unknown_path() -> impl IntoResponse {
    let text = "There is nothing here. The status page is at /, XML-RPC at /RPC2.\n";
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}
