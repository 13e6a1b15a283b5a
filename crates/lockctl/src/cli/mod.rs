//! The command line: what was typed, nothing executed.

mod admin;
mod take;

pub(crate) use admin::{Create, Delete, Pause, Resize, Restore, Revoke};
pub(crate) use take::{Acquire, OnLost, Release, Renew, Run, Waiting};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// The variables that stand for options, and those that tell about a hold.
pub(crate) const VARIABLES: [&str; 8] = [
    "LOCK_CA",
    "LOCK_CERT",
    "LOCK_CERT_KEY",
    "LOCK_CONNECT_TIMEOUT",
    "LOCK_KEY",
    "LOCK_KEY_FILE",
    "LOCK_SERVER",
    "LOCK_TICKET",
];

/// At the end of the help and of the manual page.
pub(super) const EXIT_STATUS: &str = "Exit status: that of the command (128 + N if signal N ended it), 64 usage, 69 no \
    server, 71 refused by this machine, 75 busy or timed out (or -E), 76 lease lost, 77 not allowed, 78 no such lock or \
    impossible request, 126 and 127 as the shell; 1 if what is there now does not allow a change.";

/// Hold locks of a lockserver while commands run, and look after them
#[derive(Debug, Parser)]
#[command(name = "lockctl", version = env!("LOCKSERVER_VERSION"), max_term_width = 100, propagate_version = true)]
#[command(after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Address of a server, https://HOST:PORT, http://HOST:PORT or unix:/PATH; several with commas, tried in turn. Without it the socket of
    /// the server on this machine, else http://127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", env = "LOCK_SERVER", value_delimiter = ',', global = true)]
    pub(crate) server: Vec<String>,
    /// File with the secret of a key; LOCK_KEY holds the secret itself
    #[arg(long, value_name = "FILE", env = "LOCK_KEY_FILE", global = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// With https: trust servers for which the certificates in this PEM file vouch, beside those that this machine trusts
    #[arg(long, value_name = "FILE", env = "LOCK_CA", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// With https: show the server this certificate (PEM file); --key is its key
    #[arg(long, value_name = "FILE", env = "LOCK_CERT", global = true, requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of --cert (PEM file); the secret of a lockserver key is given by --key-file
    #[arg(long, value_name = "FILE", env = "LOCK_CERT_KEY", global = true, requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// How long a server that does not answer is tried by what waits without an end (30). Commands that look or administer, and -n,
    /// give up after 3 seconds at most, -w 3 seconds after its own time
    #[arg(long, value_name = "SECONDS", env = "LOCK_CONNECT_TIMEOUT", global = true, value_parser = seconds,
        allow_negative_numbers = true)]
    pub(crate) connect_timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold locks while a command runs
    Run(Run),
    /// Take a lock and print its ticket as `export` lines, for scripts
    Acquire(Acquire),
    /// Give a ticket a new lease
    Renew(Renew),
    /// Give a ticket back, or cancel it
    Release(Release),
    /// Show all locks, or one with its holders and its queue
    Status {
        /// The lock
        lock: Option<String>,
        /// Show the server instead: version, store, configuration, warnings
        #[arg(long, conflicts_with = "lock")]
        server_itself: bool,
    },
    /// Print every change as it happens
    Watch {
        /// Only of this lock
        lock: Option<String>,
    },
    /// Make a lock
    Create(Create),
    /// Change how many permits a lock has
    Resize(Resize),
    /// Stop the grants of a lock; holders go on
    Pause(Pause),
    /// Let a paused lock grant again
    Resume {
        /// The lock
        lock: String,
    },
    /// Restore permits that are withheld after a holder was lost
    Restore(Restore),
    /// End somebody's ticket
    Revoke(Revoke),
    /// Delete a lock
    Delete(Delete),
    /// Ask whether a fencing token is a holder's now; status 0 if it is, 76 if not
    Verify {
        /// The lock
        lock: String,
        /// The token
        token: u64,
    },
    /// Make the server read its configuration again
    Reload,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// The directory; it is made if it is not there
        directory: PathBuf,
    },
}

impl Command {
    /// Whether it changes what only administrators may change.
    pub(crate) fn is_for_administrators(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Resize(_)
                | Self::Pause(_)
                | Self::Resume { .. }
                | Self::Restore(_)
                | Self::Revoke(_)
                | Self::Delete(_)
                | Self::Reload
        )
    }
}

impl Cli {
    /// Whether it prints lines for a shell that evaluates them.
    pub(crate) fn prints_exports(&self) -> bool {
        matches!(self.command, Command::Acquire(_)) && !self.json
    }

    /// Whether it takes permits.
    pub(crate) fn takes(&self) -> bool {
        matches!(self.command, Command::Run(_) | Command::Acquire(_))
    }
}

/// Seconds, with decimals if need be.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a number of seconds from 0 is expected, such as 30 or 0.5".to_owned();
    let value: f64 = text.trim().parse().map_err(|_| wrong())?;
    if !(0.0..=3.2e9).contains(&value) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_argument_has_help() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{}", sub.get_name());
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", sub.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds(" 30"), Ok(Duration::from_secs(30)));
        for bad in ["", "-1", "1m", "inf", "NaN", "1e30"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
