//! Receipts: what became of an answer. Which of the three outcomes it is, is decided in `delivery`.
//!
//! [`Delivery::Delivered`] says that every byte of the answer was acknowledged by the peer's kernel. It does **not** say that
//! the program read it: a program killed, or a machine that lost power, a moment later may not have.
//!
//! [`Delivery::Unsent`] says that the answer was never made (its handler was dropped or panicked), or that none of it was
//! written. All else is [`Delivery::Unknown`].

use crate::engine::Delivery;
use axum::http::Response;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears once what became of the answer it is attached to. Dropped unheard, it hears [`Delivery::Unsent`].
pub struct Receipt(Option<Box<dyn FnOnce(Delivery) + Send>>);

impl Receipt {
    /// `hear` is called exactly once, on the connection's task: it must neither block nor panic.
    pub fn new(hear: impl FnOnce(Delivery) + Send + 'static) -> Self {
        Self(Some(Box::new(hear)))
    }

    pub(super) fn resolve(mut self, delivery: Delivery) {
        if let Some(hear) = self.0.take() {
            hear(delivery);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(hear) = self.0.take() {
            hear(Delivery::Unsent);
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
