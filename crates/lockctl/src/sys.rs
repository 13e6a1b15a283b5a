//! What the operating system offers only without a net. Every `unsafe` block of this program is here.

use rustix::process::{Pid, Signal};
use rustix::termios::tcsetpgrp;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Before the command is executed, in the new process: tell the guard its pid through `guard`, and take the terminal if there
/// is one to take.
pub(crate) fn before_exec(command: &mut Command, guard: RawFd, terminal: Option<RawFd>) {
    let prepare = move || {
        // Nothing in here allocates or takes a lock: between fork and exec only async-signal-safe calls are allowed.
        let pid = rustix::process::getpid();
        let mut message = [b'P', 0, 0, 0, 0, 0, 0, 0, 0];
        message[1..].copy_from_slice(&u64::from(pid.as_raw_nonzero().get().unsigned_abs()).to_le_bytes());
        // SAFETY: the descriptors are open in the parent until the spawn has returned, so they are in this copy of it.
        #[expect(unsafe_code, reason = "descriptors outlive their owners' borrows across fork")]
        let (guard, terminal) =
            unsafe { (BorrowedFd::borrow_raw(guard), terminal.map(|fd| BorrowedFd::borrow_raw(fd))) };
        rustix::io::write(guard, &message)?;
        if let Some(terminal) = terminal {
            // Without the terminal the command still runs; it is stopped and asked about when it reads.
            let _ = set_foreground(terminal, pid);
        }
        Ok(())
    };
    // SAFETY: `prepare` makes system calls on the stack only.
    #[expect(unsafe_code, reason = "std has no safe way to run code between fork and exec")]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Before a server is executed that outlives us: a session of its own, so that no terminal and no group takes it along, and none of our
/// files. A pipe of whoever started us would stay open in it, and its reader would wait for ever.
pub(crate) fn detached(command: &mut Command) {
    let prepare = || {
        rustix::process::setsid()?;
        // SAFETY: the call only marks descriptors; they are closed as the server is executed, and std's own is marked already.
        #[expect(unsafe_code, reason = "rustix does not have close_range")]
        let marked = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if marked != 0 {
            // A kernel before 5.11. Higher descriptors than these are rare.
            for fd in 3..FILES_USUAL {
                // SAFETY: as above; a number that is not open is an error that nobody needs.
                #[expect(unsafe_code, reason = "there is no owner of these descriptors to borrow from")]
                let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
            }
        }
        Ok(())
    };
    // SAFETY: `prepare` makes system calls on the stack only.
    #[expect(unsafe_code, reason = "std has no safe way to run code between fork and exec")]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// The usual limit of open files.
const FILES_USUAL: RawFd = 1024;

/// Makes a group the foreground group of the terminal, also from the background: TTOU is held back meanwhile.
pub(crate) fn set_foreground(terminal: BorrowedFd<'_>, group: Pid) -> io::Result<()> {
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are initialised by sigemptyset and by pthread_sigmask before they are read.
    #[expect(unsafe_code, reason = "signal masks have no safe interface")]
    let outcome = unsafe {
        libc::sigemptyset(blocked.as_mut_ptr());
        libc::sigaddset(blocked.as_mut_ptr(), libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), old.as_mut_ptr());
        let outcome = tcsetpgrp(terminal, group);
        libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), std::ptr::null_mut());
        outcome
    };
    Ok(outcome?)
}

/// Removes variables that are empty from our environment, and so from the command's.
pub(crate) fn forget_empty(names: &[&str]) {
    for name in names {
        if std::env::var_os(name).is_some_and(|value| value.is_empty()) {
            // SAFETY: this is called before there is another thread.
            #[expect(unsafe_code, reason = "other threads may read the environment; there are none yet")]
            unsafe {
                std::env::remove_var(name);
            }
        }
    }
}

fn action(signal: i32, new: Option<&libc::sigaction>) -> libc::sigaction {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers are valid or null, as sigaction(2) allows; a zeroed sigaction is a valid one.
    #[expect(unsafe_code, reason = "signal actions have no safe interface")]
    unsafe {
        libc::sigaction(signal, new, old.as_mut_ptr());
        old.assume_init()
    }
}

fn plain_action(handler: libc::sighandler_t) -> libc::sigaction {
    // SAFETY: a zeroed sigaction is a valid one: no flags, an empty mask.
    #[expect(unsafe_code, reason = "sigaction has private padding")]
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    new.sa_sigaction = handler;
    new
}

/// Whether the parent process wants this signal ignored, as nohup(1) and shells without job control do.
pub(crate) fn is_ignored(signal: i32) -> bool {
    action(signal, None).sa_sigaction == libc::SIG_IGN
}

/// Ignores a signal from now on.
pub(crate) fn ignore(signal: i32) {
    action(signal, Some(&plain_action(libc::SIG_IGN)));
}

/// Stops the group that we are in with this signal, as if we had no handler for it. Returns when we go on.
pub(crate) fn stop_own_group(signal: Signal) {
    let old = action(signal.as_raw(), Some(&plain_action(libc::SIG_DFL)));
    // A group that nobody could continue is not stopped by the kernel: then we go on at once.
    let _ = rustix::process::kill_current_process_group(signal);
    action(signal.as_raw(), Some(&old));
}

/// The number behind a file, for another process's copy of it.
pub(crate) fn number_of(file: &File) -> RawFd {
    file.as_raw_fd()
}
