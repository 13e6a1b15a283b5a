//! What a table goes on from: a life of the server that has ended, another table of the same process, or nothing.

use crate::TicketId;
use std::collections::BTreeMap;

/// What comes before a table that is loaded, and with it what its first step does (rule 9).
#[derive(Debug, Clone, Default)]
pub enum Continuity {
    /// Nothing: no server goes on with it. It is looked at, or copied.
    None,
    /// An earlier life of the server. A new one begins: a lease of which nobody has been heard in the last life, and the one
    /// before, does not begin once more, but goes on from where the last life began it. The first step makes tickets dormant
    /// whose clients may never have been told of them.
    #[default]
    NewLife,
    /// Another table of this process. No ticket becomes dormant, for the connections of its clients have outlived that table.
    SameProcess {
        /// [`Table::activity_seqs`](crate::Table::activity_seqs) of that table: the counts go on, for an answer that was given may still get lost.
        activity_seqs: BTreeMap<TicketId, u64>,
    },
}

impl Continuity {
    /// The count of heartbeats with which a ticket is loaded.
    #[must_use]
    pub fn activity_seq(&self, id: TicketId) -> u64 {
        match self {
            Self::None | Self::NewLife => 0,
            Self::SameProcess { activity_seqs } => activity_seqs.get(&id).copied().unwrap_or(0),
        }
    }
}
