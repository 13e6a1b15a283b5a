//! What every refusal has, whatever the words of its protocol; and refusals in plain words.

use super::super::body::BodyError;
use super::super::routes::Refuse;
use super::record::RefusedBecause;
use crate::access::Denied;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How a client may say who it is. JSON's clients are not told of Basic: a browser would ask its user, over the page that
/// asks already.
pub(in crate::http) const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"lockserver\"");
pub(in crate::http) const BASIC: HeaderValue =
    HeaderValue::from_static("Basic realm=\"lockserver\", charset=\"UTF-8\"");

/// Refuses with a line of text.
pub(in crate::http) const PLAIN: Refuse = Refuse {
    denied: plain_denied,
    foreign: plain_denied,
    too_many: |text| plain(StatusCode::TOO_MANY_REQUESTS, text),
    wrong_method: |_| StatusCode::METHOD_NOT_ALLOWED.into_response(),
    panicked: None,
    unreadable,
    failed: |failure| plain(StatusCode::SERVICE_UNAVAILABLE, &failure.to_string()),
    sign_in: |_, _| None,
};

/// Completes the answer to a request that was denied: how to say who one is, and the reason for the audit log.
pub(in crate::http) fn refused(mut response: Response, denied: &Denied, challenge: HeaderValue) -> Response {
    if denied.unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(RefusedBecause(denied.text.clone()));
    response
}

/// A line of text for a request that was denied.
pub(in crate::http) fn plain_denied(denied: Denied) -> Response {
    let status = if denied.unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    refused(plain(status, &denied.text), &denied, BASIC)
}

/// The body of a request cannot be read.
fn unreadable(error: &BodyError) -> Response {
    let status = match error {
        BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
        BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
    };
    plain(status, &error.to_string())
}

fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{text}\n")).into_response()
}
