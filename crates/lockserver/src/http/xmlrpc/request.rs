//! From an HTTP request to a method call, within the bounds of section 10.

use super::codec::{self, MethodCall};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lock_core::limits::{BODY_BYTES_MAX, BODY_TIME_MAX_MS};
use std::time::Duration;

/// Why there is no call.
pub(super) enum Unreadable {
    /// The body did not arrive in time; the connection is of no more use.
    TooSlow,
    /// What arrived is not a call.
    Fault(String),
}

/// Reads, unpacks and decodes.
pub(super) async fn read(request: Request<Body>) -> Result<MethodCall, Unreadable> {
    let (parts, body) = request.into_parts();
    let too_large = || Unreadable::Fault(format!("the request is larger than {BODY_BYTES_MAX} bytes"));
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let whole = Limited::new(body, BODY_BYTES_MAX).collect();
    let bytes = match tokio::time::timeout(Duration::from_millis(BODY_TIME_MAX_MS), whole).await {
        Err(_) => return Err(Unreadable::TooSlow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(too_large());
        }
        Ok(Err(error)) => return Err(Unreadable::Fault(format!("the request could not be read: {error}"))),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let fault = |text: String| Unreadable::Fault(text);
    let charset = charset(&parts.headers);
    match encoding(&parts.headers).as_deref() {
        None | Some("identity") => codec::decode(&bytes, charset.as_deref()),
        Some("gzip" | "x-gzip" | "deflate") => {
            let unpacked = codec::gunzip(&bytes, BODY_BYTES_MAX).map_err(|error| fault(error.to_string()))?;
            codec::decode(&unpacked, charset.as_deref())
        }
        Some(other) => return Err(fault(format!("Content-Encoding {other:?} is not supported; send gzip or nothing"))),
    }
    .map_err(|error| fault(error.to_string()))
}

fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?;
    Some(value.trim().to_ascii_lowercase())
}

/// The charset that the Content-Type names, if any.
fn charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        let of = |value: &str| charset(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]));
        assert_eq!(of("text/xml"), None);
        assert_eq!(of("text/xml; charset=utf-8").as_deref(), Some("utf-8"));
        assert_eq!(of("text/xml;a=b; Charset=\"ISO-8859-1\"").as_deref(), Some("ISO-8859-1"));
    }
}
