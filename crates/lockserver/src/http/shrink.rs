//! Answers made smaller for who asks for it: `Accept-Encoding: gzip` (RFC 9110, section 12.5.3).
//!
//! Only the documents and listings named here (and what is the same for everybody, which is shrunk once, where it stands), which are long and hold no secret beside what others wrote. Never tickets,
//! whose answers are followed to their client byte by byte, nor the stream of events, which must not be kept back.
//!
//! Own code instead of `tower_http::compression`, which compresses on the connection's thread as its body is read: 2 MiB of
//! a listing in one go, 30 to 45 ms in which that thread serves nobody. Here `reads` gives it to one of few other threads. And
//! it leaves the ETag as it is, and gives up the length of the answer.

use super::app::App;
use super::connection::Connection;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use lock_api::routes;
use std::io::Write as _;

/// What may be shrunk, when it is read.
const ROUTES: [&str; 7] =
    ["/", "/locks/{lock}", routes::LOCKS, routes::LOCK, routes::LOCK_HISTORY, routes::TICKETS, routes::METRICS];
/// What is shorter fits into a packet or two anyway.
const SMALLEST: usize = 1024;
/// Low: the last few per cent would cost several times as much.
const LEVEL: Compression = Compression::new(3);
/// At the end of the ETag of what is shrunk: strong ETags differ with the bytes (RFC 9110, section 8.8.3.3).
const SUFFIX: &str = "-gzip";

/// The ETag of the same thing as it is, or shrunk; without quotes.
pub(super) fn tag(of: &str, shrunk: bool) -> String {
    format!("\"{of}{}\"", if shrunk { SUFFIX } else { "" })
}

/// What [`tag`] was made from; whatever form its reader got.
pub(super) fn untag(tag: &str) -> Option<&str> {
    let of = tag.strip_prefix('"')?.strip_suffix('"')?;
    Some(of.strip_suffix(SUFFIX).unwrap_or(of))
}

/// Whether the client names gzip among what it reads.
pub(super) fn accepted(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = parameters.split(';').find_map(|one| one.trim().strip_prefix("q="));
        let refused = quality.is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// These bytes as gzip (RFC 1952).
pub(super) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes everything")
}

/// Whether the answer to a request is to be made smaller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shrinking {
    listed: bool,
    wanted: bool,
}

impl Shrinking {
    /// For this request, of that route.
    pub(super) fn of(route: Option<&str>, request: &Request) -> Self {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let listed = reads && route.is_some_and(|route| ROUTES.contains(&route));
        Self { listed, wanted: listed && *request.method() == Method::GET && accepted(request.headers()) }
    }

    /// Its answer, which may be made on another thread.
    pub(super) async fn of_answer(self, app: &App, connection: &Connection, mut response: Response) -> Response {
        if !self.listed {
            return response;
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
        match length.filter(|length| self.wanted && *length >= SMALLEST) {
            // In a box: most answers have no use for the room that it takes.
            Some(length) => Box::pin(shrunk(app, connection, response, length)).await,
            None => response,
        }
    }
}

async fn shrunk(app: &App, connection: &Connection, response: Response, length: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes: Result<Bytes, _> = to_bytes(body, length).await;
    let small = match bytes {
        Ok(bytes) => app.reads.make(connection, length, move || gzip(&bytes, LEVEL)).await.ok(),
        Err(_) => None,
    };
    // Only a body that fails while it is read, a client that has gone, or a server at its end, comes to this.
    let Some(small) = small else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let etag = parts.headers.get(header::ETAG).and_then(|value| untag(value.to_str().ok()?)).map(|of| tag(of, true));
    if let Some(value) = etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(small.len()));
    Response::from_parts(parts, Body::from(small))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_gzip() {
        for (said, reads) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip, deflate, br, zstd", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, said.parse().unwrap())]);
            assert_eq!(accepted(&headers), reads, "{said}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }

    #[test]
    fn both_tags_are_of_the_same() {
        assert_eq!([tag("3", false), tag("3", true)], ["\"3\"", "\"3-gzip\""]);
        assert_eq!(
            [untag("\"3\""), untag("\"3-gzip\""), untag("3"), untag("W/\"3\"")],
            [Some("3"), Some("3"), None, None]
        );
    }
}
