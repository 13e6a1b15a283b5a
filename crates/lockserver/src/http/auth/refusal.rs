//! No, in the words of each protocol.

use super::super::routes::Protocol;
use super::super::{fleetlock, json, xmlrpc};
use super::record::RefusedBecause;
use super::who::Denied;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How a client may say who it is. JSON's clients are not told of Basic: a browser would ask its user, over the page that
/// asks already.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"lockserver\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"lockserver\", charset=\"UTF-8\"");

/// The refusal in the words of this protocol.
pub(in crate::http) fn refusal(protocol: Protocol, denied: Denied) -> Response {
    let (unauthorized, because) = (denied.unauthorized, RefusedBecause(denied.text.clone()));
    let mut response = match protocol {
        Protocol::Json => json::denied(denied),
        Protocol::FleetLock => fleetlock::denied(denied),
        Protocol::XmlRpc if !unauthorized => xmlrpc::denied(&denied),
        Protocol::XmlRpc | Protocol::Page | Protocol::Plain => {
            plain(if unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN }, &denied.text)
        }
    };
    if unauthorized {
        let challenge = if protocol == Protocol::Json { BEARER } else { BASIC };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(because);
    response
}

/// A refusal that is the same for every protocol: the request comes from where it must not, or too often.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{text}\n")).into_response()
}
