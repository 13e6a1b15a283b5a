//! Those who only look: answered from the durable table, behind everything that changes it, so much in each step.

use super::answer::{Answer, CommandResult, EngineError, Rendered, send_reply};
use super::clock::Tick;
use super::events::EventId;
use super::request_queue::{Request, Work};
use super::standing::Standing;
use super::step::Engine;
use super::waiters::Presence;
use lock_core::limits::STEP_VISITS_MAX;
use lock_core::{Command, Outcome, StepContext, Table};
use std::fmt;
use std::sync::Arc;

/// Answers of a step that are kept for whoever asks the same.
const SHARED_MAX: usize = 16;
/// All locks are measured for the metrics so often that it is no more than so many a millisecond: a small part of the engine's
/// time. With fewer of them, whoever asks hears how they are at that moment.
const MEASURED_LOCKS_A_MS: usize = 100;

/// Whose client a look is for, if its protocol says so.
#[derive(Clone)]
pub(crate) struct Onlooker(pub(crate) Arc<dyn Presence>);

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onlooker").finish_non_exhaustive()
    }
}

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

    /// Nobody is there any more who would read the answer.
    fn is_pointless(&self) -> bool {
        let hung_up = |reply: &tokio::sync::oneshot::Sender<Answer>| reply.is_closed();
        self.reply.as_ref().is_none_or(hung_up) || self.onlooker.as_ref().is_some_and(|one| !one.0.is_open())
    }
}

impl Engine {
    /// Answers looks until a step's share of work is done; the rest waits for the next step. Called once the step is
    /// durable and all its answers are given. A look whose client has gone costs nothing, and equal ones share an answer.
    pub(crate) fn look(&mut self, tick: Tick) {
        let Some(table) = &mut self.table else {
            return;
        };
        let as_of = self.events.last();
        let mut visits = STEP_VISITS_MAX;
        let mut seen: Vec<Seen> = Vec::new();
        // Whoever asks what has been seen already costs nothing more.
        while let Some(request) =
            self.request_queue.take_look(|next| visits > 0 || seen.iter().any(|one| next.asks(&one.command)))
        {
            visits = visits.saturating_sub(1);
            if request.is_pointless() {
                continue;
            }
            let command = match request.work {
                Work::Command(command) => command,
                Work::Measure => {
                    let locks = table.lock_names().len();
                    if self.measure_again_ms <= tick.mono_ms {
                        self.metrics.locks.measure(table, tick.wall_us / 1000);
                        self.measure_again_ms = tick.mono_ms + (locks / MEASURED_LOCKS_A_MS) as u64;
                        visits = visits.saturating_sub(locks / 8);
                    }
                    send_reply(request.reply, Ok(command_result(Outcome::Done, as_of, None, Rendered::default())));
                    continue;
                }
                Work::EndWait { .. } => unreachable!("who waits does more than look"),
            };
            let found = seen.iter().position(|one| one.command == command);
            let index = found.unwrap_or_else(|| {
                let answer = see(table, tick, &command);
                visits = visits.saturating_sub(answer.as_ref().map_or(1, Outcome::visited));
                if seen.len() >= SHARED_MAX {
                    seen.remove(0);
                }
                seen.push(Seen { command, answer, rendered: Rendered::default() });
                seen.len() - 1
            });
            let Seen { answer, rendered, .. } = &seen[index];
            let standing = answer.as_ref().ok().and_then(|outcome| self.standings.of_outcome(outcome));
            send_reply(
                request.reply,
                answer.clone().map(|outcome| command_result(outcome, as_of, standing, rendered.clone())),
            );
        }
    }

    /// While there is no term, nobody sees anything.
    pub(crate) fn refuse_looks(&mut self) {
        let looks = std::iter::from_fn(|| self.request_queue.take_look(|_| true)).collect();
        self.refuse(looks);
    }
}

fn see(table: &mut Table, tick: Tick, command: &Command) -> Result<Outcome, EngineError> {
    let at = StepContext { now: table.now(), wall: tick.wall_us / 1000, is_connected: &|_| false };
    Ok(table.apply(at, command)?)
}

fn command_result(
    outcome: Outcome,
    as_of: EventId,
    standing: Option<Arc<Standing>>,
    rendered: Rendered,
) -> CommandResult {
    CommandResult { outcome, as_of, receipt: None, standing, rendered }
}
