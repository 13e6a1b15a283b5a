//! What happens because time has passed (rule 4), at most so much in one step.

use super::{StepContext, Table, Timer};
use crate::limits::ENDED_MEMORY_MS;
use crate::{EndedAs, Key, LockName, State};

impl Table {
    /// Ends, lapses and restores what is due. What is over the step's bound is due in the next step.
    pub fn expire(&mut self, at: StepContext<'_>) {
        self.wall = at.wall;
        if std::mem::take(&mut self.fresh) {
            if !self.same_process {
                self.suspend_unacknowledged(at);
            }
            let names: Vec<LockName> = self.locks.keys().cloned().collect();
            names.iter().for_each(|name| self.grant(at, name));
        }
        self.expire_leases(at);
        self.fire_timers(at);
        self.sweep_oversized(at);
        let now = self.now();
        while let Some(&(ended, _, id)) = self.ended.first()
            && ended + ENDED_MEMORY_MS <= now
            && self.may_end()
        {
            self.forget(id);
        }
    }

    /// Counts against the step's bound.
    pub(super) fn may_end(&mut self) -> bool {
        let may = self.ends_left > 0;
        self.ends_left = self.ends_left.saturating_sub(1);
        may
    }

    fn expire_leases(&mut self, at: StepContext<'_>) {
        while let Some(&(until, id)) = self.leases.first()
            && self.lease_end(until) <= self.now()
            && self.may_end()
        {
            match self.ticket(id).state {
                State::Queued { .. } => self.end(at, id, EndedAs::Expired, None),
                State::Granted => self.lapse(at, id),
                State::Held => self.end(at, id, EndedAs::Lost, None),
                State::Ended { .. } => panic!("an ended ticket has a lease"),
            }
        }
    }

    fn fire_timers(&mut self, at: StepContext<'_>) {
        let now = self.now();
        while self.timers.next().is_some_and(|at| at <= now)
            && self.may_end()
            && let Some(timer) = self.timers.pop_due(now)
        {
            match timer {
                Timer::Hold(id) => self.end(at, id, EndedAs::Overdue, None),
                Timer::Withholding(number) => self.end_withholding(at, number),
                Timer::Pause(name) => self.resume(at, &name),
                Timer::WithheldName(name) => {
                    self.withheld_names.remove(&name);
                    self.mark(Key::WithheldName(name));
                }
                Timer::Withdrawn(scope) => {
                    self.forget_withdrawn(&scope);
                }
                Timer::Instance(name) => self.drop_idle_instance(at, &name),
            }
        }
        while self.pauses.next().is_some_and(|until| until <= at.wall)
            && self.may_end()
            && let Some(name) = self.pauses.pop_due(at.wall)
        {
            self.resume(at, &name);
        }
    }

    /// The size is durable, so which waiters have become impossible follows from it, however many there are and wherever
    /// a crash fell.
    fn sweep_oversized(&mut self, at: StepContext<'_>) {
        while let Some(name) = self.oversized.first().cloned() {
            let lock = self.locks.get(&name);
            let Some(id) = lock.and_then(|lock| lock.queue.oversized(lock.slots.size())) else {
                self.oversized.remove(&name);
                continue;
            };
            if !self.may_end() {
                return;
            }
            self.end(at, id, EndedAs::Oversized, None);
        }
    }

    /// Has the waiters of this lock that ask for more than its size ended, in this step as far as it may.
    pub(super) fn note_oversized(&mut self, name: &LockName) {
        let lock = self.lock(name);
        if lock.queue.oversized(lock.slots.size()).is_some() {
            self.oversized.insert(name.clone());
        }
    }

    /// After settings changed within a step: ends what they made impossible, then grants what they made possible.
    pub(super) fn after_resize(&mut self, at: StepContext<'_>, name: &LockName) {
        self.note_oversized(name);
        self.sweep_oversized(at);
        if self.locks.contains_key(name) {
            self.grant(at, name);
        }
    }
}
