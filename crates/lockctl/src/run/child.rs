//! The command: in a group of its own, known to the guard before it is executed; or in our place.

use super::environment::Variables;
use super::guard::Guard;
use super::terminal::Terminal;
use crate::exit::{CANNOT_RUN, Failure, NO_COMMAND, SYSTEM};
use crate::{say, sys};
use rustix::process::Pid;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Starts it. Its pid is the name of its group too.
pub(super) fn start(
    words: &[OsString],
    environment: Variables,
    guard: &Guard,
    terminal: Option<&Terminal>,
) -> Result<Pid, Failure> {
    let mut command = prepare(words, environment)?;
    command.process_group(0);
    sys::before_exec(&mut command, guard.descriptor(), terminal.and_then(Terminal::to_give));
    let child = command.spawn().map_err(|error| cannot_run(&command, &error))?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Failure::new(CANNOT_RUN, "the system returned an invalid process id"))
}

/// Becomes the command, in the group that we are in. Returns only if that cannot be.
pub(super) fn execute(words: &[OsString], environment: Variables) -> Failure {
    match prepare(words, environment) {
        Ok(mut command) => {
            say::flush();
            let error = command.exec();
            cannot_run(&command, &error)
        }
        Err(failure) => failure,
    }
}

fn prepare(words: &[OsString], environment: Variables) -> Result<Command, Failure> {
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::usage("there is no command"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // Nobody but its maker is to know the ticket, and the key is ours.
    command.env_remove("LOCK_KEY");
    Ok(command)
}

fn cannot_run(command: &Command, error: &io::Error) -> Failure {
    let code = match error.raw_os_error() {
        _ if error.kind() == ErrorKind::NotFound => NO_COMMAND,
        // No room for another process says nothing about the command.
        Some(libc::EAGAIN | libc::ENOMEM | libc::ENFILE | libc::EMFILE) => SYSTEM,
        _ => CANNOT_RUN,
    };
    Failure::new(code, format!("{}: {error}", command.get_program().to_string_lossy()))
}
