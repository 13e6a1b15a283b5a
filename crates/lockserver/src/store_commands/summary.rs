//! What is in a store, in one line.

use lock_core::{Snapshot, State};
use std::fmt;

/// How much is in a store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    locks: usize,
    holding: usize,
    queued: usize,
    ended: usize,
}

impl Summary {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut summary = Self { locks: snapshot.locks.len(), ..Self::default() };
        for ticket in &snapshot.tickets {
            match ticket.state {
                State::Queued { .. } => summary.queued += 1,
                State::Granted | State::Held => summary.holding += 1,
                State::Ended { .. } => summary.ended += 1,
            }
        }
        summary
    }
}

impl fmt::Display for Summary {
    /// `1 lock, 3 tickets (1 holds, 2 wait), 4 ended ones remembered`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { locks, holding, queued, ended } = *self;
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let verb = |count: usize| if count == 1 { "s" } else { "" };
        let live = holding + queued;
        write!(
            f,
            "{locks} lock{}, {live} ticket{} ({holding} hold{}, {queued} wait{}), {ended} ended remembered",
            s(locks),
            s(live),
            verb(holding),
            verb(queued)
        )
    }
}
