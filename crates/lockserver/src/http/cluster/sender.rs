//! The sender of a request: its connection says, or the standby that forwards it.

use super::super::app::App;
use super::super::connection::{Connection, Peer};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// Names the client of a forwarded request, in JSON, with the secret of the servers: without that it counts for nothing.
pub(super) const FORWARDED: HeaderName = HeaderName::from_static("lockserver-forwarded");

/// On the answer to a forwarded request: it would have waited on, had its server not stopped.
pub(super) const CUT_SHORT: HeaderName = HeaderName::from_static("lockserver-cut-short");

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forwarded {
    secret: String,
    /// [`Peer::name`] of its client.
    from: String,
    /// The names in the client's certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificate: Vec<String>,
}

/// The sender of a request, as far as its connection says.
#[derive(Debug)]
pub(in crate::http) struct Sender<'c> {
    /// Its address; `None` if it came through an administrators' socket.
    pub(in crate::http) peer: Option<IpAddr>,
    /// Its address, or `uid:N`.
    pub(in crate::http) from: Arc<str>,
    /// The names in its certificate.
    pub(in crate::http) certificate: Cow<'c, [String]>,
    /// Another server gives it on.
    pub(in crate::http) is_forwarded: bool,
}

/// The sender of this request.
pub(in crate::http) fn sender<'c>(app: &App, connection: &'c Connection, headers: &HeaderMap) -> Sender<'c> {
    if let Some(Forwarded { from, certificate, .. }) = read(app, headers) {
        let peer = from.parse().ok();
        // An address, or the user at an administrators' socket; nothing else is sent.
        if peer.is_some() || from.starts_with("uid:") {
            return Sender { peer, from: Arc::from(from), certificate: certificate.into(), is_forwarded: true };
        }
    }
    let peer = match connection.peer() {
        Peer::Local { .. } => None,
        Peer::Tcp(peer) => Some(peer.ip()),
    };
    let certificate = connection.certificate_names().into();
    Sender { peer, from: connection.from().clone(), certificate, is_forwarded: false }
}

/// Whether another server gives this request on.
pub(in crate::http) fn is_from_standby(app: &App, headers: &HeaderMap) -> bool {
    read(app, headers).is_some()
}

fn read(app: &App, headers: &HeaderMap) -> Option<Forwarded> {
    let cluster = app.service.cluster.as_ref()?;
    let forwarded: Forwarded = serde_json::from_slice(headers.get(FORWARDED)?.as_bytes()).ok()?;
    cluster.knows(&forwarded.secret).then_some(forwarded)
}

/// Whether a request says that it was forwarded, true or not.
pub(in crate::http) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED)
}

/// Tells the standby that it may ask the next leader.
pub(in crate::http) fn mark_cut_short(response: &mut Response) {
    response.headers_mut().insert(CUT_SHORT, HeaderValue::from_static("1"));
}

/// What a standby says of the client on this connection.
pub(super) fn header(secret: &str, connection: &Connection) -> HeaderValue {
    let forwarded = Forwarded {
        secret: secret.to_owned(),
        from: connection.from().to_string(),
        certificate: connection.certificate_names().to_vec(),
    };
    let json = serde_json::to_vec(&forwarded).expect("it is plain data");
    // JSON has escapes for what no header may contain.
    let mut value = HeaderValue::from_bytes(&json).expect("JSON without line ends");
    value.set_sensitive(true);
    value
}
