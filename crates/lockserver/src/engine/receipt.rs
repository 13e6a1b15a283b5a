//! Whether an answer that told of a ticket was delivered, and what that means for the ticket (rules 5 and 6).

use lock_core::TicketId;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What became of an answer. This is all that a front end reports, whatever its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Every byte of it arrived at the client's machine.
    Delivered,
    /// Some of it may have arrived. A connection that broke afterwards proves nothing: its client may have read the answer
    /// first.
    Unknown,
    /// No byte of it has left, and none will.
    Unsent,
}

impl Delivery {
    /// Whether its client has to be taken for told. Only what surely never left may be taken back: a permit that nobody
    /// uses for the time of a lease is a nuisance, two holders are a broken promise.
    #[must_use]
    pub const fn counts_as_told(self) -> bool {
        match self {
            Self::Delivered | Self::Unknown => true,
            Self::Unsent => false,
        }
    }
}

/// Hears of tickets whose clients do not know of them.
pub(crate) trait Reports: fmt::Debug + Send + Sync {
    /// No answer that told of this ticket counts as told. See [`lock_core::Command::Undelivered`].
    fn undelivered(&self, id: TicketId, activity_seq: u64, made: bool);
}

/// Goes with every answer that makes a difference to its ticket: one that claimed it, or made it. All answers about one
/// ticket in one step share a receipt. When the last copy is dropped and none of the answers counts as told, the engine
/// hears that the ticket's client does not know.
#[derive(Debug)]
pub struct Receipt {
    id: TicketId,
    /// The `activity_seq` of the latest of the answers.
    activity_seq: AtomicU64,
    made: bool,
    told: AtomicBool,
    reports: Weak<dyn Reports>,
}

impl Receipt {
    pub(crate) fn new(reports: Weak<dyn Reports>, id: TicketId, activity_seq: u64, made: bool) -> Arc<Self> {
        Arc::new(Self { id, activity_seq: AtomicU64::new(activity_seq), made, told: AtomicBool::new(false), reports })
    }

    /// It goes with this answer too.
    pub(crate) fn extend(&self, activity_seq: u64) {
        self.activity_seq.fetch_max(activity_seq, Ordering::AcqRel);
    }

    /// This became of one of the answers. One that nobody resolves is [`Delivery::Unsent`].
    pub fn resolve(&self, delivery: Delivery) {
        if delivery.counts_as_told() {
            self.told.store(true, Ordering::Release);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !*self.told.get_mut()
            && let Some(reports) = self.reports.upgrade()
        {
            reports.undelivered(self.id, *self.activity_seq.get_mut(), self.made);
        }
    }
}
