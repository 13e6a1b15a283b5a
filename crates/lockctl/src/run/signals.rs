//! Signals as they come.

use crate::exit::{Failure, SYSTEM};
use crate::sys;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that end us while we wait, and are passed on while the command runs.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
/// Those that are passed on while the command runs, and mean nothing before.
const OTHERS: [i32; 2] = [libc::SIGUSR1, libc::SIGUSR2];
/// Those that tell of the command and of job control.
const JOB_CONTROL: [i32; 3] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGTSTP];

/// The signals that we listen for. What our starter has us ignore stays ignored, for the command as well.
pub(crate) struct Signals(Vec<(i32, Signal)>);

impl Signals {
    /// Those that are known from the beginning.
    pub(crate) fn ending() -> Result<Self, Failure> {
        let mut signals = Self(Vec::new());
        for number in ENDING.into_iter().chain(OTHERS) {
            signals.listen(number)?;
        }
        Ok(signals)
    }

    /// Those that matter once there is a command.
    pub(super) fn also_job_control(&mut self) -> Result<(), Failure> {
        JOB_CONTROL.into_iter().try_for_each(|number| self.listen(number))
    }

    fn listen(&mut self, number: i32) -> Result<(), Failure> {
        if number != libc::SIGCHLD && sys::is_ignored(number) {
            return Ok(());
        }
        let stream = signal(SignalKind::from_raw(number))
            .map_err(|error| Failure::new(SYSTEM, format!("signal {number} cannot be caught: {error}")))?;
        self.0.push((number, stream));
        Ok(())
    }

    pub(crate) async fn next(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (number, stream) in &mut self.0 {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The next one that ends us.
    pub(crate) async fn next_ending(&mut self) -> u8 {
        loop {
            let number = self.next().await;
            if ENDING.contains(&number) {
                return u8::try_from(number).unwrap_or(u8::MAX);
            }
        }
    }
}
