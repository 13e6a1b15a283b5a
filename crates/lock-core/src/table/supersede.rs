//! The latest only (rule 18): a new ticket ends the queued ones of its locks, owner and word.

use super::{StepContext, Superseding, Table};
use crate::command::{Caller, NewTicket};
use crate::{EndedAs, TicketId};
use std::sync::Arc;

impl Table {
    /// How many queued tickets a new one would supersede.
    pub(super) fn superseded_by(&self, caller: &Caller, new: &NewTicket) -> usize {
        let Some(word) = &new.supersede else { return 0 };
        let key: Superseding = (new.lock.clone(), new.other_locks(), caller.quota_owner(), word.clone());
        self.superseding.get(&key).map_or(0, std::collections::BTreeSet::len)
    }

    /// Ends the queued tickets that this one, which is new, supersedes.
    pub(super) fn supersede_older(&mut self, at: StepContext<'_>, id: TicketId) {
        let number = self.ticket(id).number;
        let key = self.ticket(id).superseding().expect("it has a word");
        let older: Vec<u64> = self.superseding[&key].iter().copied().filter(|other| *other != number).collect();
        for other in older {
            let other = self.numbers[&other];
            self.ticket_mut(other).change_more(|more| more.superseded_by = Some(number));
            let reason = Arc::from(format!("ticket {number} supersedes it"));
            self.end(at, other, EndedAs::Superseded, Some(reason));
        }
    }

    /// The ticket queues: a newer one of the same word supersedes it.
    pub(super) fn join_superseding(&mut self, id: TicketId) {
        if let Some(key) = self.ticket(id).superseding() {
            let number = self.ticket(id).number;
            self.superseding.entry(key).or_default().insert(number);
        }
    }

    /// The ticket does not queue any longer.
    pub(super) fn leave_superseding(&mut self, id: TicketId) {
        let Some(key) = self.ticket(id).superseding() else { return };
        let number = self.ticket(id).number;
        let of_word = self.superseding.get_mut(&key).expect("has each queued ticket of the word");
        of_word.remove(&number);
        if of_word.is_empty() {
            self.superseding.remove(&key);
        }
    }
}
