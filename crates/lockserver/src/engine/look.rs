//! Looks: answered from the table behind everything that changes it, so much in each step, and once what they show is durable.

use super::answer::{Answer, EngineError};
use super::clock::Tick;
use super::drive::{Engine, Phase};
use super::rendered::Rendered;
use super::request_queue::{Request, Work};
use super::sealed::Look;
use super::waiters::Onlooker;
use lock_core::limits::STEP_VISITS_MAX;
use lock_core::{Command, Outcome};
use tokio::sync::oneshot;

/// Answers of a step that are kept for whoever asks the same.
const SHARED_MAX: usize = 16;
/// All locks are measured for the metrics so often that it is no more than so many a millisecond: a small part of the engine's
/// time. With fewer of them, whoever asks hears how they are at that moment.
const MEASURED_LOCKS_A_MS: usize = 100;

/// What one look saw.
struct Seen {
    command: Box<Command>,
    answer: Result<Outcome, EngineError>,
    rendered: Rendered,
}

impl Request {
    fn asks(&self, what: &Command) -> bool {
        matches!(&self.work, Work::Command(command) if **command == *what)
    }
}

/// Whether the client that would read the answer has gone.
fn is_pointless(reply: &oneshot::Sender<Answer>, onlooker: Option<&Onlooker>) -> bool {
    reply.is_closed() || onlooker.is_some_and(|one| !one.0.is_open())
}

impl Engine {
    /// Answers looks until a step's share of work is done; the rest waits for the next step. A look whose client has gone
    /// costs nothing, and equal ones share an answer. What they see may be in flight: they are answered with it.
    pub(super) fn answer_looks(&mut self, tick: Tick) {
        if let Phase::Recovering(_) = &self.phase {
            return self.refuse_looks();
        }
        let mut visits = STEP_VISITS_MAX;
        let mut seen: Vec<Seen> = Vec::new();
        // A look that another one has made already costs nothing more.
        while let Some(request) =
            self.queue.take_look(|next| visits > 0 || seen.iter().any(|one| next.asks(&one.command)))
        {
            visits = visits.saturating_sub(1);
            let Some(to) = request.reply.filter(|to| !is_pointless(to, request.onlooker.as_ref())) else {
                continue;
            };
            let command = match request.work {
                Work::Command(command) => command,
                Work::Measure => {
                    visits = visits.saturating_sub(self.measure(tick));
                    self.answer_look(Look { to, answer: Ok(Outcome::Done), rendered: Rendered::default() });
                    continue;
                }
                Work::EndWait { .. } => unreachable!("a wait is not a look"),
            };
            let found = seen.iter().position(|one| one.command == command);
            let index = found.unwrap_or_else(|| {
                let answer = self.see(tick, &command);
                visits = visits.saturating_sub(answer.as_ref().map_or(1, Outcome::visited));
                if seen.len() >= SHARED_MAX {
                    seen.remove(0);
                }
                seen.push(Seen { command, answer, rendered: Rendered::default() });
                seen.len() - 1
            });
            let Seen { answer, rendered, .. } = &seen[index];
            self.answer_look(Look { to, answer: answer.clone(), rendered: rendered.clone() });
        }
    }

    fn answer_look(&mut self, look: Look) {
        if let Some(look) = self.in_flight.look(look) {
            look.send(self.observers.events.last(), &mut self.standings);
        }
    }

    fn see(&mut self, tick: Tick, command: &Command) -> Result<Outcome, EngineError> {
        let Phase::Leading(term) = &mut self.phase else { unreachable!("nobody looks without a term") };
        Ok(term.table.apply(tick.context(term.table.now(), &|_| false), command)?)
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

    /// Without a term every look is refused.
    fn refuse_looks(&mut self) {
        let looks = std::iter::from_fn(|| self.queue.take_look(|_| true)).collect();
        self.refuse(looks);
    }
}
