//! `/metrics`, and the counting of every request for it.

use super::app::App;
use super::auth::Who;
use super::connection::Connection;
use crate::audit::Counts;
use crate::metrics::{Format, Label, Scrape};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_core::limits::LISTED_BYTES_MAX;
use std::sync::Arc;
use std::time::Instant;

/// The status that stands for no status: the connection ended before there was an answer. As nginx has it.
const NO_ANSWER: u16 = 499;

/// The metrics, in the format that is asked for. They are given also when the engine has no answer, without those that
/// only it knows.
pub(super) async fn show(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::wanted(&accept.collect::<Vec<_>>().join(","));
    let measured = app.engine.measure().await;
    let (waiting, streams) = app.taken();
    let (urgent, ordinary) = app.engine.request_queue().lengths();
    let ready = app.trouble().is_none();
    // A leader that has lost the store may have lost the lead, too, and does not know it yet.
    let is_served = app.engine.status().trouble().is_none();
    let leads = app.service.cluster.as_ref().is_none_or(|cluster| cluster.leads() && is_served);
    let Counts { written: audited, lost: audit_lost, waiting: audit_waiting } = app.engine.audit().counts();
    let scrape =
        Scrape { ready, leads, measured, urgent, ordinary, waiting, streams, audited, audit_lost, audit_waiting };
    let may_see = move |label: Label<'_>| who.sees_label(label);
    let metrics = app.engine.metrics().clone();
    // It reads files of the kernel, and may be long.
    let render = move || metrics.render(format, &scrape, may_see);
    let text = app.reads.make(&connection, LISTED_BYTES_MAX, render).await;
    match text {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, format.content_type()),
                (header::CACHE_CONTROL, "no-store"),
                (header::VARY, "Accept"),
            ];
            (headers, text).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// A request until it is counted, which it is however it ends.
pub(super) struct Counting {
    app: App,
    route: Option<&'static str>,
    method: axum::http::Method,
    began: Instant,
    status: Option<StatusCode>,
    waited: bool,
}

impl Counting {
    /// A request has begun, for this route if there is one.
    pub(super) fn begin(app: &App, route: Option<&'static str>, request: &Request) -> Self {
        app.engine.metrics().http.in_flight.add(1);
        let (app, method) = (app.clone(), request.method().clone());
        Self { app, route, method, began: Instant::now(), status: None, waited: false }
    }

    /// It has its answer, for which it may have waited.
    pub(super) fn answered(mut self, response: &Response, waited: bool, connection: &Connection) {
        // A client that has gone meanwhile is answered for the order's sake; nobody hears it.
        let heard = !waited || connection.is_open();
        self.status = heard.then(|| response.status());
        self.waited = waited;
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let status = match self.status {
            Some(status) => status.as_u16(),
            // The connection layer answers for a handler that panics.
            None if std::thread::panicking() => StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            None => NO_ANSWER,
        };
        let took = (self.status.is_some() && !self.waited).then(|| self.began.elapsed());
        let http = &self.app.engine.metrics().http;
        http.in_flight.add(-1);
        http.answered(self.route, self.method.as_str(), status, took);
    }
}
