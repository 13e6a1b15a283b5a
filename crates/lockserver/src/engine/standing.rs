//! Answers that say *held*, and whether that is still so as they leave.

use lock_core::{Outcome, TicketId, TicketView};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

/// Swept when so many more are noted than were alive the last time.
const SWEEP_AFTER: usize = 1000;

/// Goes with every answer that says that a ticket is held. It knows once the ticket's end is durable, before anybody hears
/// of that end or gets the permits.
#[derive(Debug, Default)]
pub struct Standing(OnceLock<Box<TicketView>>);

impl Standing {
    /// The ticket, if it has ended since.
    #[must_use]
    pub fn ended(&self) -> Option<&TicketView> {
        self.0.get().map(|view| &**view)
    }
}

/// Those of all answers that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    of: HashMap<TicketId, Weak<Standing>>,
    sweep_at: usize,
}

impl Standings {
    /// For an answer with this outcome, if it says that a ticket is held.
    pub(crate) fn of_outcome(&mut self, outcome: &Outcome) -> Option<Arc<Standing>> {
        match outcome {
            Outcome::Ticket(view) if view.is_held() => Some(self.of(view.ticket.id)),
            _ => None,
        }
    }

    fn of(&mut self, id: TicketId) -> Arc<Standing> {
        if let Some(known) = self.of.get(&id).and_then(Weak::upgrade) {
            return known;
        }
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, standing| standing.strong_count() > 0);
            self.sweep_at = self.of.len() + SWEEP_AFTER;
        }
        let new = Arc::default();
        self.of.insert(id, Arc::downgrade(&new));
        new
    }

    /// This ticket has ended.
    pub(crate) fn end(&mut self, id: TicketId, view: impl FnOnce() -> Option<TicketView>) {
        if let Some(standing) = self.of.remove(&id).and_then(|standing| standing.upgrade())
            && let Some(view) = view()
        {
            // Nobody ends twice.
            let _ = standing.0.set(Box::new(view));
        }
    }
}
