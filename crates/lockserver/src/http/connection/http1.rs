//! HTTP/1 on a connection.

use super::answer::Answering;
use super::io::Watched;
use super::keeper::{End, Keeper, Wish};
use super::link::Link;
use super::responder::Responder;
use super::tls::Tls;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::pin::pin;
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
    let answering = Answering { responder, link: Arc::clone(&link) };
    let mut http = pin!(
        http1::Builder::new()
            .half_close(true)
            // Counts from the wrong moment (a connection that is idle between requests); `flow` does it.
            .header_read_timeout(None)
            .max_buf_size(keeper.limits.head_bytes.max(HEAD_BYTES_MIN))
            .serve_connection(TokioIo::new(Watched { io, link: Arc::clone(&link) }), answering)
    );
    poll_fn(|context| {
        loop {
            // First what has arrived: a request that is there already is not cut off by the checks below.
            if let Poll::Ready(result) = http.as_mut().poll(context) {
                if let Err(error) = result {
                    count_refused(&link, &error);
                    tracing::debug!(peer = %link.client.peer(), %error, "connection ended");
                }
                return Poll::Ready(End::Http);
            }
            if let Some(tls) = tls
                && link.flow(|flow| flow.requests()) > 0
                && tls.look_ahead(context)
            {
                link.client.leave();
            }
            match ready!(keeper.poll(context)) {
                Wish::Stop => http.as_mut().graceful_shutdown(),
                Wish::End(end) => return Poll::Ready(end),
            }
        }
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
