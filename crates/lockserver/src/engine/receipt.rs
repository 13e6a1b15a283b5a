//! Whether an answer that told of a ticket was delivered (rules 5 and 6).

use super::lanes::{Lanes, Work};
use lock_core::{TicketId, TicketView};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// Goes with every answer that makes a difference to its ticket: one that picked it up, or made it. All answers about one
/// ticket in one step share a receipt. When the last copy is dropped and no face has confirmed one of the answers, the
/// engine hears that the ticket's client does not know.
#[derive(Debug)]
pub struct Receipt {
    term: u64,
    id: TicketId,
    stamp: u64,
    made: bool,
    delivered: AtomicBool,
    lanes: Weak<Lanes>,
}

impl Receipt {
    pub(crate) fn new(lanes: &Arc<Lanes>, term: u64, view: &TicketView, made: bool) -> Arc<Self> {
        let (id, stamp, lanes) = (view.ticket.id, view.stamp, Arc::downgrade(lanes));
        Arc::new(Self { term, id, stamp, made, delivered: AtomicBool::new(false), lanes })
    }

    /// The answer has reached its client.
    pub fn confirm(&self) {
        self.delivered.store(true, Ordering::Release);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !*self.delivered.get_mut()
            && let Some(lanes) = self.lanes.upgrade()
        {
            lanes.report(Work::Undelivered { term: self.term, id: self.id, stamp: self.stamp, made: self.made });
        }
    }
}
