//! For load balancers and supervisors.

use super::app::App;
use axum::extract::State;
use axum::http::StatusCode;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The engine serves from its store, or gives requests to the server that does; otherwise 503 with the reason. A store in doubt is served from, and a load balancer
/// that turned away from it would help nobody: 200, with a second line.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    match (app.trouble(), app.in_doubt()) {
        (Some(reason), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        (None, Some(doubt)) => (StatusCode::OK, format!("ready\n{doubt}\n")),
        (None, None) => (StatusCode::OK, "ready\n".to_owned()),
    }
}
