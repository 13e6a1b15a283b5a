//! HTTP/1 on a connection.

use super::answer::Answering;
use super::io::Watched;
use super::keeper::{End, Keeper, Wish};
use super::link::Link;
use super::responder::Responder;
use super::tls::Tls;
use axum::body::Bytes;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// Smallest head size that HTTP can be told.
const HEAD_BYTES_MIN: usize = 8192;

/// Serves requests over `io`, which is `tls` if there is TLS.
pub(super) async fn serve<T>(keeper: &mut Keeper, io: T, tls: Option<&Tls>, responder: Responder) -> End
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let link = Arc::clone(&keeper.link);
    let mut answering = Answering { responder, link: Arc::clone(&link) };
    let mut io = Watched { io, link: Arc::clone(&link), ahead: Bytes::new() };
    let mut stopping = false;
    // Since when it was to rest, and could not, because HTTP had read a part of what comes next.
    let mut kept = None;
    loop {
        // In a box, so that its room is free while it rests.
        let http = builder(keeper.limits.head_bytes).serve_connection(TokioIo::new(io), answering);
        let mut http = Box::new(http);
        if stopping {
            Pin::new(&mut *http).graceful_shutdown();
        }
        let end = poll_fn(|context| {
            loop {
                // First what has arrived: a request that is there already is not cut off by the checks below.
                if let Poll::Ready(result) = Pin::new(&mut *http).poll(context) {
                    if let Err(error) = result {
                        count_refused(&link, &error);
                        tracing::debug!(peer = %link.client.peer(), %error, "connection ended");
                    }
                    return Poll::Ready(Some(End::Http));
                }
                if let Some(tls) = tls {
                    if link.quietly(|flow| flow.requests()) > 0 && tls.look_ahead(context) {
                        link.client.leave();
                    }
                } else if keeper.rests_since().is_some_and(|since| kept != Some(since)) {
                    return Poll::Ready(None);
                }
                match ready!(keeper.poll(context)) {
                    Wish::Stop => Pin::new(&mut *http).graceful_shutdown(),
                    Wish::End(end) => return Poll::Ready(Some(end)),
                }
            }
        });
        if let Some(end) = end.await {
            return end;
        }
        // HTTP keeps two buffers of 8 KiB, which somebody who may come back in a minute has no use for.
        let parts = http.into_parts();
        (io, answering) = (parts.io.into_inner(), parts.service);
        if !parts.read_buf.is_empty() {
            io.ahead = parts.read_buf;
            kept = keeper.rests_since();
            continue;
        }
        // Empty as it is, it has the whole buffer.
        drop(parts.read_buf);
        match rest(keeper, &link).await {
            None => {}
            Some(Wish::Stop) => stopping = true,
            Some(Wish::End(end)) => return end,
        }
    }
}

fn builder(head_bytes: usize) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(true)
        // Counts from the wrong moment (a connection that is idle between requests); `flow` does it.
        .header_read_timeout(None)
        .max_buf_size(head_bytes.max(HEAD_BYTES_MIN));
    builder
}

/// Waits until something arrives, or the server wants something of the connection.
async fn rest(keeper: &mut Keeper, link: &Link) -> Option<Wish> {
    poll_fn(|context| {
        if link.client.stream.poll_read_ready(context).is_ready() {
            return Poll::Ready(None);
        }
        keeper.poll(context).map(Some)
    })
    .await
}

/// HTTP itself answers a head that it cannot read, and no route hears of it.
fn count_refused(link: &Link, error: &hyper::Error) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else if error.is_parse() {
        StatusCode::BAD_REQUEST
    } else {
        return;
    };
    link.metrics().http.answered(None, "", status.as_u16(), None);
}
