//! The command line: what was typed, nothing executed.

use crate::access::{KeyName, Patterns, Rights};
use crate::config::{self, Sources};
use crate::daemon::Way;
use crate::options;
use crate::store_commands::StoreCommand;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use lock_api::Seconds;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Caps how many of anything run at once, across machines.
#[derive(Debug, Parser)]
#[command(name = "lockserver", version = env!("LOCKSERVER_VERSION"), max_term_width = 100, subcommand_negates_reqs = true)]
#[command(after_help = "Exit status: 0 stopped in order, 64 usage, 69 address not available, 70 internal error, \
    74 store not usable, 78 configuration not usable.\nSIGHUP reads the configuration again and reopens the log and the audit log; \
    SIGTERM and SIGINT stop the server in order.\nService managers: NOTIFY_SOCKET, WATCHDOG_USEC and LISTEN_FDS are understood, see docs/start-scripts.md.")]
pub struct Cli {
    /// Read this configuration file instead of those in /etc
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Address to listen on, as SERVER in the file
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub server: Option<String>,
    /// Port to listen on, as PORT in the file; 0 picks one
    #[arg(long, value_name = "PORT", global = true)]
    pub port: Option<u16>,
    /// Where locks and tickets are kept, as STORE in the file: sqlite:PATH, etcd:http://HOST:2379,... or memory
    #[arg(long, value_name = "STORE", global = true)]
    pub store: Option<String>,
    /// Least important lines to log: superdebug, debug, info, warning, error
    #[arg(long, value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,
    /// Log to this file instead of standard error
    #[arg(long, value_name = "FILE", global = true)]
    pub log_file: Option<PathBuf>,
    /// Unix socket for administrators, instead of admin.sock in the runtime directory
    #[arg(long, value_name = "PATH", global = true)]
    pub admin_socket: Option<PathBuf>,
    /// Listen on no port: all clients come to the socket of --admin-socket, and each of them is an administrator
    #[arg(long, requires = "admin_socket", conflicts_with_all = ["server", "port"])]
    pub socket_only: bool,
    /// Stop when for so long no client was connected, and no permit was in use, waited for or withheld: 10m, 1h30m
    #[arg(long, value_name = "TIME", value_parser = idle_time)]
    pub idle_exit: Option<Duration>,
    /// Without a command the server runs
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, print every problem and what would be in force, and exit
    CheckConfig {
        /// A warning is a failure, too (78): for CI
        #[arg(long)]
        strict: bool,
    },
    /// Make keys for clients
    #[command(subcommand)]
    Key(KeyCommand),
    /// Save, restore, copy, check and print stores
    #[command(subcommand)]
    Store(StoreCommand),
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

/// What to do about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key: print its secret, which is kept nowhere, and the section for the configuration
    New {
        /// Its name: letters, digits, '-', '_', '.', '@' and '/'
        #[arg(value_parser = key_name)]
        name: KeyName,
        /// What it may do: use, observe, admin, with commas between
        #[arg(long, value_name = "RIGHTS", default_value = "use, observe", value_parser = config::rights)]
        rights: Rights,
        /// The locks that it is for, with commas between; a `*` at the end of a name stands for anything
        #[arg(long, value_name = "LOCKS", default_value = "*", value_parser = config::patterns)]
        locks: Patterns,
    },
}

fn key_name(text: &str) -> Result<KeyName, String> {
    let name = KeyName::new(text).map_err(|error| error.to_string())?;
    if !name.may_have_secret() {
        return Err("a name with ':' is for client certificates, which need no secret".to_owned());
    }
    Ok(name)
}

fn idle_time(text: &str) -> Result<Duration, String> {
    let time = Seconds::from_words(text).map(Duration::from).filter(|time| !time.is_zero());
    time.ok_or_else(|| "a time above 0 is expected, such as 600 (seconds), 10m or 1h30m".to_owned())
}

/// Commands that read no configuration: options that stand for one are not for them.
const ALONE: [&str; 3] = ["completions", "key", "man"];

/// The command line, for the help and the manual.
#[must_use]
pub fn command() -> clap::Command {
    options::hidden_from(&ALONE, Cli::command())
}

/// The same for completions.
#[must_use]
pub fn command_to_complete() -> clap::Command {
    options::left_out_of(&ALONE, Cli::command())
}

impl Cli {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches()?)
    }

    /// How clients reach the server, and how long it stays.
    #[must_use]
    pub fn way(&self) -> Way<'_> {
        Way { admin_socket: self.admin_socket.as_deref(), socket_only: self.socket_only, idle_exit: self.idle_exit }
    }

    /// Everything that the configuration is read from.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let text = |value: &Option<String>| value.clone().map(OsString::from);
        let overrides = [
            ("--server", text(&self.server)),
            ("--port", self.port.map(|port| port.to_string().into())),
            ("--store", text(&self.store)),
            ("--log-level", text(&self.log_level)),
            ("--log-file", self.log_file.clone().map(OsString::from)),
        ];
        Sources {
            root: PathBuf::from("/"),
            config: self.config.clone(),
            environment: std::env::vars_os().collect(),
            overrides: overrides.into_iter().filter_map(|(flag, value)| Some((flag, value?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        command_to_complete().debug_assert();
    }
}
