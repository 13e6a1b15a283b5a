//! Between HTTP and the router: gives each request its [`Connection`], follows each answer to the end of its body, and
//! turns a panic of a handler into an answer.

use super::client::Connection;
use super::link::Link;
use super::receipt::{self, Receipt};
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::{BoxError, Router};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower::Service as _;
use tower_http::catch_panic::CatchPanic;

/// An answer on its way.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) receipts: Vec<Receipt>,
    /// Its body is not sent.
    pub(super) bodiless: bool,
}

/// Has the router answer a request of this connection.
pub(super) fn ask<B>(
    router: &Router,
    mut request: Request<B>,
    connection: Arc<Connection>,
) -> impl Future<Output = Answer> + Send + use<B>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    request.extensions_mut().insert(connection);
    let head_only = request.method() == Method::HEAD;
    let answer = CatchPanic::custom(router.clone(), after_panic).call(request);
    async move {
        let Ok(response) = answer.await;
        let mut response = response.map(Body::new);
        let receipts = receipt::detach(&mut response);
        let bodiless = head_only || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Answer { response, receipts, bodiless }
    }
}

/// The router, for one connection of HTTP/1.
pub(super) struct Answering {
    pub(super) router: Router,
    pub(super) link: Arc<Link>,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response<Followed>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let link = Arc::clone(&self.link);
        link.flow(|flow| flow.request());
        let answer = ask(&self.router, request, Arc::clone(&link.client));
        Box::pin(async move {
            let Answer { response, receipts, bodiless } = answer.await;
            if !bodiless {
                link.owes(usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX));
            }
            Ok(response.map(|body| Followed { body, ended: bodiless, link, receipts }))
        })
    }
}

/// The answer for a handler that panicked. (A router is infallible and always ready, so nothing else can go wrong here.)
fn after_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!("a request's handler panicked ({what}); its client gets status 500. Please report this as a bug");
    let mut response = Response::new(Body::from("internal error: the server's log has more\n"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The body of an answer. HTTP drops it when it has taken all of it (or the head of an answer that has none), and then
/// only its bytes' way to the socket is left; dropped before, the answer is lost, and its receipts with it.
pub(super) struct Followed {
    body: Body,
    /// HTTP has taken all that it will ever take.
    ended: bool,
    link: Arc<Link>,
    receipts: Vec<Receipt>,
}

impl HttpBody for Followed {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.ended |= frame.is_none() || (matches!(frame, Some(Ok(_))) && self.body.is_end_stream());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if self.ended || self.body.is_end_stream() {
            let receipts = std::mem::take(&mut self.receipts);
            self.link.flow(|flow| flow.answered(receipts));
        }
    }
}
