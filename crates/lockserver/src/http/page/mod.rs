//! The status page: what 0.36 showed, for browsers as HTML and for scripts as plain text.

mod text;

use super::app::App;
use super::auth::Who;
use crate::engine::Failure;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_core::{Command, Outcome};

/// Holders and waiters shown of each lock.
const TICKETS_SHOWN: usize = 1000;

/// `GET /`.
pub(super) async fn show(State(app): State<App>, Extension(who): Extension<Who>, headers: HeaderMap) -> Response {
    let (status, text) =
        match app.engine.submit(Command::ListLocks { tickets: TICKETS_SHOWN, among: who.among() }).await {
            Ok(told) => match told.outcome {
                Outcome::Locks(locks) => (StatusCode::OK, text::locks(&locks)),
                other => unreachable!("a list of locks was asked for, not {other:?}"),
            },
            Err(Failure::Rejected(why)) => unreachable!("a list is never refused: {why}"),
            Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("The locks cannot be shown now: {failure}\n")),
        };
    let plain = wants_plain_text(&headers);
    let (kind, body) =
        if plain { ("text/plain; charset=utf-8", text) } else { ("text/html; charset=utf-8", text::html(&text)) };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept, User-Agent"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    (status, headers, body).into_response()
}

/// Who asks for plain text gets it, and so does curl, which takes anything and shows it on a terminal.
fn wants_plain_text(headers: &HeaderMap) -> bool {
    let get = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let accept = get(header::ACCEPT);
    let quality = |kind: &str| {
        accept.split(',').find_map(|range| {
            let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
            let q = parameters.split(';').find_map(|p| p.trim().strip_prefix("q="));
            name.trim().eq_ignore_ascii_case(kind).then(|| q.and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0))
        })
    };
    match (quality("text/plain"), quality("text/html")) {
        (Some(plain), html) => plain > 0.0 && plain >= html.unwrap_or(0.0),
        (None, Some(_)) => false,
        (None, None) => get(header::USER_AGENT).starts_with("curl/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_plain_text() {
        let wants = |accept: &str, agent: &str| {
            wants_plain_text(&HeaderMap::from_iter([
                (header::ACCEPT, accept.parse().unwrap()),
                (header::USER_AGENT, agent.parse().unwrap()),
            ]))
        };
        assert!(wants("*/*", "curl/8.0"));
        assert!(wants("text/plain", "Mozilla/5.0"));
        assert!(wants("text/html;q=0.5, text/plain", "x"));
        assert!(!wants("text/html", "curl/8.0"));
        assert!(!wants("text/html,application/xhtml+xml,*/*;q=0.8", "Mozilla/5.0"));
        assert!(!wants("text/html, text/plain;q=0.5", "x"));
        assert!(!wants("*/*", "Python-urllib/3.11"));
        assert!(!wants_plain_text(&HeaderMap::new()));
    }
}
