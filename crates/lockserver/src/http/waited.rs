//! Whether a request has waited for a grant, or for a refusal that was kept back: then its time says nothing about the server.

use std::cell::Cell;

tokio::task_local! {
    static WAITED: Cell<bool>;
}

/// Does the work of a request; with whether it has waited.
pub(super) async fn watch<T>(work: impl Future<Output = T>) -> (T, bool) {
    let both = async { (work.await, WAITED.with(Cell::get)) };
    WAITED.scope(Cell::new(false), both).await
}

/// The request whose task this is waits, or may.
pub(super) fn note() {
    // Without a request around it there is nothing to note.
    let _ = WAITED.try_with(|waited| waited.set(true));
}
