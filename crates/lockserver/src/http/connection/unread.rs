//! What a handler has left of its request's body. HTTP/1 ends a connection on which a body is left, so it says so in the
//! answer; a rest that is here, or comes at once, is thrown away, and the connection stays.

use axum::BoxError;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lock_core::limits::BODY_BYTES_MAX;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// How long a rest may take. A client that reads its answer first sends nothing meanwhile.
const REST_TIME: Duration = Duration::from_millis(250);

/// The body of a request in the hands of a handler; what it drops unread comes back.
pub(super) struct Watched {
    body: Option<Incoming>,
    rest: Rest,
}

/// Where the body is left.
#[derive(Clone)]
pub(super) struct Rest {
    left: Arc<Mutex<Option<Incoming>>>,
    /// The client sends its body when it is asked to, which reading it would do.
    asks_first: bool,
}

impl Watched {
    /// A request's body, and what will be left of it.
    pub(super) fn new(body: Incoming, headers: &HeaderMap) -> (Self, Rest) {
        let rest = Rest { left: Arc::default(), asks_first: headers.contains_key(header::EXPECT) };
        (Self { body: Some(body), rest: rest.clone() }, rest)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.rest.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Rest {
    /// Throws it away. True if the next request may follow: nothing was left, or it is gone.
    pub(super) async fn throw_away(self) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = left.filter(|body| !body.is_end_stream()) else { return true };
        let short = body.size_hint().upper().is_none_or(|bytes| bytes <= BODY_BYTES_MAX as u64);
        !self.asks_first && short && timeout(REST_TIME, read(body)).await.unwrap_or(false)
    }
}

async fn read(mut body: Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > BODY_BYTES_MAX {
            return false;
        }
    }
    true
}
