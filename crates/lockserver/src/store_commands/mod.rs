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
mod source;
mod summary;
mod which;

pub use arguments::StoreCommand;
pub use copy::{CopyError, copy_table};

use crate::cli::Cli;
use crate::store::{OpenError, SaveError, StoreError, abandon_unfinished};
use crate::{exit, os, say};
use std::io;
use tokio::signal::unix::{SignalKind, signal};

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
        match error {
            StoreError::Standby { reason, .. } => {
                Self::new(exit::IN_USE, format!("{reason}, and has the store in etcd: stop all servers of it first"))
            }
            StoreError::Unavailable(_) | StoreError::Damaged(_) => Self::new(exit::STORE, error.to_string()),
        }
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

/// A signal that ends the command ends it without its unfinished file, and with the status that a shell shows for it.
fn tidy_up_when_ended() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = Vec::new();
    {
        let _context = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            signals.push((signal(kind)?, kind.as_raw_value()));
        }
    }
    let wait = move || {
        let each = signals.iter_mut().map(|(signal, number)| {
            Box::pin(async move {
                signal.recv().await;
                *number
            })
        });
        let (number, ..) = runtime.block_on(futures_util::future::select_all(each));
        let _abandoned = abandon_unfinished();
        std::process::exit(128 + number);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Does it, says what was done or why not, and returns the exit code.
#[must_use]
pub fn run(cli: &Cli, command: &StoreCommand) -> u8 {
    os::ignore_file_size_signal();
    if let Err(error) = tidy_up_when_ended() {
        say::complain(format_args!("a signal will leave an unfinished file behind: {error}"));
    }
    let done = match command {
        StoreCommand::Backup { dest, force } => backup::run(cli, dest, *force),
        StoreCommand::Restore { src, force } => restore::run(cli, src, *force),
        StoreCommand::Copy { from, to } => copy::run(cli, from, to),
        StoreCommand::Check { named } => check::run(cli, named.as_deref()),
        StoreCommand::Dump { named, json, with_ids } => dump::run(cli, named.as_deref(), *json, *with_ids),
    };
    match done {
        Ok(()) => exit::OK,
        Err(Failed { code, text }) => {
            say::complain(text);
            code
        }
    }
}
