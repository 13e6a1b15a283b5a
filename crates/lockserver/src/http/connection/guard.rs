//! The last look before an answer is written: what it says may have ceased to be true since it was decided.

use axum::body::Body;
use axum::http::Response;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether an answer still stands, and what is said otherwise.
pub struct Guard {
    stands: Box<dyn Fn() -> bool + Send>,
    otherwise: Box<dyn FnOnce() -> Response<Body> + Send>,
}

impl Guard {
    /// `stands` is asked just before the answer is written; if it says false, `otherwise` makes another one in its place.
    pub fn new(
        stands: impl Fn() -> bool + Send + 'static,
        otherwise: impl FnOnce() -> Response<Body> + Send + 'static,
    ) -> Self {
        Self { stands: Box::new(stands), otherwise: Box::new(otherwise) }
    }
}

/// The guard of a response, among its extensions (which must be `Clone`, hence the `Arc`).
#[derive(Clone)]
struct Attached(Arc<Mutex<Option<Guard>>>);

/// Has the response looked at again before it is written.
pub fn guard<B>(response: &mut Response<B>, guard: Guard) {
    response.extensions_mut().insert(Attached(Arc::new(Mutex::new(Some(guard)))));
}

/// The response, or what is to be said instead of it now.
pub(super) fn look(mut response: Response<Body>) -> Response<Body> {
    let attached = response.extensions_mut().remove::<Attached>();
    let guard = attached.and_then(|attached| attached.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    match guard {
        Some(guard) if !(guard.stands)() => (guard.otherwise)(),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn an_answer_goes_out_only_while_it_is_true() {
        for (is_true, status) in [(true, 200), (false, 410)] {
            let stands = Arc::new(AtomicBool::new(true));
            let seen = Arc::clone(&stands);
            let mut response = Response::new(Body::empty());
            let gone = || Response::builder().status(410).body(Body::empty()).expect("a response");
            guard(&mut response, Guard::new(move || seen.load(Ordering::Relaxed), gone));
            stands.store(is_true, Ordering::Relaxed);
            assert_eq!(look(response).status(), status);
        }
        assert_eq!(look(Response::new(Body::empty())).status(), 200, "without a guard");
    }
}
