//! From an HTTP request to a method call, within the bounds of section 10.

use super::super::body::{self, BodyError};
use super::codec::{self, MethodCall};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use lock_core::limits::BODY_BYTES_MAX;

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
    let bytes = match body::read(body).await {
        Ok(bytes) => bytes,
        Err(BodyError::TooSlow) => return Err(Unreadable::TooSlow),
        Err(error) => return Err(Unreadable::Fault(error.to_string())),
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
