//! Around the handlers that only look: no one begins before its turn, and what it answers counts until it is written.

use super::super::app::App;
use super::super::auth::Who;
use super::super::connection::Connection;
use super::super::json;
use super::{Held, Refused, UNIT};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Body as _, Frame, SizeHint};
use lock_api::routes;
use lock_core::limits::{LISTED_BYTES_MAX, OWNER_READS_MAX, READS_MAX};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Answers with a bound of their own that is far below a page of a listing.
const SMALL: usize = 128 * UNIT;
/// A body is handed over in such pieces, so that it counts until nearly all of it is written.
const PIECE: usize = 64 * 1024;

/// What an answer of a route may take; `None` for requests that do not only look, and for routes that cost next to nothing or
/// are bounded otherwise.
pub(in crate::http) fn may_take(route: &str, request: &Request) -> Option<usize> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let numbers_only = || request.uri().query().unwrap_or("").split('&').any(|pair| pair == "tickets=0");
    match route {
        routes::LOCK | "/locks/{lock}" if numbers_only() => Some(SMALL),
        "/" | "/locks/{lock}" | routes::LOCKS | routes::LOCK | routes::TICKETS | routes::METRICS => {
            Some(LISTED_BYTES_MAX)
        }
        routes::LOCK_HISTORY | routes::STATUS => Some(SMALL),
        _ => None,
    }
}

/// Around the handlers that only look, inside the gate: none begins before its turn. Its answer may take so many bytes.
pub(in crate::http) async fn pass<F: Future<Output = Response>>(
    app: App,
    bytes: usize,
    request: Request,
    handle: impl FnOnce(App, Request) -> F,
) -> Response {
    let who = request.extensions().get::<Who>().expect("each request has passed the gate");
    let (caller, connection) = (who.caller(), Connection::of(&request).clone());
    let turn = match app.reads.turn(&caller, &connection, bytes).await {
        Ok(turn) => turn,
        Err(why) => return refusal(why, request.uri().path()),
    };
    let mut response = handle(app, request).await;
    response.extensions_mut().insert(Held(Arc::new(Mutex::new(turn))));
    response
}

/// Around everything that makes bodies: what is large counts until it is written.
pub(in crate::http) fn hold(mut response: Response) -> Response {
    let Some(held) = response.extensions_mut().remove::<Held>() else { return response };
    if let Some(length) = response.body().size_hint().exact() {
        held.release_rest(usize::try_from(length).unwrap_or(usize::MAX));
    }
    response.map(|inner| Body::new(Pieces { inner, rest: Bytes::new(), _held: held }))
}

fn refusal(why: Refused, path: &str) -> Response {
    let (status, text) = match why {
        Refused::OfOne => (
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "reads_of_a_key_or_address is at its bound of {OWNER_READS_MAX}: you have that many requests under way"
            ),
        ),
        Refused::OfAll => (StatusCode::SERVICE_UNAVAILABLE, format!("reads is at its bound of {READS_MAX}, try again")),
        Refused::NoTurn => {
            let text = "read_bytes is at its bound: other answers are not read yet, try again";
            (StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
        }
        Refused::Gone => (StatusCode::SERVICE_UNAVAILABLE, "the client has gone".to_owned()),
    };
    if path.starts_with("/v1") {
        return if status == StatusCode::TOO_MANY_REQUESTS {
            (json::REFUSE.too_many)(&text)
        } else {
            json::overloaded(&text)
        };
    }
    let headers = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (status, headers, text + "\n").into_response()
}

/// A body in pieces, and what it holds until its end.
struct Pieces {
    inner: Body,
    rest: Bytes,
    _held: Held,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return other,
            }
        }
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(inner.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reads, Turn, Whose};
    use super::*;
    use http_body_util::BodyExt as _;
    use lock_core::Caller;

    #[tokio::test]
    async fn a_body_is_held_until_its_last_piece_is_taken() {
        let reads = Reads::default();
        let (entered, own) = reads.enter(Whose::of(&Caller::anonymous("192.0.2.1"))).unwrap();
        let own = own.try_acquire_many_owned(1000).unwrap();
        let all = reads.bytes.clone().try_acquire_many_owned(1000).unwrap();
        let held = Held(Arc::new(Mutex::new(Turn { own, all, _entered: entered })));
        let bytes = vec![7_u8; PIECE * 3 + 5];
        let mut body = Pieces { inner: Body::from(bytes.clone()), rest: Bytes::new(), _held: held };
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
            assert_eq!(body.size_hint().exact(), Some((bytes.len() - read.len()) as u64));
            assert_eq!(reads.under_way().all, 1);
        }
        assert!(body.is_end_stream() && read == bytes);
        drop(body);
        assert_eq!(reads.under_way().all, 0);
    }
}
