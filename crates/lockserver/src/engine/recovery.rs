//! Between two terms: the failure of the store, the carry-over from the last term, and the beginning of the next one.

use super::answer::{CommandResult, EngineError, send_reply};
use super::clock::Tick;
use super::request::{AnswerTo, Attempt, Body, Request};
use super::waiters::{PendingWait, Waiters};
use crate::store::StoreError;
use lock_core::{
    Command, ConfigureMode, ConfigureReport, Continuity, Definition, Force, Outcome, Patch, Precondition, Snapshot,
    Table, Target, TicketId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First pause before the store is loaded again.
const BACKOFF_MIN_MS: u64 = 100;
/// Longest pause.
const BACKOFF_MAX_MS: u64 = 2000;

/// The engine cannot go on, and the process ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The store is damaged, or its device fails: exit code 74.
    #[error("{0}")]
    Damaged(String),
    /// The engine's thread met an impossible state: exit code 70.
    #[error("{0}")]
    Impossible(String),
}

/// The store cannot be used now.
#[derive(Debug)]
pub(crate) struct Recovering {
    /// What the store says.
    pub(crate) reason: Arc<str>,
    /// It is loaded again at this time of the monotonic clock.
    pub(crate) retry_at_ms: u64,
    /// Another server has it. Loading waits for the end of that, so that it is done again at once.
    pub(crate) is_standby: bool,
}

/// The locks and templates of the configuration file, and what may be done to others.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The sections of the file.
    pub(crate) definitions: Vec<Definition>,
    /// What may be done to locks that stand in no file.
    pub(crate) mode: ConfigureMode,
}

/// What outlives a term.
#[derive(Debug, Default)]
pub(crate) struct CarryOver {
    /// The last configuration.
    pub(crate) configuration: Configuration,
    /// What the next term still has to do to the table. Nobody waits for an answer.
    pub(crate) commands: Vec<Command>,
    /// What comes before the next table. As soon as a step of this process is durable that is a table of it: the tickets whose
    /// clients an earlier process may not have told are dormant, and all others are in this one's care.
    continuity: Continuity,
    /// The last term.
    pub(crate) term: u64,
    /// The last pause before a load; 0 once a commit of more than the clock has worked.
    backoff_ms: u64,
}

impl Default for Configuration {
    /// What a term begins with, before the first configuration arrives.
    fn default() -> Self {
        Self { definitions: Vec::new(), mode: ConfigureMode::CreateMissing }
    }
}

/// A configuration that a step has applied, and what it changed.
#[derive(Debug)]
pub(crate) struct Configured {
    configuration: Configuration,
    report: ConfigureReport,
}

impl Configured {
    /// If this command was one to configure, and was done.
    pub(crate) fn of(command: &Command, outcome: &Outcome) -> Option<Self> {
        let (Command::Configure { definitions, mode }, Outcome::Configured(report)) = (command, outcome) else {
            return None;
        };
        let configuration = Configuration { definitions: definitions.clone(), mode: *mode };
        Some(Self { configuration, report: report.clone() })
    }
}

impl CarryOver {
    /// The store failed: when it is tried again.
    pub(crate) fn back_off(&mut self, tick: Tick, reason: Arc<str>) -> Recovering {
        self.backoff_ms = (self.backoff_ms * 2).clamp(BACKOFF_MIN_MS, BACKOFF_MAX_MS);
        Recovering { reason, retry_at_ms: tick.mono_ms + self.backoff_ms, is_standby: false }
    }

    /// Another server has the store: nothing that this one knew of the table is worth anything any more.
    pub(crate) fn stand_by(&mut self, tick: Tick, reason: Arc<str>) -> Recovering {
        self.commands.clear();
        self.continuity = Continuity::default();
        self.backoff_ms = 0;
        Recovering { reason, retry_at_ms: tick.mono_ms, is_standby: true }
    }

    /// Nothing but the clock was committed since the store failed.
    pub(crate) const fn is_store_in_trouble(&self) -> bool {
        self.backoff_ms > 0
    }

    /// A step is durable; `wrote_records`: it was more than a look at the clock. What it was configured with is kept for the
    /// next term: not earlier, for a reload whose commit fails is reported as failed.
    pub(crate) fn committed(&mut self, wrote_records: bool, configured: Option<Configured>) {
        if let Some(Configured { configuration, report }) = configured {
            self.configuration = configuration;
            for (what, names) in [("made", &report.created), ("changed", &report.changed), ("retired", &report.retired)]
            {
                if !names.is_empty() {
                    tracing::debug!("{what} by the configuration: {}", names.join(", "));
                }
            }
            for refused in &report.refused {
                tracing::error!("not applied from the configuration: {refused}");
            }
        }
        if !matches!(self.continuity, Continuity::SameProcess { .. }) {
            self.continuity = Continuity::SameProcess { activity_seqs: BTreeMap::new() };
        }
        if wrote_records {
            self.backoff_ms = 0;
        }
    }

    /// The table may be ahead of the store, and is dropped.
    pub(crate) fn drop_table(&mut self, table: &Table) {
        if let Continuity::SameProcess { activity_seqs } = &mut self.continuity {
            *activity_seqs = table.activity_seqs();
        }
    }

    /// The table of what the store has, as this process goes on with it.
    pub(crate) fn load_table(&self, mut snapshot: Snapshot, tick: Tick) -> Result<Table, Fatal> {
        // The clock of another machine would say nothing.
        if !snapshot.restart_counters {
            snapshot.meta.count_downtime(tick.mono_ms);
        }
        let lost_commits = snapshot.lost_commits;
        let table = Table::load(snapshot, tick.wall_us, &self.continuity);
        let mut table = table.map_err(|error| Fatal::Damaged(error.to_string()))?;
        if lost_commits {
            table.doubt(tick.wall_ms());
        }
        table.note_monotonic(tick.mono_ms);
        Ok(table)
    }

    /// Wall time tells the lives of a server apart; two within a microsecond it does not have.
    pub(crate) fn next_term(&mut self, tick: Tick) -> u64 {
        self.term = tick.wall_us.max(self.term + 1);
        self.term
    }

    /// A term begins with the configuration, with what the last one left to do, and with the requests that have waited
    /// meanwhile.
    pub(crate) fn replay(&mut self, waiters: &mut Waiters) -> Vec<Request> {
        let Configuration { definitions, mode } = &self.configuration;
        let configure = Command::Configure { definitions: definitions.clone(), mode: *mode };
        let mut commands = std::mem::take(&mut self.commands);
        // Tickets of clients that are gone become dormant before the rest makes permits free.
        commands.sort_by_key(|command| !matches!(command, Command::EndWait { .. }));
        let commands = std::iter::once(configure).chain(commands).map(Request::report);
        commands.chain(waiters.take_all().into_iter().map(|(id, wait)| wait_again(id, wait))).collect()
    }

    /// Without a term nothing is done. What has to be done all the same is carried over.
    pub(crate) fn refuse(&mut self, recovering: &Recovering, batch: Vec<Request>, waiters: &mut Waiters) {
        let failure = |may_have_taken_effect| EngineError::down(&recovering.reason, may_have_taken_effect);
        for request in batch {
            match request.body {
                Body::Command { command, .. } if matches!(*command, Command::Undelivered { .. }) => {
                    self.commands.push(*command);
                }
                Body::Command { command, answer_to, .. } => match *command {
                    // A standby that is told of a new configuration begins its term with it.
                    Command::Configure { definitions, mode } if recovering.is_standby => {
                        self.configuration = Configuration { definitions, mode };
                        answer_to.send(Ok(CommandResult::of(Outcome::Configured(ConfigureReport::default()))));
                    }
                    _ => answer_to.send(Err(failure(false))),
                },
                Body::EndWait { number, lost } => {
                    let Some((id, wait)) = waiters.remove(number) else {
                        continue;
                    };
                    // The commit that failed may have granted it, and nobody was told of that.
                    let activity_seq = self.continuity.activity_seq(id);
                    self.commands.push(Command::Undelivered { id, activity_seq, made: wait.made });
                    if lost && !wait.made && !waiters.waits(id) {
                        self.commands.push(Command::EndWait { id, lost });
                    }
                    send_reply(Some(wait.reply), Err(failure(true)));
                }
            }
        }
    }
}

/// The store has lost commits, so a client that it does not know of may hold permits. Each lock is paused for itself, so that
/// an administrator can look at its users and then resume it.
pub(crate) fn pause_everything(table: &Table) -> Vec<Request> {
    let reason: Arc<str> = Arc::from("the store has lost commits: find the jobs at work, then resume");
    let pause = |name: &lock_core::LockName| {
        let patch = Patch { pause: Some(Some((reason.clone(), None))), ..Patch::default() };
        let (precondition, force) = (Precondition::None, Force { force: false, expect_tickets: None });
        Request::report(Command::PatchLock { name: name.clone(), patch, precondition, force })
    };
    tracing::error!("every lock is paused, as ON_DOUBT=pause says: find the jobs at work, then resume them");
    table.lock_names().map(pause).collect()
}

impl Request {
    /// New instances of templates are to begin paused.
    pub(crate) fn pause_templates(&mut self) {
        if let Body::Command { command, .. } = &mut self.body
            && let Command::Configure { definitions, .. } = &mut **command
        {
            for definition in definitions.iter_mut().filter(|one| matches!(one.target, Target::Template(_))) {
                definition.paused = true;
            }
        }
    }
}

/// Repeats a waiting request on behalf of its client, which is connected and knows nothing of terms.
fn wait_again(id: TicketId, wait: PendingWait) -> Request {
    let PendingWait { waiter, caller, made, reply } = wait;
    Request::command(caller, Command::WaitOn { id }, Attempt::Replayed { made }, AnswerTo::Waiter(reply, waiter))
}

/// What the store says of its failure, unless the engine must end for it.
pub(crate) fn fatal_if_damaged(error: &StoreError) -> Result<&str, Fatal> {
    match error {
        StoreError::Damaged(text) => Err(Fatal::Damaged(text.clone())),
        StoreError::Unavailable(text) | StoreError::Standby { reason: text, .. } => Ok(text),
    }
}
