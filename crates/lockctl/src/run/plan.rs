//! What was asked for, checked before anything happens.

use crate::cli::{OnLost, Run, Waiting};
use crate::exit::{BUSY, Failure};
use lock_client::AcquireOptions;
use lock_client::api::Permits;
use lock_client::api::text::clean;
use rustix::process::getppid;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

/// How long before its deadline a lease counts as lost.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// Between TERM and KILL, if nobody says otherwise and the lease leaves room for it.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// Locks of a ticket, as the server bounds them.
const LOCKS_MAX: usize = 16;

/// Permits of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) lock: String,
    pub(crate) permits: Permits,
    /// Their number was said.
    given: bool,
}

/// Whether slots or tags can be asked for together with these.
pub(crate) fn check_selection(wants: &[Want], waiting: &Waiting) -> Result<(), Failure> {
    let slots = waiting.slot.len();
    match wants {
        _ if slots == 0 && waiting.tag.is_empty() => Ok(()),
        [Want { permits: Permits::Count(count), given: true, .. }] if slots > 0 && *count as usize != slots => {
            let text = format!("{count} permits do not fit {slots} named slots: leave the number out");
            Err(Failure::usage(text))
        }
        [_] => Ok(()),
        _ => Err(Failure::usage("--slot and --tag need exactly one lock")),
    }
}

impl Want {
    /// Reads `LOCK` or `LOCK=PERMITS`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let (lock, permits) = match text.rsplit_once('=') {
            None => (text, Permits::default()),
            Some((lock, "all")) => (lock, Permits::All),
            Some((lock, number)) => match number.parse() {
                Ok(count) if count > 0 => (lock, Permits::Count(count)),
                _ => {
                    let hint = "after the last `=` write a number of permits from 1, or `all`";
                    return Err(Failure::usage(format!("`{text}`: {hint} (a name with `=` in it is written NAME=1)")));
                }
            },
        };
        if lock.is_empty() {
            return Err(Failure::usage(format!("`{text}`: the name of the lock is missing")));
        }
        Ok(Self { lock: lock.to_owned(), permits, given: lock.len() < text.len() })
    }

    /// The same of each of them, with every lock once.
    pub(crate) fn parse_all<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<Vec<Self>, Failure> {
        let mut wants: Vec<Self> = Vec::new();
        for text in texts {
            let want = Self::parse(text)?;
            if wants.iter().any(|earlier| earlier.lock == want.lock) {
                return Err(Failure::usage(format!("`{}` is named twice: write {0}=PERMITS", want.lock)));
            }
            wants.push(want);
        }
        if wants.len() > LOCKS_MAX {
            let count = wants.len();
            return Err(Failure::usage(format!(
                "{count} locks are asked for, and one ticket is for {LOCKS_MAX} at most"
            )));
        }
        Ok(wants)
    }
}

/// Their names, with commas between.
pub(crate) fn names(wants: &[Want]) -> String {
    wants.iter().map(|want| want.lock.as_str()).collect::<Vec<_>>().join(", ")
}

/// How to ask.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) options: AcquireOptions,
    conflict_code: u8,
}

impl Wish {
    /// Busy has the status that -E names. If that is 0 it is no failure, and cron has nothing to send.
    pub(crate) fn with_conflict_code(&self, failure: Failure) -> Failure {
        match self.conflict_code {
            _ if failure.code != BUSY => failure,
            0 => Failure::silent(0),
            code => failure.with_code(code),
        }
    }
}

/// How to ask, from the options; how long silence may add to a wait that has an end.
pub(crate) fn wish(waiting: &Waiting, ttl: Option<Duration>, info: String, patience: Duration) -> Wish {
    let options = AcquireOptions {
        permits: Permits::default(),
        slots: waiting.slot.clone(),
        tags: waiting.tag.clone(),
        wait: waiting.limit(),
        ttl,
        info: waiting.info.clone().unwrap_or(info),
        priority: waiting.priority,
        max_hold: waiting.max_hold,
        supersede: waiting.latest.clone(),
        patience: Some(patience),
    };
    Wish { options, conflict_code: waiting.conflict_exit_code.unwrap_or(BUSY) }
}

/// Host, process and name of the command: enough to find it, and no argument that may be secret. Without a command it is a
/// script that keeps the ticket, and that is who started us.
pub(crate) fn info(command: Option<&OsStr>) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match command.map(Path::new).and_then(Path::file_name) {
        Some(name) => format!("{host}:{} {}", std::process::id(), clean(&name.to_string_lossy())),
        None => {
            let parent = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
            let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
            let name = name.trim();
            format!("{host}:{parent} {}", if name.is_empty() { "acquire".into() } else { clean(name) })
        }
    }
}

/// A run as it was asked for.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of the command line.
    pub(super) wants: Vec<Want>,
    pub(super) wish: Wish,
    pub(super) kill_after: Duration,
    /// After a success nobody is given the permits before they were ours for so long.
    pub(super) min_hold: Option<Duration>,
    pub(super) on_lost: OnLost,
    pub(super) export_ticket: bool,
    pub(super) verbose: bool,
    /// What a run around this one holds needs no ticket.
    pub(super) inherit: bool,
    pub(super) command: Vec<OsString>,
}

impl Plan {
    pub(super) fn new(run: Run, patience: Duration) -> Result<Self, Failure> {
        let wants = Want::parse_all(run.lock.iter().chain(&run.locks))?;
        check_selection(&wants, &run.waiting)?;
        let info = info(run.command.first().map(OsString::as_os_str));
        let plan = Self {
            wish: wish(&run.waiting, Some(run.ttl), info, patience),
            wants,
            kill_after: run.kill_after.unwrap_or_else(|| KILL_AFTER.min((run.ttl / 3).saturating_sub(MARGIN))),
            min_hold: run.min_hold,
            on_lost: run.on_lost,
            export_ticket: run.export_ticket,
            verbose: run.verbose,
            inherit: run.inherit,
            command: run.command,
        };
        if run.ttl < plan.shortest_ttl() {
            return Err(Failure::usage(format!(
                "--ttl {} is too short to end the command in time: at least 3 x (--kill-after + 1), here {} s",
                run.ttl.as_secs_f64(),
                plan.shortest_ttl().as_secs_f64(),
            )));
        }
        Ok(plan)
    }

    /// Below that there may be no time to end the command between a renewal that fails and the end of the lease.
    pub(super) fn shortest_ttl(&self) -> Duration {
        3 * (self.kill_after + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_permits() {
        let cases = [
            ("san", Some(("san", Permits::Count(1)))),
            ("san=3", Some(("san", Permits::Count(3)))),
            ("san=all", Some(("san", Permits::All))),
            ("a=b=2", Some(("a=b", Permits::Count(2)))),
            ("san=0", None),
            ("san=x", None),
            ("a=b", None),
            ("=2", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(lock, permits)| (lock.to_owned(), permits));
            assert_eq!(Want::parse(text).ok().map(|want| (want.lock, want.permits)), expected, "{text}");
        }
    }
}
