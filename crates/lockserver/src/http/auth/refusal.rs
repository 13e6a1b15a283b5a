//! No, in the words of each protocol.

use super::super::routes::Face;
use super::super::{fleetlock, json, xmlrpc};
use super::record::RefusedBecause;
use super::who::Denied;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How a client may say who it is. JSON's clients are not told of Basic: a browser would ask its user, over the page that
/// asks already.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"lockserver\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"lockserver\", charset=\"UTF-8\"");

/// The refusal as this face says it.
pub(in crate::http) fn refusal(face: Face, denied: Denied) -> Response {
    let (unauthorized, because) = (denied.unauthorized, RefusedBecause(denied.text.clone()));
    let mut response = match face {
        Face::Json => json::denied(denied),
        Face::FleetLock => fleetlock::denied(denied),
        Face::XmlRpc if !unauthorized => xmlrpc::denied(&denied),
        Face::XmlRpc | Face::Page | Face::Plain => {
            plain(if unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN }, &denied.text)
        }
    };
    if unauthorized {
        let challenge = if face == Face::Json { BEARER } else { BASIC };
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(because);
    response
}

/// A refusal that is the same for every face: the request comes from where it must not, or too often.
pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{text}\n")).into_response()
}
