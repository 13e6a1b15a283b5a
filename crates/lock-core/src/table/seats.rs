//! The locks of a ticket, taken out of it once: then they can be changed one after another, and the ticket is looked up no more often than
//! if it had one lock.

use super::{Ticket, wants};
use crate::{LockName, Permits, ranges};

/// One lock of a ticket.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) lock: LockName,
    pub(super) permits: Permits,
    /// Permits that it has.
    pub(super) has: u64,
}

impl Seat {
    /// Permits that it asks for, as the queue counts them.
    pub(super) fn wants(&self) -> u32 {
        wants(self.permits)
    }
}

/// All locks of a ticket, in the order of their names.
#[derive(Debug)]
pub(super) struct Seats {
    first: Seat,
    others: Vec<Seat>,
}

impl Seats {
    /// Each of them with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Seat)> {
        std::iter::once((0, &self.first)).chain((1..).zip(&self.others))
    }

    /// Whether there are several.
    pub(super) fn is_bundle(&self) -> bool {
        !self.others.is_empty()
    }
}

impl Ticket {
    pub(super) fn seats(&self) -> Seats {
        let others = self.more().parts.iter().map(|part| Seat {
            lock: part.lock.clone(),
            permits: part.permits,
            has: ranges::count(&part.slots),
        });
        Seats {
            first: Seat { lock: self.lock.clone(), permits: self.permits, has: ranges::count(&self.slots) },
            others: others.collect(),
        }
    }
}
