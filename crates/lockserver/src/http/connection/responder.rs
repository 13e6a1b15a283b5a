//! What answers the requests of all connections: the server's routes, or those of a test.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::Service;

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Answers requests. Cheap to clone; a call costs one box.
#[derive(Clone)]
pub struct Responder(Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>);

impl Responder {
    /// One that answers so.
    pub fn new<F>(respond: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(respond(request))))
    }

    pub(super) fn respond(&self, request: Request<Body>) -> Answering {
        (self.0)(request)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

impl From<Router> for Responder {
    fn from(router: Router) -> Self {
        Self::new(move |request| {
            let answer = router.clone().call(request);
            async move {
                let Ok(response) = answer.await;
                response
            }
        })
    }
}

impl Service<Request<Body>> for Responder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.respond(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
