//! Whether an answer that told of a ticket was delivered (rules 5 and 6).

use super::lanes::Lanes;
use lock_core::{Command, TicketId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Goes with every answer that makes a difference to its ticket: one that picked it up, or made it. All answers about one
/// ticket in one step share a receipt. When the last copy is dropped and no face has confirmed one of the answers, the
/// engine hears that the ticket's client does not know.
#[derive(Debug)]
pub struct Receipt {
    id: TicketId,
    /// Stamp of the latest of the answers.
    stamp: AtomicU64,
    made: bool,
    delivered: AtomicBool,
    lanes: Weak<Lanes>,
}

impl Receipt {
    pub(crate) fn new(lanes: &Arc<Lanes>, id: TicketId, stamp: u64, made: bool) -> Arc<Self> {
        Arc::new(Self {
            id,
            stamp: AtomicU64::new(stamp),
            made,
            delivered: AtomicBool::new(false),
            lanes: Arc::downgrade(lanes),
        })
    }

    /// It goes with this answer too.
    pub(crate) fn extend(&self, stamp: u64) {
        self.stamp.fetch_max(stamp, Ordering::AcqRel);
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
            lanes.report(Command::Undelivered { id: self.id, stamp: *self.stamp.get_mut(), made: self.made });
        }
    }
}
