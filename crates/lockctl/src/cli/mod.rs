//! The command line: what was typed, nothing executed.

mod admin;
mod groups;
mod look;
mod take;

pub(crate) use admin::{Create, Delete, Outside, Pause, Resize, Restore, Revoke, Set, Slot, Which, Withhold};
pub(crate) use groups::{command, command_to_complete, is_alone, plain_command};
pub(crate) use look::{Check, History, Status, Threshold};
pub(crate) use take::{Acquire, OnLost, Release, Renew, Run, Waiting};

use clap::{Args, Parser, Subcommand};
use lock_client::api::Seconds;
use std::path::PathBuf;
use std::time::Duration;

/// The variables that stand for options, and those that tell about a hold.
pub(crate) const VARIABLES: [&str; 9] = [
    "LOCK_CA",
    "LOCK_CERT",
    "LOCK_CERT_KEY",
    "LOCK_CONNECT_TIMEOUT",
    "LOCK_INHERIT",
    "LOCK_KEY",
    "LOCK_KEY_FILE",
    "LOCK_SERVER",
    "LOCK_TICKET",
];

/// Those of them that may stand in a file of settings as well: see `settings`.
pub(crate) const VARIABLES_OF_FILES: [&str; 6] =
    ["LOCK_CA", "LOCK_CERT", "LOCK_CERT_KEY", "LOCK_CONNECT_TIMEOUT", "LOCK_KEY_FILE", "LOCK_SERVER"];

/// At the end of the help and of the manual page.
pub(crate) const EXIT_STATUS: &str = "Exit status: that of the command (128 + N if signal N ended it), 64 usage, 69 no \
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
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Address of a server, https://HOST:PORT, http://HOST:PORT or unix:/PATH; several with commas, tried in turn; or
    /// `local`, see --local. Without it LOCK_SERVER in ~/.config/lockserver/client.conf or /etc/lockserver/client.conf, else the
    /// socket of the server on this machine, else http://127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", env = "LOCK_SERVER", value_delimiter = ',', global = true)]
    pub(crate) server: Vec<String>,
    /// Ask the server of your own on this machine, whatever else is set; --server local is the same. It starts when somebody needs it,
    /// and ends when nobody has used it for 10 minutes. Its locks are made by their first use
    #[arg(long, global = true)]
    pub(crate) local: bool,
    /// --server was typed, and does not come from the environment.
    #[arg(skip)]
    pub(crate) is_named: bool,
    /// File with the secret of a key; LOCK_KEY holds the secret itself
    #[arg(long, value_name = "FILE", env = "LOCK_KEY_FILE", global = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// With https: trust servers for which the certificates in this PEM file vouch, beside those that this machine trusts
    #[arg(long, value_name = "FILE", env = "LOCK_CA", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// With https: show the server this certificate (PEM file); --cert-key is its key
    #[arg(long, value_name = "FILE", env = "LOCK_CERT", global = true, requires = "cert_key")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of --cert (PEM file); the secret of a lockserver key is given by --key-file
    #[arg(long, value_name = "FILE", env = "LOCK_CERT_KEY", global = true, requires = "cert")]
    pub(crate) cert_key: Option<PathBuf>,
    /// How long a server that does not answer is tried by what waits without an end (30). Commands that look or administer, and -n,
    /// give up after 3 seconds at most, -w 3 seconds after its own time
    #[arg(long, value_name = "TIME", env = "LOCK_CONNECT_TIMEOUT", global = true, value_parser = seconds,
        allow_negative_numbers = true)]
    pub(crate) connect_timeout: Option<Duration>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold locks while a command runs
    Run(Run),
    /// Take one lock or several and print the ticket as `export` lines, for scripts
    Acquire(Acquire),
    /// Give a ticket a new lease
    Renew(Renew),
    /// Give a ticket back, or cancel it
    Release(Release),
    /// Show all locks, or one with its holders and its queue
    Status(Status),
    /// Show what happened lately, who did it, and how long was waited and held
    History(History),
    /// Print every change as it happens
    Watch {
        /// Only of this lock
        lock: Option<String>,
    },
    /// For Icinga and Nagios: how long the first in line has waited, against thresholds
    Check(Check),
    /// Make a lock
    Create(Create),
    /// Change settings of a lock
    Set(Set),
    /// Change how many permits a lock has
    Resize(Resize),
    /// Stop the grants of a lock; holders go on
    Pause(Pause),
    /// Let a paused lock grant again
    Resume {
        /// The lock
        lock: String,
    },
    /// Withhold permits, or slots by their names: nobody is given them. Holders go on
    Withhold(Withhold),
    /// Restore permits that are withheld
    Restore(Restore),
    /// Report how many permits are in use in all, so that what others use is withheld
    Outside(Outside),
    /// End somebody's ticket, or many at once
    Revoke(Revoke),
    /// Delete a lock
    Delete(Delete),
    /// Ask whether a fencing token is a holder's now; status 0 if it is, 76 if not
    Verify {
        /// The lock
        lock: String,
        /// The token
        #[arg(value_parser = whole::<u64>)]
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
    /// The lock that it names, if it names one.
    pub(crate) fn lock(&self) -> Option<&str> {
        match self {
            Self::Status(asked) => asked.lock.as_deref(),
            Self::Watch { lock } => lock.as_deref(),
            Self::History(asked) => asked.lock.as_deref(),
            Self::Check(asked) => Some(&asked.lock),
            Self::Create(asked) => Some(&asked.lock),
            Self::Set(asked) => Some(&asked.lock),
            Self::Resize(asked) => Some(&asked.lock),
            Self::Pause(asked) => Some(&asked.lock),
            Self::Resume { lock } | Self::Verify { lock, .. } => Some(lock),
            Self::Withhold(asked) => Some(&asked.lock),
            Self::Restore(asked) => Some(&asked.lock),
            Self::Outside(asked) => Some(&asked.lock),
            Self::Revoke(asked) => Some(&asked.lock),
            Self::Delete(asked) => Some(&asked.lock),
            Self::Release(asked) => asked.number.is_some().then_some(asked.ticket.as_str()),
            Self::Run(_)
            | Self::Acquire(_)
            | Self::Renew(_)
            | Self::Reload
            | Self::Completions { .. }
            | Self::Man { .. } => None,
        }
    }

    /// Whether it changes what only administrators may change.
    pub(crate) fn is_for_administrators(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Set(_)
                | Self::Resize(_)
                | Self::Pause(_)
                | Self::Resume { .. }
                | Self::Withhold(_)
                | Self::Restore(_)
                | Self::Outside(_)
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

    /// Whether it needs its server for longer than a moment.
    pub(crate) fn stays(&self) -> bool {
        self.takes() || matches!(self.command, Command::Watch { .. })
    }

    /// Whether it takes permits.
    pub(crate) fn takes(&self) -> bool {
        matches!(self.command, Command::Run(_) | Command::Acquire(_))
    }
}

/// Whether --server stands on the command line.
pub(crate) fn names_server(matches: &clap::ArgMatches) -> bool {
    let matches = matches.subcommand().map_or(matches, |(_, sub)| sub);
    matches.value_source("server") == Some(clap::parser::ValueSource::CommandLine)
}

/// A time: seconds, with decimals if need be, or numbers with units.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "a time from 0 is expected, such as 30 or 0.5 (seconds), 5m or 1h30m".to_owned();
    Seconds::from_words(text).map(Duration::from).ok_or_else(wrong)
}

/// A whole number of a type that has some of them.
pub(crate) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number: u64 = text.trim().parse().map_err(|_| "a whole number from 0 is expected, such as 7".to_owned())?;
    T::try_from(number).map_err(|_| "the number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_argument_has_help() {
        let command = plain_command();
        command.clone().debug_assert();
        command_to_complete().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{}", sub.get_name());
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", sub.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn numbers() {
        assert_eq!((whole("7"), whole("18446744073709551615")), (Ok(7_u8), Ok(u64::MAX)));
        for bad in ["", "-1", "abc", "1.5", "18446744073709551616"] {
            assert_eq!(whole::<u64>(bad), Err("a whole number from 0 is expected, such as 7".to_owned()), "{bad}");
        }
        assert_eq!(whole::<u8>("256"), Err("the number is too large".to_owned()));
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds(" 30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "-1", "1x", "inf", "NaN", "1e30"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
