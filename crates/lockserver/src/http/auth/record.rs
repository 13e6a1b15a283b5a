//! What the audit log hears of a request: that an administrator's was made, or that one was refused.
//!
//! Here and nowhere else, so that no route can be without. Permits that were granted and ended are not told here: the engine
//! tells of those, once they are durable.

use super::super::app::App;
use super::super::connection::Connection;
use super::super::path;
use super::super::routes::{Entry, Need};
use super::Who;
use crate::access::Right;
use crate::audit::{Act, Refused, Who as Named};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use lock_core::LockName;
use lock_core::limits::AUDIT_CHANGE_BYTES_MAX;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;

/// Beside an answer: why the request was refused, whatever its status says.
#[derive(Debug, Clone)]
pub(in crate::http) struct RefusedBecause(pub(in crate::http) String);

/// Beside an answer: what an administrator changed, as a JSON object.
#[derive(Debug, Clone)]
struct Change(String);

/// Has the audit log say what an administrator changed.
pub(in crate::http) fn note_change(response: &mut Response, change: &impl Serialize) {
    let change = serde_json::to_string(change).ok().filter(|text| text.len() <= AUDIT_CHANGE_BYTES_MAX);
    if let Some(change) = change {
        response.extensions_mut().insert(Change(change));
    }
}

/// A request until it is told of, which happens however it ends.
pub(super) struct Note {
    app: App,
    method: Method,
    route: Option<&'static str>,
    lock: Option<LockName>,
    number: Option<u64>,
    /// `None` while it is not known, or if it comes through the administrators' socket.
    address: Option<IpAddr>,
    who: Named,
    /// Only administrators may do it.
    acts: bool,
    told: bool,
}

impl Note {
    pub(super) fn of<B>(app: &App, route: Option<&'static str>, request: &Request<B>) -> Self {
        Self {
            app: app.clone(),
            method: request.method().clone(),
            route,
            lock: None,
            number: None,
            address: None,
            who: Named { key: None, from: Connection::of(request).from().clone() },
            acts: false,
            told: false,
        }
    }

    /// Where it comes from is known.
    pub(super) fn from(&mut self, address: Option<IpAddr>, from: &Arc<str>) {
        self.address = address;
        self.who.from = from.clone();
    }

    /// Its sender is known.
    pub(super) fn by(&mut self, who: &Who) {
        self.who.key = who.owner().map(Arc::from);
    }

    /// What its path names is known.
    pub(super) fn about<B>(&mut self, request: &Request<B>) {
        self.lock = path::lock(request.extensions()).and_then(|lock| lock.clone().ok());
        let number = path::part(request.extensions(), request.uri(), "number");
        self.number = number.and_then(Result::ok).and_then(|text| text.parse().ok());
    }

    /// It has passed the gate.
    pub(super) fn enters(&mut self, entry: Option<&Entry>) {
        self.acts = entry.is_some_and(|entry| entry.need == Need::Right(Right::Admin));
    }

    /// Its answer is there.
    pub(super) fn answered(mut self, response: &Response) {
        let status = response.status();
        let because = response.extensions().get::<RefusedBecause>();
        self.told = true;
        if because.is_some() || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let why = because.map_or_else(|| "not allowed".to_owned(), |RefusedBecause(why)| why.clone());
            self.refused(status, why);
        } else if self.acts {
            let change = response.extensions().get::<Change>().map(|Change(change)| change.clone());
            self.act(Some(status), change);
        }
    }

    fn request(&self) -> String {
        match &self.route {
            Some(route) => format!("{} {route}", self.method),
            // A path may have anything in it.
            None => self.method.to_string(),
        }
    }

    fn refused(&self, status: StatusCode, why: String) {
        if !self.app.engine.audit().is_on() {
            return;
        }
        if let Some(unlisted) = self.app.refusals.list(self.address) {
            let (request, lock, number) = (self.request(), self.lock.clone(), self.number);
            let (who, status) = (self.who.clone(), status.as_u16());
            self.app.engine.audit().refused(Refused { who, request, lock, number, status, why, unlisted });
        }
    }

    fn act(&self, status: Option<StatusCode>, change: Option<String>) {
        let (request, lock, who) = (self.request(), self.lock.clone(), self.who.clone());
        let (done, status) = (status.map(|status| status.is_success()), status.map(|status| status.as_u16()));
        self.app.engine.audit().act(Act { who, request, lock, change, done, status });
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // The connection ended before the answer: whether it was done, nobody heard.
        if self.acts && !self.told {
            self.act(None, None);
        }
    }
}
