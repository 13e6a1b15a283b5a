//! What is printed: tables that people like to read, colours on a terminal only, and nothing that a client wrote can steer it.

mod event;
mod lock;
mod locks;
mod server;
mod table;
mod time;

pub(crate) use event::{event, history};
pub(crate) use lock::{info, one_lock, ticket};
pub(crate) use locks::{all_locks, tickets};
pub(crate) use server::{reloaded, server};
pub(crate) use time::{age, human, instant, since};

use crate::exit::{BY_SIGNAL, Failure, SYSTEM};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

/// Its number on Linux.
const SIGPIPE: u8 = 13;

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// Colours on a terminal that has some, unless `NO_COLOR` is set (no-color.org).
    pub(crate) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
        Self { on: std::io::stdout().is_terminal() && !refused && !dumb }
    }

    /// Without any.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn busy(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }
}

/// Writes what was asked for to standard output. What cannot be written is a failure. Of a reader that has gone, `head` say,
/// nobody wants to hear, but it ends us as it ends every other command: with the status of SIGPIPE.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    let write = || {
        let mut stdout = crate::stdout::lock()?;
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    };
    write().map_err(|error| unwritten(&error))
}

/// Why standard output could not be written, as a failure.
pub(crate) fn unwritten(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::silent(BY_SIGNAL + SIGPIPE),
        _ => Failure::new(SYSTEM, format!("standard output cannot be written: {error}")),
    }
}

/// Writes JSON to standard output: on one line if it is one of many, else for people too.
pub(crate) fn out_json(value: &impl Serialize, one_of_many: bool) -> Result<(), Failure> {
    let text = if one_of_many { serde_json::to_string(value) } else { serde_json::to_string_pretty(value) };
    out(&format!("{}\n", text.map_err(|error| Failure::new(SYSTEM, error.to_string()))?))
}
