//! The page: what browsers are shown, and what 0.36 showed for everybody else.
//!
//! `html` makes documents that can be read as they are; the scripts among the `assets` then keep them up to date with
//! nothing but the JSON API. `text` is 0.36's page, for curl, lynx and scripts that read it.

mod assets;
mod html;
mod text;
mod words;

use super::app::App;
use super::auth::{self, Who};
use super::connection::Connection;
use super::routes::Refuse;
use super::{path, shrink};
use crate::access::Denied;
use crate::engine::EngineError;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use lock_core::limits::{LISTED_LOCKS_MAX, LISTED_TICKETS_MAX, PAGE_BYTES_MAX};
use lock_core::{Command, LockName, LocksPage, Outcome, TicketsAfter};
use std::sync::Arc;

/// Nothing from elsewhere, nothing inline, no frames.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// `GET /`: a document of the first locks, or of those after `?after=`; the text of all of them, as long as it is no longer than
/// it may be.
pub(super) async fn overview(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request,
) -> Response {
    let wanted = Wanted::of(request.headers());
    let shown = match wanted {
        Wanted::Page => first_locks(&app, &who, &connection, after(request.uri())).await,
        other => all_locks(&app, &who, &connection).await.map(|text| old(StatusCode::OK, other, text)),
    };
    shown.unwrap_or_else(|failure| unavailable(&app, wanted, &failure))
}

/// The name in `?after=`.
fn after(uri: &Uri) -> Option<LockName> {
    let name = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("after="))?;
    LockName::new(&path::decode(&name.replace('+', " ")).ok()?).ok()
}

async fn look(
    app: &App,
    who: &Who,
    connection: &Arc<Connection>,
    after: Option<LockName>,
    tickets: usize,
) -> Result<Arc<LocksPage>, EngineError> {
    let command = Command::ListLocks { after, limit: LISTED_LOCKS_MAX, tickets, among: who.among() };
    let Outcome::Locks(page) = app.engine.look(&who.caller(), command, connection.clone()).await?.outcome else {
        unreachable!("a list of locks was asked for")
    };
    Ok(page)
}

async fn first_locks(
    app: &App,
    who: &Who,
    connection: &Arc<Connection>,
    after: Option<LockName>,
) -> Result<Response, EngineError> {
    let locks = look(app, who, connection, after, 0).await?;
    let (weight, of) = (locks.weight(), app.clone());
    let document = app.reads.make(connection, weight, move || html::overview(&of, &locks)).await?;
    Ok(page(StatusCode::OK, document))
}

async fn all_locks(app: &App, who: &Who, connection: &Arc<Connection>) -> Result<String, EngineError> {
    let (mut text, mut after) = (String::new(), None);
    loop {
        let locks = look(app, who, connection, after, LISTED_TICKETS_MAX).await?;
        after = locks.next().cloned();
        let make = move || {
            text::add(&mut text, &locks);
            text
        };
        text = app.reads.make(connection, usize::MAX, make).await?;
        if after.is_none() || text.len() >= PAGE_BYTES_MAX {
            return Ok(text);
        }
    }
}

/// `GET /locks/{lock}`.
pub(super) async fn lock(
    State(app): State<App>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let wanted = Wanted::of(&parts.headers);
    let Some(Ok(name)) = path::lock(&parts.extensions) else {
        return no_lock(&app, wanted);
    };
    let command = Command::ViewLock { name: name.clone(), tickets: LISTED_TICKETS_MAX, after: TicketsAfter::default() };
    let shown = match app.engine.look(&who.caller(), command, connection.clone()).await {
        Ok(told) => {
            let Outcome::Lock(lock) = told.outcome else { unreachable!("a lock was asked for") };
            let (weight, of) = (lock.weight(), app.clone());
            let make = move || match wanted {
                Wanted::Page => page(StatusCode::OK, html::lock(&of, &lock, &|name| who.sees(name))),
                other => old(StatusCode::OK, other, text::lock(&lock)),
            };
            app.reads.make(&connection, weight, make).await
        }
        Err(EngineError::Rejected(_)) => return no_lock(&app, wanted),
        Err(failure) => Err(failure),
    };
    shown.unwrap_or_else(|failure| unavailable(&app, wanted, &failure))
}

fn no_lock(app: &App, wanted: Wanted) -> Response {
    match wanted {
        Wanted::Page => page(StatusCode::NOT_FOUND, html::message(app, "There is no such lock.")),
        other => old(StatusCode::NOT_FOUND, other, "There is no such lock.\n".to_owned()),
    }
}

fn unavailable(app: &App, wanted: Wanted, failure: &EngineError) -> Response {
    let text = format!("The locks cannot be shown now: {failure}");
    match wanted {
        Wanted::Page => page(StatusCode::SERVICE_UNAVAILABLE, html::message(app, &text)),
        other => old(StatusCode::SERVICE_UNAVAILABLE, other, text + "\n"),
    }
}

/// Refuses with a line of text, and a browser with the page, which asks for a key.
pub(super) const REFUSE: Refuse = Refuse {
    sign_in: |denied, request| (Wanted::of(request.headers()) == Wanted::Page).then(|| sign_in(denied, request.uri())),
    ..auth::PLAIN
};

/// What a browser is shown that may not look: the page without any data, whose script asks for a key. The browser is not
/// asked by Basic, for which it would ask its user itself.
fn sign_in(denied: &Denied, uri: &Uri) -> Response {
    let status = if denied.unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = page(status, html::sign_in(&denied.text, uri.path().starts_with("/locks/")));
    if denied.unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, auth::BEARER);
    }
    response
}

fn page(status: StatusCode, html: String) -> Response {
    let mut response = document(status, "text/html; charset=utf-8", html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// 0.36's page.
fn old(status: StatusCode, wanted: Wanted, text: String) -> Response {
    match wanted {
        Wanted::Text => document(status, "text/plain; charset=utf-8", text),
        _ => document(status, "text/html; charset=utf-8", text::html(&text)),
    }
}

fn document(status: StatusCode, kind: &'static str, body: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store"), (header::VARY, "Accept, User-Agent")];
    (status, headers, body).into_response()
}

/// `GET /page/{version}/{file}`. The version in the path is for caches: each version of the server has its own.
pub(super) async fn asset(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let [version, file] = ["version", "file"]
        .map(|name| path::part(&parts.extensions, &parts.uri, name).and_then(Result::ok).unwrap_or_default());
    let headers = parts.headers;
    let Some(asset) = assets::find(&file) else {
        return (StatusCode::NOT_FOUND, "there is no such part of the page\n").into_response();
    };
    let shrunk = asset.shrunk().filter(|_| shrink::accepted(&headers));
    let tag = shrink::tag(assets::version(), shrunk.is_some());
    // A page of another version of the server still loads, but must not keep what is not its own.
    let keep = if version == assets::version() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let vary = (header::VARY, "Accept-Encoding");
    let head = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, keep), vary];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    let kind = (header::CONTENT_TYPE, asset.kind);
    match shrunk {
        Some(bytes) => (head, [kind, (header::CONTENT_ENCODING, "gzip")], bytes).into_response(),
        None => (head, [kind], asset.body).into_response(),
    }
}

/// In which form somebody wants the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The document that a browser shows.
    Page,
    /// 0.36's text.
    Text,
    /// 0.36's text as a document, for who knows no other: its page was one.
    OldPage,
}

impl Wanted {
    /// A client that asks for plain text gets it, and so does curl, which takes anything and shows it on a terminal. Every browser
    /// that knows styles and scripts calls itself Mozilla; lynx, w3m and scripts do not.
    fn of(headers: &HeaderMap) -> Self {
        let get = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let accept = get(header::ACCEPT);
        let quality = |kind: &str| {
            accept.split(',').find_map(|range| {
                let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
                let q = parameters.split(';').find_map(|p| p.trim().strip_prefix("q="));
                let fits = name.trim().eq_ignore_ascii_case(kind);
                fits.then(|| q.and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0))
            })
        };
        let agent = get(header::USER_AGENT);
        match (quality("text/plain"), quality("text/html")) {
            (Some(plain), html) if plain > 0.0 && plain >= html.unwrap_or(0.0) => Self::Text,
            (None, None) if agent.starts_with("curl/") => Self::Text,
            (_, Some(_)) if agent.starts_with("Mozilla/") => Self::Page,
            _ => Self::OldPage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_which_form() {
        let wanted = |accept: &str, agent: &str| {
            Wanted::of(&HeaderMap::from_iter([
                (header::ACCEPT, accept.parse().unwrap()),
                (header::USER_AGENT, agent.parse().unwrap()),
            ]))
        };
        assert_eq!(wanted("*/*", "curl/8.0"), Wanted::Text);
        assert_eq!(wanted("text/plain", "Mozilla/5.0"), Wanted::Text);
        assert_eq!(wanted("text/html;q=0.5, text/plain", "x"), Wanted::Text);
        assert_eq!(wanted("text/html", "curl/8.0"), Wanted::OldPage);
        assert_eq!(wanted("text/html,application/xhtml+xml,*/*;q=0.8", "Mozilla/5.0"), Wanted::Page);
        assert_eq!(wanted("*/*", "Mozilla/5.0"), Wanted::OldPage, "a script that poses as a browser");
        assert_eq!(wanted("text/html, text/plain, text/sgml;q=0.01", "Lynx/2.9.0"), Wanted::Text);
        assert_eq!(wanted("text/html, text/plain;q=0.5", "x"), Wanted::OldPage);
        assert_eq!(wanted("*/*", "Python-urllib/3.11"), Wanted::OldPage);
        assert_eq!(Wanted::of(&HeaderMap::new()), Wanted::OldPage);
    }
}
