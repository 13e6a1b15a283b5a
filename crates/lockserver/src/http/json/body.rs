//! Bodies of requests, within their bounds.

use super::super::body::{self, BodyError};
use super::problem::Refusal;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use lock_api::ErrorCode;
use serde::de::DeserializeOwned;

/// Reads a JSON object. Without a body, that is `{}`.
pub(super) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Refusal> {
    let bytes = collect(body).await?;
    if bytes.trim_ascii().is_empty() {
        return parse(b"{}");
    }
    check_headers(headers)?;
    parse(&bytes)
}

async fn collect(body: Body) -> Result<Bytes, Refusal> {
    body::read_json(body).await.map_err(|error| Refusal::from(&error))
}

impl From<&BodyError> for Refusal {
    fn from(error: &BodyError) -> Self {
        let code = match error {
            BodyError::TooSlow => ErrorCode::RequestTimeout,
            BodyError::TooLarge => ErrorCode::PayloadTooLarge,
            BodyError::Broken(_) => ErrorCode::Invalid,
        };
        Self::new(code, error.to_string())
    }
}

/// Any kind of JSON, no type, and what `curl -d` says of every body are taken as JSON. The last is also what a foreign web
/// page can make a browser send without asking first, so not from a browser, which always names the page's origin.
fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported = |text: String| Err(Refusal::new(ErrorCode::UnsupportedMediaType, text));
    let get = |name| headers.get(name).map(|value| value.to_str().unwrap_or("").trim().to_ascii_lowercase());
    let is_plain = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_plain && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    if let Some(encoding) = get(header::CONTENT_ENCODING)
        && !matches!(encoding.as_str(), "" | "identity")
    {
        return unsupported(format!("Content-Encoding {encoding:?} is not supported; send the body as it is"));
    }
    let Some(kind) = get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.split(';').next().unwrap_or("").trim();
    let json = kind.is_empty() || kind.ends_with("/json") || kind.ends_with("+json");
    let curl =
        matches!(kind, "application/x-www-form-urlencoded" | "text/plain") && !headers.contains_key(header::ORIGIN);
    if json || curl {
        return Ok(());
    }
    unsupported(format!("Content-Type {kind:?} is not supported; send JSON as application/json"))
}

/// Parses one object; the message says where it is wrong.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // A list of values would pass for an object otherwise.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Refusal::invalid("the body is not a JSON object: it must begin with {"));
    }
    // Only of what is wrong is the place wanted, which costs to know.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { String::new() } else { format!(", at {path}") };
        Refusal::invalid(format!("the body cannot be used{at}: {}", error.into_inner()))
    })?;
    reader.end().map_err(|error| Refusal::invalid(format!("the body has text after the object: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_api::Acquire;

    fn detail(body: &str) -> String {
        parse::<Acquire>(body.as_bytes())
            .map(|_| String::new())
            .unwrap_or_else(|refusal| refusal.problem().detail.clone())
    }

    #[test]
    fn messages_say_where() {
        assert_eq!(detail(r#" {"permits": "all", "ttl_s": null} "#), "");
        assert!(detail(r#"{"permits": 0}"#).contains("at permits: invalid value: integer `0`, expected a number"));
        assert!(detail(r#"{"prio": 1}"#).contains("unknown field `prio`, expected one of `locks`, `permits`"));
        assert!(detail("{\n  \"info\": }").contains("line 2 column 11"));
        assert!(detail("{} {}").contains("text after the object"));
        for bad in ["[]", "null", "1", "\"x\"", "permits=1"] {
            assert!(detail(bad).contains("not a JSON object"), "{bad}");
        }
    }

    #[test]
    fn media_types() {
        let ok = |kind: &str, origin: bool| {
            let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            if origin {
                headers.insert(header::ORIGIN, "http://elsewhere.example".parse().unwrap());
            }
            check_headers(&headers).is_ok()
        };
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json", "text/json"]
        {
            assert!(ok(kind, false) && ok(kind, true), "{kind}");
        }
        for kind in ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8"] {
            assert!(ok(kind, false) && !ok(kind, true), "{kind}");
        }
        for kind in ["text/xml", "multipart/form-data; boundary=x", "application/octet-stream"] {
            assert!(!ok(kind, false), "{kind}");
        }
    }
}
