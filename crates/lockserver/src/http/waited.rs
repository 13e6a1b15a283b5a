//! Whether a request has waited for a grant, or for a refusal that was kept back: then its time says nothing about the server. And
//! whether it would have waited on, had the server not stopped.

use std::cell::Cell;

tokio::task_local! {
    static WAITED: Cell<Waited>;
}

/// What is known of a request when it is answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waited {
    /// It has waited, or may have.
    pub(super) waited: bool,
    /// Its wait has ended because the server stops.
    pub(super) cut_short: bool,
}

/// Does the work of a request; with whether it has waited.
pub(super) async fn watch<T>(work: impl Future<Output = T>) -> (T, Waited) {
    let both = async { (work.await, WAITED.with(Cell::get)) };
    WAITED.scope(Cell::new(Waited::default()), both).await
}

/// The request whose task this is waits, or may.
pub(super) fn note() {
    set(|waited| Waited { waited: true, ..waited });
}

/// The request whose task this is waits no longer, for the server stops.
pub(super) fn note_cut_short() {
    set(|waited| Waited { cut_short: true, ..waited });
}

fn set(change: impl FnOnce(Waited) -> Waited) {
    // Without a request around it there is nothing to note.
    let _ = WAITED.try_with(|waited| waited.set(change(waited.get())));
}
