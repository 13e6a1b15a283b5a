//! Views. They pick nothing up, renew nothing and make nothing (rules 5 and 12).

use super::{Lock, Table};
use crate::command::{Caller, Outcome, Rejection};
use crate::view::{LockView, TicketView};
use crate::{LockName, LockRecord, State, Target, TicketId};

impl Table {
    pub(crate) fn view_ticket(&self, id: TicketId) -> TicketView {
        let ticket = self.ticket(id);
        let queued = matches!(ticket.state, State::Queued { .. });
        let held = ticket.state == State::Held;
        let ahead = if queued { self.lock(&ticket.lock).queue.ahead(ticket.place()) } else { 0 };
        TicketView {
            ahead,
            expires_in: ticket.lease_until.map(|until| self.lease_end(until).saturating_sub(self.now())),
            overdue_in: ticket.hold_until.filter(|_| held).map(|until| until.saturating_sub(self.now())),
            ttl: self.lease_of(id),
            stamp: ticket.stamp,
            picked_up: false,
            ticket: (**ticket).clone(),
        }
    }

    /// The lock after a change, unless the change was its end.
    pub(super) fn lock_outcome(&self, name: &LockName) -> Outcome {
        match self.locks.get(name) {
            Some(lock) => Outcome::Lock(Box::new(self.view(lock, crate::limits::LISTED_TICKETS_MAX))),
            None => Outcome::Done,
        }
    }

    fn view(&self, lock: &Lock, tickets: usize) -> LockView {
        let pause = lock.record.pause.as_ref();
        LockView {
            free: if lock.exclusive { 0 } else { lock.slots.room() },
            in_use: lock.slots.out() - lock.closed,
            closed: lock.closed,
            holding: lock.active.len() as u64,
            queued: lock.queue.len() as u64,
            load: self.load_of(lock),
            closures: lock.closures.iter().map(|number| self.closures[number].clone()).collect(),
            holders: lock.active.values().take(tickets).map(|&id| self.view_ticket(id)).collect(),
            queue: lock.queue.iter().take(tickets).map(|(_, id)| self.view_ticket(id)).collect(),
            statistics: lock.statistics,
            pause_ends_in: pause.and_then(|pause| pause.until).map(|until| until.saturating_sub(self.now())),
            now: self.now(),
            overridden: lock
                .record
                .file
                .as_ref()
                .map_or_else(Vec::new, |file| super::configure::overridden(&lock.record.settings, &file.settings)),
            lock: lock.record.clone(),
        }
    }

    pub(super) fn list_locks(&self, tickets: usize, among: Option<&[Target]>) -> Outcome {
        let listed = |lock: &&Lock| {
            !lock.deleting && among.is_none_or(|all| all.iter().any(|target| target.takes(&lock.record.name)))
        };
        let mut left = crate::limits::LISTED_TICKETS_ALL_MAX;
        let view = |lock| {
            let view = self.view(lock, tickets.min(left));
            left = left.saturating_sub(view.holders.len() + view.queue.len());
            view
        };
        Outcome::Locks(self.locks.values().filter(listed).map(view).collect())
    }

    /// A name that only fits a template answers as an idle lock.
    pub(super) fn view_lock(&self, name: &LockName, tickets: usize) -> Result<Outcome, Rejection> {
        if let Some(lock) = self.locks.get(name) {
            if lock.deleting {
                return Err(Rejection::UnknownLock);
            }
            return Ok(Outcome::Lock(Box::new(self.view(lock, tickets))));
        }
        let prefix = self.matching_template(name.as_str()).ok_or(Rejection::UnknownLock)?;
        let template = &self.templates[prefix].record;
        let record = LockRecord {
            name: name.clone(),
            settings: template.settings.clone(),
            file: None,
            template: Some(prefix.clone()),
            retiring: false,
            pause: template.paused.then(super::acquire::file_pause),
            slot_names: Vec::new(),
            revision: 0,
        };
        Ok(Outcome::Lock(Box::new(self.view(&Lock::new(record), tickets))))
    }

    pub(super) fn list_mine(&self, caller: &Caller, tickets: usize) -> Outcome {
        let mine = self.numbers.values().map(|&id| self.ticket(id)).filter(|ticket| match &caller.owner {
            Some(_) => ticket.owner == caller.owner,
            None => ticket.owner.is_none() && ticket.from == caller.from,
        });
        Outcome::Tickets(mine.take(tickets).map(|ticket| self.view_ticket(ticket.id)).collect())
    }
}
