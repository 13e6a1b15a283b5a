//! Receipts: whether an answer reached the machine it was meant for.
//!
//! What `true` says: every byte of the answer was acknowledged by the peer's kernel. It does **not** say that the program
//! read it: a program killed, or a machine that lost power, a moment later may not have.
//!
//! What `false` says: the answer was never made (its handler was dropped or panicked), could not be written, or was not
//! acknowledged before the connection failed or [`Limits::receipt_time`](super::Limits) passed. In the last case the
//! connection is reset first, so that the kernel does not go on delivering what was reported as lost. What remains is
//! what no protocol can exclude: the bytes arrived, and every acknowledgement of them was lost; or the peer read them and
//! reset the connection before its (delayed) acknowledgement left.

use axum::http::Response;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears once whether the answer it is attached to reached the peer. Dropped unheard, it hears `false`.
pub struct Receipt(Option<Box<dyn FnOnce(bool) + Send>>);

impl Receipt {
    /// `hear` is called exactly once, on the connection's task: it must neither block nor panic.
    pub fn new(hear: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(hear)))
    }

    /// Tells it.
    pub(super) fn settle(mut self, reached: bool) {
        if let Some(hear) = self.0.take() {
            hear(reached);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(hear) = self.0.take() {
            hear(false);
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// The receipts of a response, among its extensions (which must be `Clone`, hence the `Arc`).
#[derive(Clone, Default)]
struct Attached(Arc<Mutex<Vec<Receipt>>>);

/// Attaches a receipt to a response; any number may be attached to one.
pub fn attach<B>(response: &mut Response<B>, receipt: Receipt) {
    let attached = response.extensions_mut().get_or_insert_default::<Attached>();
    attached.0.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
}

/// Takes the receipts off a response.
pub(super) fn detach<B>(response: &mut Response<B>) -> Vec<Receipt> {
    let attached = response.extensions_mut().remove::<Attached>();
    attached.map_or_else(Vec::new, |attached| {
        std::mem::take(&mut attached.0.lock().unwrap_or_else(PoisonError::into_inner))
    })
}
