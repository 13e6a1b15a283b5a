//! The command's process group: signalled, and looked at. What we may not signal is not gone.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process, test_kill_process_group};
use std::fs;

/// What came of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signalled {
    /// Somebody has got it.
    Sent,
    /// Nobody is there.
    Nobody,
    /// Those who are there run as another user, or something else forbids it.
    NotAllowed,
}

/// Sends a signal to all of a group.
pub(super) fn signal(group: Pid, signal: Signal) -> Signalled {
    judged(kill_process_group(group, signal))
}

/// Whether nobody is left, zombies apart where they could not be signalled anyway.
pub(super) fn is_gone(group: Pid) -> bool {
    match judged(test_kill_process_group(group)) {
        Signalled::Nobody => true,
        Signalled::Sent => false,
        // A zombie of another user cannot be signalled either.
        Signalled::NotAllowed => !has_untouchable(group),
    }
}

/// Whether somebody of the group runs whom we may not signal.
pub(super) fn has_untouchable(group: Pid) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let seen = processes.flatten().any(|entry| {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return false };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the name, which may have anything in it: state, parent, group.
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let (state, its_group) = (fields.next(), fields.nth(1));
        state.is_some_and(|state| !matches!(state, "Z" | "X"))
            && its_group.and_then(|its_group| its_group.parse().ok()) == Some(group.as_raw_nonzero().get())
            && test_kill_process(pid) == Err(Errno::PERM)
    });
    // A group that may not be signalled has members, and they may be hidden. A zombie among them is soon buried.
    seen || (judged(test_kill_process_group(group)) == Signalled::NotAllowed && hides_processes())
}

/// Whether /proc does not show the processes of other users (proc(5), `hidepid`; `ProtectProc=` of a systemd unit).
fn hides_processes() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The last mount on a place is the one that is seen.
    let proc = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/proc"));
    let options = proc.and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
    let hidden = options.split(',').find_map(|option| option.strip_prefix("hidepid="));
    hidden.is_some_and(|how| !matches!(how, "0" | "off"))
}

fn judged(outcome: rustix::io::Result<()>) -> Signalled {
    match outcome {
        Ok(()) => Signalled::Sent,
        Err(Errno::SRCH) => Signalled::Nobody,
        Err(_) => Signalled::NotAllowed,
    }
}
