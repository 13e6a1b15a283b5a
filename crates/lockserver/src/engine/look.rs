//! Looks: answered from the table behind everything that changes it, so much in each step, and once what they show is durable.

use super::answer::{EngineError, send_reply};
use super::clock::Tick;
use super::drive::{Engine, Phase};
use super::rendered::Rendered;
use super::request::{LookRequest, Subject};
use super::sealed::Look;
use crate::store::StoreError;
use lock_core::limits::STEP_VISITS_MAX;
use lock_core::{Caller, Command, Outcome};

/// Answers of a step that are kept for the same question.
const SHARED_MAX: usize = 16;
/// All locks are measured for the metrics so often that it is no more than so many a millisecond: a small part of the engine's
/// time. With fewer of them, every answer shows that moment.
const MEASURED_LOCKS_A_MS: usize = 100;

/// What one look saw.
struct Seen {
    caller: Caller,
    command: Box<Command>,
    answer: Result<Outcome, EngineError>,
    rendered: Rendered,
}

impl Seen {
    /// Whether this caller would see the same.
    fn answers(&self, caller: &Caller, command: &Command) -> bool {
        self.command.as_ref() == command && (command.is_same_for_all() || self.caller == *caller)
    }
}

impl LookRequest {
    fn is_answered_by(&self, seen: &[Seen]) -> bool {
        matches!(&self.at, Subject::Command(command) if seen.iter().any(|one| one.answers(&self.caller, command)))
    }
}

impl Engine {
    /// Answers looks until a step's share of work is done; the rest waits for the next step. A look whose client has gone
    /// costs nothing, and equal ones share an answer. What they see may be in flight: they are answered with it.
    pub(super) fn answer_looks(&mut self, tick: Tick) {
        if let Phase::Recovering(recovering) = &self.phase {
            while let Some(look) = self.queue.take_look(|_| true) {
                send_reply(Some(look.reply), Err(EngineError::down(&recovering.reason, false)));
            }
            return;
        }
        let mut visits = STEP_VISITS_MAX;
        let mut seen: Vec<Seen> = Vec::new();
        // A look that another one has made already costs nothing more.
        while let Some(look) = self.queue.take_look(|next| visits > 0 || next.is_answered_by(&seen)) {
            visits = visits.saturating_sub(1);
            if look.is_pointless() {
                continue;
            }
            let LookRequest { caller, at, reply: to, .. } = look;
            let Subject::Command(command) = at else {
                visits = visits.saturating_sub(self.measure(tick));
                self.answer_look(Look { to, answer: Ok(Outcome::Done), rendered: Rendered::default() });
                continue;
            };
            let found = seen.iter().position(|one| one.answers(&caller, &command));
            let index = found.unwrap_or_else(|| {
                let answer = self.see(tick, &caller, &command);
                visits = visits.saturating_sub(answer.as_ref().map_or(1, Outcome::visited));
                if seen.len() >= SHARED_MAX {
                    seen.remove(0);
                }
                seen.push(Seen { caller, command, answer, rendered: Rendered::default() });
                seen.len() - 1
            });
            let Seen { answer, rendered, .. } = &seen[index];
            self.answer_look(Look { to, answer: answer.clone(), rendered: rendered.clone() });
        }
    }

    fn answer_look(&mut self, look: Look) {
        if let Some(mut look) = self.in_flight.look(look) {
            if !self.is_authoritative() {
                look.answer = Err(EngineError::store_failed(&StoreError::deposed(), false));
            }
            look.send(self.observers.events.last(), &mut self.standings);
        }
    }

    fn see(&mut self, tick: Tick, caller: &Caller, command: &Command) -> Result<Outcome, EngineError> {
        let Phase::Leading(term) = &mut self.phase else { unreachable!("nobody looks without a term") };
        Ok(term.table.apply(tick.context(term.table.now(), &|_| false), caller, command)?)
    }

    /// Measures all locks, unless that was done just now; gives what it cost, in visits. Gauges may show what is in flight.
    fn measure(&mut self, tick: Tick) -> usize {
        let Phase::Leading(term) = &self.phase else { unreachable!("nobody looks without a term") };
        if self.measure_again_ms > tick.mono_ms {
            return 0;
        }
        let locks = term.table.lock_names().len();
        self.observers.metrics.locks.measure(&term.table, tick.wall_ms());
        self.measure_again_ms = tick.mono_ms + (locks / MEASURED_LOCKS_A_MS) as u64;
        locks / 8
    }
}
