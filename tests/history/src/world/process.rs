//! A process that is started again and again.

use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a process may take to die of `kill -9`.
const DYING: Duration = Duration::from_secs(5);

/// It ends when this is dropped, and when the thread that started it ends.
#[derive(Debug, Default)]
pub(crate) struct Process(Option<Child>);

impl Process {
    /// Starts it by a command of its host; what it writes is added to this file.
    pub(super) fn start(&mut self, command: &mut Command, log: &Path) -> io::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let started = command.spawn();
        self.0 = Some(
            started
                .map_err(|error| io::Error::other(format!("setpriv (Debian's util-linux) does not start: {error}")))?,
        );
        Ok(())
    }

    /// Whether it runs, or stands still.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// How it has ended, if nobody told it to.
    pub(super) fn ended_by_itself(&mut self) -> Option<ExitStatus> {
        let status = self.0.as_mut()?.try_wait().ok()??;
        self.0 = None;
        Some(status)
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.runs()
            && let Some(pid) =
                self.0.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        {
            kill_process(pid, signal).expect("a child that was not waited for takes signals");
        }
    }

    /// `kill -9`. What has ended by itself is left to be found.
    pub(crate) async fn kill(&mut self) {
        if self.runs()
            && let Some(mut child) = self.0.take()
        {
            child.kill().await.expect("a child can be killed");
        }
    }

    /// Waits for its end, which somebody has asked for.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        let Some(mut child) = self.0.take() else { return Ok(()) };
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        let status = ended.map_err(|_| io::Error::other("it does not end on SIGTERM"))??;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
    }
}

impl Drop for Process {
    /// Dead when this returns, so that the directory it writes to can be removed.
    fn drop(&mut self) {
        let Some(child) = &mut self.0 else { return };
        let (_, begun) = (child.start_kill(), Instant::now());
        while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < DYING {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
