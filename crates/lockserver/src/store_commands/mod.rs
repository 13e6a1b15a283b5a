//! `lockserver store ...`: what operators do with stores, one file for each action. `docs/backup.md` has the words for
//! people.
//!
//! What only one kind of store can do (a file that is saved, put in place, looked into) is asked of that kind; `copy` goes
//! through the trait alone.

mod arguments;
mod backup;
mod check;
mod copy;
mod dump;
mod restore;
mod summary;
mod which;

pub use arguments::StoreCommand;
pub use copy::{CopyError, copy_table};

use crate::cli::Cli;
use crate::store::{OpenError, SaveError, StoreError};
use crate::{exit, os};
use std::io::{self, Write};

/// Why a command did not do what was asked: an exit code, and what went wrong, where, and what to do.
#[derive(Debug)]
struct Failed {
    code: u8,
    text: String,
}

impl Failed {
    fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        let code = if matches!(error, OpenError::InUse { .. }) { exit::IN_USE } else { exit::STORE };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::new(exit::STORE, error.to_string())
    }
}

impl From<SaveError> for Failed {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Source(error) => error.into(),
            SaveError::Bad(_) => Self::new(exit::STORE, error.to_string()),
            SaveError::Exists { .. } | SaveError::Target { .. } => Self::new(exit::CANNOT_CREATE, error.to_string()),
        }
    }
}

/// Does it, says what was done or why not, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli, command: &StoreCommand) -> u8 {
    os::ignore_file_size_signal();
    let done = match command {
        StoreCommand::Backup { dest, force } => backup::run(cli, dest, *force),
        StoreCommand::Restore { src, force } => restore::run(cli, src, *force),
        StoreCommand::Copy { from, to } => copy::run(from, to),
        StoreCommand::Check { named } => check::run(cli, named.as_deref()),
        StoreCommand::Dump { named, json, with_ids } => dump::run(cli, named.as_deref(), *json, *with_ids),
    };
    match done {
        Ok(()) => exit::OK,
        Err(Failed { code, text }) => {
            for line in text.lines() {
                eprintln!("lockserver: {line}");
            }
            code
        }
    }
}

/// A line for whoever called; a reader that has gone away does not undo what was done.
fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}
