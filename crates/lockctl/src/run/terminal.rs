//! The terminal and whose it is.

use super::group;
use crate::sys;
use rustix::process::{Pid, getpgrp};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::os::fd::{AsFd, RawFd};

/// The controlling terminal.
pub(super) struct Terminal {
    tty: File,
    /// How it was set before the command had it.
    modes: Option<Termios>,
}

impl Terminal {
    /// Nothing if there is none.
    pub(super) fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let modes = tcgetattr(&tty).ok();
        Some(Self { tty, modes })
    }

    /// Whether our own group is in the foreground.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).is_ok_and(|group| group == getpgrp())
    }

    /// The terminal, if the command is to have it from its beginning. In a pipeline it gets it when it asks, for others of the
    /// pipeline, a pager say, may need it.
    pub(super) fn to_give(&self) -> Option<RawFd> {
        let alone = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        (alone && self.is_ours()).then(|| sys::number_of(&self.tty))
    }

    /// Gives it to a group.
    pub(super) fn give(&self, group: Pid) {
        // A terminal that has hung up belongs to nobody.
        let _ = sys::set_foreground(self.tty.as_fd(), group);
    }

    /// Takes it back from the command, if that has it; with its settings if the command could not restore them.
    pub(super) fn take_back(&self, command: Pid, reset: bool) {
        // Others of our session, the shell above all, keep it when we run in the background. A group that is gone, which the
        // command may have made, keeps nothing.
        let is_the_commands = tcgetpgrp(&self.tty).is_ok_and(|group| group == command || group::is_gone(group));
        if self.is_ours() || !is_the_commands {
            return;
        }
        self.give(getpgrp());
        if let Some(modes) = self.modes.as_ref().filter(|_| reset) {
            let _ = tcsetattr(&self.tty, OptionalActions::Drain, modes);
        }
    }
}
