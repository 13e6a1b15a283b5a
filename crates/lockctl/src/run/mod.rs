//! `lockctl run`: hold locks while a command runs, and let it live no longer than they are surely ours.
//!
//! In reading order: `plan` (what was asked for, checked), `obtain` (the locks, all or nothing), `environment` and `child` (the
//! command), `watchdog` (when to end it), `supervise` (signals, stops, leases until it has ended), `guard` (the process that
//! ends it if we cannot), `outer` (runs inside of runs), `inherit` (those that need no ticket of their own).

mod busy;
mod child;
mod environment;
mod group;
mod guard;
mod inherit;
mod obtain;
mod outer;
mod plan;
mod signals;
mod supervise;
mod terminal;
mod watchdog;

pub(crate) use environment::{before_exports, exports, instead_of_exports};
pub(crate) use guard::{GUARD_WORD, guard_main};
pub(crate) use obtain::obtain;
pub(crate) use plan::{Want, check_selection, info, wish};
pub(crate) use signals::Signals;

use crate::cli::{OnLost, Run};
use crate::exit::{BY_SIGNAL, Failure, IMPOSSIBLE, LOST, SYSTEM};
use crate::local;
use crate::say::{clean, say};
use environment::{HeldLock, Variables};
use guard::Guard;
use inherit::Mark;
use lock_client::{BootTime, Client, Error, Held, ReleaseOptions};
use outer::{Board, Outer};
use plan::{MARGIN, Plan};
use std::time::Duration;
use supervise::{Around, End, Supervisor};

/// How long a release is tried while the lease is good, and when it is lost anyway.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);
const RELEASE_OF_LOST_WITHIN: Duration = Duration::from_secs(2);

/// Everything from the plan to the exit status.
pub(crate) async fn run(
    client: Client,
    servers: String,
    is_local: bool,
    arguments: Run,
    patience: Duration,
) -> Result<u8, Failure> {
    let size = arguments.waiting.size;
    let plan = Plan::new(arguments, patience)?;
    let locks: Vec<&str> = plan.wants.iter().map(|want| want.lock.as_str()).collect();
    local::prepare(&client, is_local, &locks, size).await?;
    let outer = Outer::of_environment();
    let marks = inherit::marks(&servers);
    let inherited = if plan.inherit {
        inherit::holds(&client, &plan, &marks).await?
    } else {
        plan.wants.iter().map(|_| None).collect()
    };
    let around = Surroundings { servers, outer, inherited, marks };
    let wants: Vec<Want> = around.still_wanted(&plan.wants).cloned().collect();
    if wants.is_empty() {
        return Err(inherit::become_command(&plan, around.environment(&plan, None)));
    }
    let mut signals = Signals::ending()?;
    let held = obtain(&client, &wants, &plan.wish, plan.verbose, &mut signals).await;
    let held = held.map_err(|failure| plan.wish.with_conflict_code(failure))?;
    let ours_since = BootTime::now();
    match command(&plan, &held, &around, &mut signals).await {
        Ok((end, lost)) => {
            // The next host may try a failed job again at once.
            let keeps = plan.min_hold.filter(|_| end == End::Status(0) && !lost);
            let keep = keeps.map(|min_hold| min_hold.saturating_sub(BootTime::now().since(ours_since)));
            let within = if lost { RELEASE_OF_LOST_WITHIN } else { RELEASE_WITHIN };
            let gone = release(held, within, &ReleaseOptions { keep, withhold: None }).await;
            if (lost || gone) && plan.on_lost == OnLost::Kill {
                return Ok(LOST);
            }
            Ok(match end {
                End::Status(code) => code,
                End::Signal(number) => BY_SIGNAL.saturating_add(number),
            })
        }
        Err(failure) => {
            release(held, RELEASE_WITHIN, &ReleaseOptions::default()).await;
            Err(failure)
        }
    }
}

/// Where a run is.
struct Surroundings {
    servers: String,
    /// The run that it is inside of.
    outer: Option<Outer>,
    /// Of each lock that is wanted what somebody around it holds.
    inherited: Vec<Option<HeldLock>>,
    /// All holds around it, so far as the environment tells.
    marks: Vec<Mark>,
}

impl Surroundings {
    /// What nobody around it holds.
    fn still_wanted<'a>(&self, wants: &'a [Want]) -> impl Iterator<Item = &'a Want> {
        wants.iter().zip(&self.inherited).filter(|(_, inherited)| inherited.is_none()).map(|(want, _)| want)
    }

    /// What the command is told, for all locks in the order of the command line.
    fn environment(&self, plan: &Plan, held: Option<&Held>) -> Variables {
        let own = |want: &Want| held.and_then(|held| HeldLock::of(held.ticket(), &want.lock));
        let wanted = plan.wants.iter().zip(&self.inherited);
        let locks: Vec<HeldLock> =
            wanted.filter_map(|(want, inherited)| inherited.clone().or_else(|| own(want))).collect();
        let id = held.filter(|_| plan.export_ticket).map_or("", Held::id);
        let mut environment = environment::variables(&locks, &self.servers, id);
        environment.push((inherit::VARIABLE, inherit::passed_on(&self.marks)));
        environment
    }
}

/// Runs the command to its end; with it whether a lease was lost meanwhile.
async fn command(
    plan: &Plan,
    held: &Held,
    surroundings: &Surroundings,
    signals: &mut Signals,
) -> Result<(End, bool), Failure> {
    let outer = surroundings.outer.as_ref();
    if let Some(given) = held.lease().ttl.filter(|given| *given < plan.shortest_ttl()) {
        let text = format!(
            "`{}` gives leases of {} s only (its max_ttl), which leaves no time to end the command: lower --kill-after",
            clean(&held.ticket().lock_names()),
            given.as_secs_f64(),
        );
        return Err(Failure::new(IMPOSSIBLE, text));
    }
    // Inside of another run there is no more time than that one takes.
    let kill_after = kill_after(plan, held)?.min(outer.map_or(Duration::MAX, Outer::kill_after));
    let board = Board::new().map_err(|error| Failure::new(SYSTEM, format!("no memory for the hold: {error}")))?;
    let guard = Guard::start(kill_after, &board)?;
    // Before there is a command: we may be stopped the moment it runs.
    let ours = held.lease().deadline.filter(|_| plan.on_lost == OnLost::Kill);
    let deadline = ours.into_iter().chain(outer.and_then(Outer::deadline)).min();
    guard.lease(deadline);
    board.post(deadline);
    let terminal = terminal::Terminal::open();
    signals.also_job_control()?;
    let mut environment = surroundings.environment(plan, Some(held));
    environment.push((outer::VARIABLE, Some(board.name(kill_after))));
    let pid = child::start(&plan.command, environment, &guard, terminal.as_ref())?;
    let around = Around { guard: &guard, terminal: terminal.as_ref(), board: &board, outer };
    let outcome = Supervisor::new(plan, kill_after, pid, held, around, signals).watch().await;
    if let Some(terminal) = &terminal {
        terminal.take_back(pid, matches!(outcome.0, End::Signal(_)));
    }
    if !outcome.1 {
        // In the background runs may go on that have holds of their own.
        board.post(None);
    }
    guard.dismiss();
    Ok(outcome)
}

/// The time between TERM and KILL. What may be held only shortly at all takes no more than a third of that for its end.
fn kill_after(plan: &Plan, held: &Held) -> Result<Duration, Failure> {
    let lease = held.lease();
    let Some(deadline) = lease.deadline.filter(|_| lease.last) else { return Ok(plan.kill_after) };
    let whole = deadline.since(BootTime::now());
    let (locks, seconds) = (clean(&held.ticket().lock_names()), whole.as_secs_f64());
    let Some(left) = (whole / 3).checked_sub(MARGIN) else {
        let text = format!(
            "`{locks}` may be held for {seconds:.1} s only (its max_hold_time, or --max-hold), which leaves no time to end \
             the command: it takes {:.0} s at least",
            3.0 * MARGIN.as_secs_f64(),
        );
        return Err(Failure::new(IMPOSSIBLE, text));
    };
    if left < plan.kill_after {
        say(&format!(
            "`{locks}` may be held for {seconds:.1} s only: the command gets TERM {:.1} s before that is over, and KILL \
             {:.1} s later",
            (left + MARGIN).as_secs_f64(),
            left.as_secs_f64(),
        ));
    }
    Ok(left.min(plan.kill_after))
}

/// Gives back what is held. True if the server had ended the ticket before.
async fn release(held: Held, within: Duration, options: &ReleaseOptions) -> bool {
    let locks = clean(&held.ticket().lock_names());
    let lost = held.lease().lost.is_some();
    match held.release_with(within, options).await {
        Err(Error::Refused(problem)) if !lost => {
            let why = clean(&Error::Refused(problem).to_string());
            say(&format!("`{locks}` was lost before the command ended: {why}"));
            true
        }
        Err(error) if !lost => {
            let why = clean(&error.to_string());
            say(&format!("`{locks}` could not be released and stays taken until its lease ends: {why}"));
            false
        }
        Ok(()) | Err(_) => false,
    }
}
