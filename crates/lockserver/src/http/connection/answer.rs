//! Between HTTP and the router: gives each request its [`Connection`], follows each answer to the end of its body, and
//! turns a panic of a handler into an answer.

use super::client::Connection;
use super::guard;
use super::link::Link;
use super::receipt::{self, Receipt};
use super::responder::Responder;
use super::unread::Watched;
use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use futures_util::FutureExt as _;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) receipts: Vec<Receipt>,
    /// Its request wants no body.
    head_only: bool,
}

impl Answer {
    /// Just before it is written: nothing if its client is not there to be told, and the truth as it is now.
    pub(super) async fn last_look(self, client: &Connection) -> Option<Self> {
        if !self.receipts.is_empty() && !client.is_heard().await {
            return None;
        }
        Some(Self { response: guard::look(self.response), ..self })
    }

    /// Its body is not sent.
    pub(super) fn is_bodiless(&self) -> bool {
        self.head_only || matches!(self.response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

/// Has a request of this connection answered.
pub(super) fn ask<B>(
    responder: &Responder,
    request: Request<B>,
    connection: Arc<Connection>,
) -> impl Future<Output = Answer> + Send + use<B>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(connection);
    let head_only = request.method() == Method::HEAD;
    let answer = AssertUnwindSafe(responder.respond(request)).catch_unwind();
    async move {
        let mut response = answer.await.unwrap_or_else(after_panic);
        let receipts = receipt::detach(&mut response);
        Answer { response, receipts, head_only }
    }
}

/// Nobody is there for an answer that would count as told.
#[derive(Debug, thiserror::Error)]
#[error("the peer is silent, so that its answer was not written")]
pub(super) struct Silent;

/// The responder, for one connection of HTTP/1.
pub(super) struct Answering {
    pub(super) responder: Responder,
    pub(super) link: Arc<Link>,
}

impl hyper::service::Service<Request<Incoming>> for Answering {
    type Response = Response<Followed>;
    type Error = Silent;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Silent>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let link = Arc::clone(&self.link);
        link.quietly(|flow| flow.request());
        let (parts, body) = request.into_parts();
        let (body, rest) = Watched::new(body, &parts.headers);
        let answer = ask(&self.responder, Request::from_parts(parts, body), Arc::clone(&link.client));
        Box::pin(async move {
            let answer = answer.await;
            let stays = rest.throw_away().await;
            let answer = answer.last_look(&link.client).await.ok_or(Silent)?;
            let bodiless = answer.is_bodiless();
            let Answer { mut response, receipts, .. } = answer;
            if !stays {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if !bodiless {
                link.owes(usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX));
            }
            let begin = link.quietly(|flow| flow.written());
            Ok(response.map(|body| Followed { body, ended: bodiless, link, begin, receipts }))
        })
    }
}

/// The answer for a handler that panicked. It answers in words; protocols that have others of their own catch theirs before.
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
/// only its bytes' way to the socket is left; dropped before, the rest of the answer is lost.
pub(super) struct Followed {
    body: Body,
    /// HTTP has taken all that it will ever take.
    ended: bool,
    link: Arc<Link>,
    /// Bytes written to the connection before this answer.
    begin: u64,
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
        let (begin, receipts) = (self.begin, std::mem::take(&mut self.receipts));
        let whole = self.ended || self.body.is_end_stream();
        self.link.quietly(|flow| if whole { flow.answered(begin, receipts) } else { flow.cut(begin, receipts) });
    }
}
