//! A term: from a load of the store to the first commit that fails.

use super::request::Request;
use lock_core::{Change, Ms, Table};

/// The clock is saved this often while anything is timed (rule 9).
const SAVE_CLOCK_MS: Ms = 5000;
/// And this soon after a start; then as late again as the term is old. A server that crashes at once each time knows that it
/// ran, and no lease lasts for ever because of it.
const SAVE_CLOCK_FIRST_MS: Ms = 250;

/// What there is as long as the store does its work.
pub(crate) struct Term {
    /// Ahead of the store by the steps that are in flight.
    pub(crate) table: Table,
    /// Service time at which the term began.
    began_at: Ms,
    /// Service time of the last step that had something to save.
    saved_at: Ms,
    /// Requests that need another step, ahead of all others.
    pub(crate) unfinished: Vec<Request>,
}

impl Term {
    /// Begins with a table that is durable as it is.
    pub(crate) fn new(table: Table) -> Self {
        let now = table.now();
        Self { table, began_at: now, saved_at: now, unfinished: Vec::new() }
    }

    /// What of the present step is to become durable. A store in trouble is given no deferred changes: the smaller a commit,
    /// the likelier it works.
    pub(crate) fn changes(&mut self, is_store_in_trouble: bool) -> Vec<Change> {
        let table = &mut self.table;
        let mut changes = table.take_changes();
        let worth_saving = table.is_timed() || table.has_deferred_changes();
        let save_after = ((table.now() - self.began_at) / 2).clamp(SAVE_CLOCK_FIRST_MS, SAVE_CLOCK_MS);
        if changes.is_empty() && worth_saving && table.now() >= self.saved_at + save_after {
            changes.push(table.clock_change());
        }
        if !changes.is_empty() {
            if !is_store_in_trouble {
                changes.extend(table.take_deferred_changes());
            }
            self.saved_at = table.now();
        }
        changes
    }

    /// Milliseconds until something is due although nothing arrives; `None` for nothing in sight.
    pub(crate) fn due_in_ms(&self) -> Option<Ms> {
        if !self.unfinished.is_empty() {
            return Some(0);
        }
        self.table.next_timeout().map(|at| at.saturating_sub(self.table.now()))
    }
}
