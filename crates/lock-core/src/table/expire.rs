//! What happens because time has passed (rule 4), at most so much in one step.

use super::{StepContext, Table, Timer, WallTimer};
use crate::limits::ENDED_MEMORY_MS;
use crate::{EndedAs, Key, State};

impl Table {
    /// Ends, lapses and restores what is due, and grants what that makes possible. What is over the step's bound is due in the
    /// next step.
    pub fn expire(&mut self, at: StepContext<'_>) {
        self.wall = at.wall;
        if let Some(suspends) = self.unstepped.take() {
            if suspends {
                self.suspend_unacknowledged(at);
            }
            self.ripe.extend(self.locks.keys().cloned());
        }
        self.expire_leases(at);
        self.fire_timers(at);
        self.ripe.append(&mut self.unfinished);
        self.grant_ripe(at);
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
        while let Some(&(until, number)) = self.leases.first()
            && self.lease_end(until) <= self.now()
            && self.may_end()
        {
            let id = self.numbers[&number];
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
        while self.wall_timers.next().is_some_and(|until| until <= at.wall)
            && self.may_end()
            && let Some(timer) = self.wall_timers.pop_due(at.wall)
        {
            match timer {
                WallTimer::Pause(name) => self.resume(at, &name),
                WallTimer::Withholding(number) => self.end_withholding(at, number),
                WallTimer::Report(name) => self.report_is_stale(at, &name),
            }
        }
    }
}
