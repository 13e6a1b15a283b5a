//! The standby's side: a request goes to the leader, and the leader's answer back.

use super::super::app::App;
use super::super::body;
use super::super::connection::Connection;
use super::super::routes::{Found, Protocol};
use super::super::waited;
use super::{Cluster, STANDBY, sender};
use crate::engine::{EngineError, Leader, Role};
use crate::metrics::Forwarded;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Error;
use lock_api::routes;
use lock_core::limits::LEADER_WAIT_MAX_MS;
use lock_core::network_name;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Routes that each server answers for itself, leader or not.
const OWN: [&str; 8] = [
    routes::HEALTHZ,
    routes::READYZ,
    routes::METRICS,
    routes::STATUS,
    routes::RELOAD,
    routes::OPENAPI,
    "/page/{version}/{file}",
    STANDBY,
];
/// Before the same leader is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// What belongs to one connection, and not to a request (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What became of a request.
pub(in crate::http) enum Passed {
    /// The answer of the leader, or that there is none.
    Answered(Response),
    /// This server is to answer it.
    Own(Request, Doubt),
}

/// Whether a leader that did not answer may have done what a request asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::http) struct Doubt(bool);

impl Doubt {
    /// The answer to it. One that says that nothing was done, because nothing can be done now, knows of its own try only.
    pub(in crate::http) fn settle(self, found: Found<'_>, response: Response) -> Response {
        if !self.0 || response.status() != StatusCode::SERVICE_UNAVAILABLE {
            return response;
        }
        let reason = Arc::from("the leader went while it worked on the request, and no other one has answered it");
        (found.refuse.failed)(EngineError::Unavailable { reason, may_have_taken_effect: true })
    }
}

/// How one try has ended.
enum Tried {
    Answered(Response),
    /// It has certainly done nothing.
    NotTaken,
    /// It may have done what it was asked.
    Unknown,
    ClientGone,
}

impl Tried {
    /// As what it counts; a client that is gone says nothing of the leader.
    fn counted(&self) -> Option<Forwarded> {
        match self {
            Self::Answered(_) => Some(Forwarded::Answered),
            Self::NotTaken => Some(Forwarded::NotTaken),
            Self::Unknown => Some(Forwarded::Unknown),
            Self::ClientGone => None,
        }
    }
}

/// Whether a request is for the leader, and this server is not that: not so for the routes that each server answers for itself.
pub(in crate::http) fn is_given_on(app: &App, found: Found<'_>) -> bool {
    let leads = app.service.cluster.as_ref().is_none_or(Cluster::leads);
    !leads && found.entry().is_some_and(|entry| !OWN.contains(&entry.path))
}

/// Has the leader answer a request that is for it. Waits for a leader if there is none.
pub(in crate::http) async fn pass(app: &App, found: Found<'_>, request: Request) -> Passed {
    let (Some(cluster), Some(entry)) = (&app.service.cluster, found.entry()) else {
        return Passed::Own(request, Doubt::default());
    };
    if sender::is_from_standby(app, request.headers()) {
        return Passed::Answered(StatusCode::MISDIRECTED_REQUEST.into_response());
    }
    waited::note();
    let connection = Connection::of(&request).clone();
    let (parts, body) = request.into_parts();
    let body = match body::read(body).await {
        Ok(body) => body,
        Err(error) => return Passed::Answered((found.refuse.unreadable)(&error)),
    };
    let waits = may_wait(entry.protocol, &parts, &body);
    // One that waits is not asked to make room for others; whether it may wait the leader says.
    let _held = waits.then(|| connection.hold(&(false, network_name(connection.from()))));
    let repeats = may_repeat(entry.protocol, &parts, &body);
    let forwarding = Forwarding { app, cluster, connection: &connection, parts: &parts, body: &body, waits, repeats };
    let until = Instant::now() + Duration::from_millis(LEADER_WAIT_MAX_MS);
    let mut role = cluster.role.clone();
    let mut doubt = Doubt::default();
    loop {
        let now = role.borrow_and_update().clone();
        let tried = match &now {
            Role::Leading { .. } => break,
            Role::Standby(Some(leader)) if leader.url.is_some() => Some(forwarding.ask(leader, &mut role).await),
            Role::Standby(_) => None,
        };
        let is_tried = tried.is_some();
        tried.as_ref().and_then(Tried::counted).into_iter().for_each(|one| app.engine.metrics().http.forwarded(one));
        match tried {
            Some(Tried::Answered(response)) => {
                if !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    connection.mark_known(false);
                }
                return Passed::Answered(doubt.settle(found, response));
            }
            Some(Tried::Unknown) if !repeats => {
                let reason = Arc::from("the leader went while it worked on the request");
                let failure = EngineError::Unavailable { reason, may_have_taken_effect: true };
                return Passed::Answered((found.refuse.failed)(failure));
            }
            Some(Tried::ClientGone) => return Passed::Answered(StatusCode::SERVICE_UNAVAILABLE.into_response()),
            Some(Tried::Unknown) => doubt = Doubt(true),
            Some(Tried::NotTaken) | None => {}
        }
        let again = async {
            if is_tried {
                sleep(PAUSE).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = again => {}
            // The sender lives as long as the server.
            _ = role.changed() => {}
            () = forwarding.client_gone() => return Passed::Answered(StatusCode::SERVICE_UNAVAILABLE.into_response()),
            () = app.stopping() => break,
            () = sleep_until(until) => break,
        }
        if Instant::now() >= until {
            break;
        }
    }
    Passed::Own(Request::from_parts(parts, Body::from(body)), doubt)
}

/// A request that is given on.
struct Forwarding<'a> {
    app: &'a App,
    cluster: &'a Cluster,
    connection: &'a Arc<Connection>,
    parts: &'a Parts,
    body: &'a Bytes,
    /// It may wait for a grant.
    waits: bool,
    /// It may be sent once more although it may have been done already.
    repeats: bool,
}

impl Forwarding<'_> {
    /// Asks this leader, as long as it leads and the client is there.
    async fn ask(&self, leader: &Arc<Leader>, role: &mut watch::Receiver<Role>) -> Tried {
        let Some(request) = self.request(leader) else { return Tried::NotTaken };
        let another = role.wait_for(|now| !matches!(now, Role::Standby(Some(now)) if now == leader));
        let answer = tokio::select! {
            answer = self.cluster.client.request(request) => answer,
            // The one that was asked is dead, or cannot reach the store: no answer of it would count.
            _ = another => return Tried::Unknown,
            () = self.client_gone() => return Tried::ClientGone,
            () = self.app.stopping() => return Tried::Unknown,
        };
        match answer {
            Ok(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => Tried::NotTaken,
            // The leader stops. The next one takes up the wait, and says what became of the ticket.
            Ok(response) if self.repeats && response.headers().contains_key(sender::CUT_SHORT) => Tried::Unknown,
            Ok(response) => {
                let mut response = response.map(Body::new);
                response.headers_mut().remove(sender::CUT_SHORT);
                remove_hop_by_hop(response.headers_mut());
                Tried::Answered(response)
            }
            Err(error) => {
                tracing::debug!(leader = %leader.name, %error, "the leader does not answer");
                if Error::is_connect(&error) { Tried::NotTaken } else { Tried::Unknown }
            }
        }
    }

    /// Resolves when the client of a request that waits goes, so that the leader hears of it. One that has only closed its sending side
    /// looks alike, and reads the answer to a request that waits for nothing: that one is at hand anyway.
    async fn client_gone(&self) {
        if !self.waits {
            return std::future::pending().await;
        }
        self.connection.closed().await;
    }

    fn request(&self, leader: &Leader) -> Option<Request> {
        let url: Uri = leader.url.as_ref()?.parse().ok()?;
        let mut uri = self.parts.uri.clone().into_parts();
        (uri.scheme, uri.authority) = (url.scheme().cloned(), url.authority().cloned());
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = Uri::from_parts(uri).ok()?;
        let headers = request.headers_mut();
        *headers = self.parts.headers.clone();
        remove_hop_by_hop(headers);
        // HTTP/2 names the server in the path's stead.
        if let (None, Some(authority)) = (headers.get(header::HOST), self.parts.uri.authority()) {
            headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).ok()?);
        }
        headers.remove(header::EXPECT);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        headers.insert(sender::FORWARDED, sender::header(&self.cluster.secret, self.connection));
        Some(request)
    }
}

/// Whether a request may be one that waits for a grant.
fn may_wait(protocol: Protocol, parts: &Parts, body: &[u8]) -> bool {
    const WAIT: &str = "wait_s";
    let in_query = parts.uri.query().is_some_and(|query| query.contains(WAIT));
    protocol == Protocol::XmlRpc || in_query || body.windows(WAIT.len()).any(|part| part == WAIT.as_bytes())
}

/// Whether a request may be sent once more although it may have been done already.
fn may_repeat(protocol: Protocol, parts: &Parts, body: &[u8]) -> bool {
    match protocol {
        // What 0.36's clients ask for once too often ends by itself, and they die of a refusal. The others name who asks.
        Protocol::XmlRpc | Protocol::FleetLock | Protocol::Plain => true,
        Protocol::Json | Protocol::Page if parts.method == Method::POST => {
            let named = serde_json::from_slice::<serde_json::Value>(body);
            parts.uri.path().ends_with("/renew")
                || named.is_ok_and(|body| body.get("request_id").is_some_and(|id| id.is_string()))
        }
        Protocol::Json | Protocol::Page => parts.method != Method::PATCH,
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(protocol: Protocol, method: Method, path: &str, body: &str) -> bool {
        let request = axum::http::Request::builder().method(method).uri(path).body(()).unwrap();
        may_repeat(protocol, &request.into_parts().0, body.as_bytes())
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_if_twice_is_the_same_as_once() {
        let tickets = "/v1/locks/x/tickets";
        assert!(repeats(Protocol::Json, Method::POST, tickets, r#"{"request_id": "0123456789abcdef"}"#));
        assert!(!repeats(Protocol::Json, Method::POST, tickets, "{}"));
        assert!(!repeats(Protocol::Json, Method::POST, tickets, ""));
        assert!(!repeats(Protocol::Json, Method::POST, tickets, r#"{"request_id": null}"#));
        assert!(!repeats(Protocol::Json, Method::PATCH, "/v1/locks/x", r#"{"size": 2}"#));
        assert!(repeats(Protocol::Json, Method::GET, "/v1/locks", ""));
        assert!(repeats(Protocol::Json, Method::PUT, "/v1/locks/x", r#"{"size": 2}"#));
        assert!(repeats(Protocol::Json, Method::DELETE, "/v1/tickets/1", ""));
        assert!(repeats(Protocol::Json, Method::POST, "/v1/tickets/1/renew", ""));
        assert!(repeats(Protocol::XmlRpc, Method::POST, "/RPC2", "<methodCall/>"));
        assert!(repeats(Protocol::FleetLock, Method::POST, "/v1/pre-reboot", "{}"));
    }

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let names = ["connection", "keep-alive", "te", "transfer-encoding", "x-mine", "authorization"];
        let mut headers: HeaderMap = names
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x-mine, close")))
            .into_iter()
            .collect();
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["authorization"]);
    }
}
