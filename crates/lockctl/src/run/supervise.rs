//! From the start of the command to its end: signals are passed on, stops are followed, leases are watched.

use super::group::{self, Signalled};
use super::guard::Guard;
use super::outer::{Board, Outer};
use super::plan::{MARGIN, Plan};
use super::signals::Signals;
use super::terminal::Terminal;
use super::watchdog::{Action, Watchdog};
use crate::cli::OnLost;
use crate::say::{clean, say};
use crate::{sys, words};
use lock_client::{BootTime, Held, Lease, Lost};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, wait, waitpid};
use std::time::Duration;
use tokio::sync::watch;

/// How often we look whether a group that was told to end has ended; and the longest time without a look at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(1);
/// How long we wait for a group that was killed: what is stuck in the kernel then, or is a zombie of nobody, runs no more.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How long after our own stop we look whether we were stopped at all.
const STOP_SETTLES: Duration = Duration::from_millis(100);

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this status.
    Status(u8),
    /// By this signal.
    Signal(u8),
}

/// What is around a command.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) guard: &'a Guard,
    pub(super) terminal: Option<&'a Terminal>,
    /// Where we tell runs inside of ours.
    pub(super) board: &'a Board,
    /// The run that we are inside of.
    pub(super) outer: Option<&'a Outer>,
}

/// Watches one command.
pub(super) struct Supervisor<'a> {
    plan: &'a Plan,
    group: Pid,
    /// The names of its locks.
    name: String,
    lease: watch::Receiver<Lease>,
    around: Around<'a>,
    signals: &'a mut Signals,
    watchdog: Watchdog,
    end: Option<End>,
    told: Option<BootTime>,
    /// Where an outer run cannot be asked: when our command has to be gone after its TERM.
    termed: Option<BootTime>,
    /// It was said that the command cannot be signalled.
    untouchable: bool,
    warned: bool,
    /// The command gave the locks back itself, with the ticket that it was given.
    given_back: bool,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        kill_after: Duration,
        group: Pid,
        held: &Held,
        around: Around<'a>,
        signals: &'a mut Signals,
    ) -> Self {
        let watchdog = Watchdog::new(kill_after);
        Self {
            plan,
            group,
            name: held.ticket().lock_names(),
            lease: held.watch(),
            around,
            signals,
            watchdog,
            end: None,
            told: None,
            termed: None,
            untouchable: false,
            warned: false,
            given_back: false,
        }
    }

    /// To the end of the command; of its whole group if it had to be ended. With it whether a lease was lost.
    pub(super) async fn watch(mut self) -> (End, bool) {
        loop {
            self.reap().await;
            let deadline = self.judge();
            let ending = self.watchdog.is_ending();
            if let Some(end) = self.end
                && (!ending || self.is_gone())
            {
                return (end, ending || self.warned);
            }
            let wake = match self.watchdog.next(deadline) {
                _ if ending || self.around.outer.is_some() => LOOK_EVERY,
                Some(next) => next.since(BootTime::now()).min(IDLE),
                None => IDLE,
            };
            tokio::select! {
                number = self.signals.next() => self.pass_on(number),
                () = changed(&mut self.lease) => {}
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn is_gone(&self) -> bool {
        let stuck = self.watchdog.killed_at().is_some_and(|at| BootTime::now().since(at) > GONE_WITHIN);
        group::is_gone(self.group) || (stuck && !group::has_untouchable(self.group))
    }

    /// Looks at the leases, ours and that of a run around us, and does what has to be done. The deadline of the one that ends first.
    fn judge(&mut self) -> Option<BootTime> {
        let now = BootTime::now();
        let lease = self.lease.borrow().clone();
        let lease = self.unless_given_back(lease);
        let outer = self.around.outer.and_then(Outer::deadline).into_iter().chain(self.termed).min();
        let lost = lease.as_ref().and_then(|lease| lease.lost.as_ref());
        if self.plan.on_lost == OnLost::Warn
            && let Some(lost) = lost.filter(|_| !self.warned)
        {
            let (name, why) = (clean(&self.name), clean(&lost.to_string()));
            say(&format!("`{name}` is lost, the command goes on without it: {why}"));
            self.warned = true;
        }
        let kills = self.plan.on_lost == OnLost::Kill;
        let ours = lease.as_ref().and_then(|lease| lease.deadline).filter(|_| kills);
        let deadline = ours.into_iter().chain(outer).min();
        if deadline != self.told {
            self.around.guard.lease(deadline);
            self.around.board.post(deadline);
            self.told = deadline;
        }
        let ended = kills && lost.is_some_and(|lost| matches!(lost, Lost::Ended(_)));
        let action = self.watchdog.judge(now, deadline, ended);
        if let Some(kill_at) = self.watchdog.kill_at().filter(|_| action != Action::None) {
            // Before TERM: an inner run that hears it is to know what time it has.
            self.around.board.post(Some(kill_at + MARGIN));
            self.told = deadline;
        }
        match action {
            Action::None => {}
            Action::Term => {
                match lost.filter(|_| kills) {
                    Some(lost) => {
                        let (name, why) = (clean(&self.name), clean(&lost.to_string()));
                        say(&format!("`{name}` is lost, ending the command: {why}"));
                    }
                    None if outer.is_some() && outer == deadline => {
                        say("the outer hold is over, ending the command");
                    }
                    None if lease.as_ref().is_some_and(|lease| lease.last && lease.deadline == deadline) => {
                        say("the longest hold is over, ending the command");
                    }
                    None => say(&unrenewed(&self.name, lease.as_ref())),
                }
                self.around.guard.urgent();
                self.kill(Signal::TERM);
                // A stopped command would not hear it.
                self.kill(Signal::CONT);
            }
            Action::Kill => {
                say("killing the command");
                self.around.guard.urgent();
                self.kill(Signal::KILL);
            }
        }
        deadline
    }

    /// What has to be kept: what the command gave up on purpose is over, and no reason to end it.
    fn unless_given_back(&mut self, lease: Lease) -> Option<Lease> {
        if !lease.lost.as_ref().is_some_and(Lost::is_release) {
            return Some(lease);
        }
        if !self.given_back && self.plan.verbose {
            say(&format!("`{}` was released, the command goes on without it", clean(&self.name)));
        }
        self.given_back = true;
        None
    }

    /// Nobody there is what we want. What may not be signalled is watched on, and never said to have ended.
    fn kill(&mut self, signal: Signal) {
        let sent = group::signal(self.group, signal);
        let fatal = self.watchdog.is_ending();
        if !self.untouchable && (sent == Signalled::NotAllowed || (fatal && group::has_untouchable(self.group))) {
            self.untouchable = true;
            let ends = if fatal { "it goes on without the lock" } else { "it does not get the signal" };
            say(&format!("lockctl may not signal all of the command, which runs as another user: {ends}"));
        }
    }

    fn pass_on(&mut self, number: i32) {
        match Signal::from_named_raw(number) {
            Some(Signal::CHILD) | None => {}
            Some(Signal::CONT) => self.go_on(),
            Some(signal) => {
                self.kill(signal);
                if signal == Signal::TERM && self.termed.is_none() {
                    self.termed = self.around.outer.and_then(|outer| outer.after_term(self.plan.kill_after));
                }
            }
        }
    }

    /// We were continued: so is the command, with the terminal if we have it.
    fn go_on(&mut self) {
        if let Some(terminal) = self.around.terminal.filter(|terminal| terminal.to_give().is_some()) {
            terminal.give(self.group);
        }
        self.kill(Signal::CONT);
    }

    /// Hears of the command's end and of its stops. As the first process of a container we inherit what others leave behind, and
    /// nobody else buries it.
    async fn reap(&mut self) {
        let is_init = getpid().is_init();
        while self.end.is_none() || is_init {
            let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
            let status = match if is_init { wait(options) } else { waitpid(Some(self.group), options) } {
                Ok(Some((pid, _))) if pid != self.group => continue,
                Ok(Some((_, status))) => status,
                Ok(None) | Err(Errno::INTR) => return,
                Err(Errno::CHILD) if self.end.is_some() => return,
                Err(_) => {
                    // Somebody else took its status, which nobody can.
                    self.end = Some(End::Status(crate::exit::SYSTEM));
                    return;
                }
            };
            let number = |raw: i32| u8::try_from(raw).unwrap_or(u8::MAX);
            if let Some(code) = status.exit_status() {
                self.end = Some(End::Status(number(code)));
            } else if let Some(signal) = status.terminating_signal() {
                self.end = Some(End::Signal(number(signal)));
            } else if let Some(signal) = status.stopping_signal() {
                self.stopped(signal).await;
            }
        }
    }

    /// The command was stopped. On a terminal that is job control: we stop too, so that the shell has it again. While we are
    /// stopped nothing renews; the guard ends the command when the lease is over.
    async fn stopped(&mut self, raw: i32) {
        let Some(terminal) = self.around.terminal else { return };
        let Some(signal @ (Signal::TSTP | Signal::TTIN | Signal::TTOU)) = Signal::from_named_raw(raw) else { return };
        if self.watchdog.is_ending() {
            self.kill(Signal::CONT);
            return;
        }
        if signal != Signal::TSTP && terminal.is_ours() {
            // It only asks for the terminal.
            terminal.give(self.group);
            self.kill(Signal::CONT);
            return;
        }
        terminal.take_back(self.group, true);
        sys::stop_own_group(signal);
        tokio::time::sleep(STOP_SETTLES).await;
        if self.judge_after_stop() {
            self.go_on();
        }
    }

    /// Whether the command may go on after a stop that may have been long.
    fn judge_after_stop(&mut self) -> bool {
        self.judge();
        !self.watchdog.is_ending()
    }
}

/// Why the lease was not renewed: what the server said to it, if it said something.
fn unrenewed(name: &str, lease: Option<&Lease>) -> String {
    match lease.and_then(|lease| lease.refused.as_ref()) {
        Some(problem) => format!(
            "the server refuses to renew `{}`, ending the command before its lease ends: {}",
            clean(name),
            clean(&words::of(problem)),
        ),
        None => "the server does not answer, ending the command before its lease ends".to_owned(),
    }
}

/// Returns when the lease is renewed, refused or lost.
async fn changed(lease: &mut watch::Receiver<Lease>) {
    // A keeper that has ended has said its last word.
    if lease.changed().await.is_err() {
        std::future::pending().await
    }
}
