//! For load balancers and supervisors.

use super::app::App;
use axum::extract::State;
use axum::http::StatusCode;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The engine serves from its store; otherwise 503 with the reason. A store in doubt is served from, and a load balancer
/// that turned away from it would help nobody: 200, with a second line.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, String) {
    match app.engine.status().trouble() {
        None if *app.stop.borrow() => (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned()),
        None => match app.in_doubt() {
            Some(doubt) => (StatusCode::OK, format!("ready\n{doubt}\n")),
            None => (StatusCode::OK, "ready\n".to_owned()),
        },
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
