//! The `lockserver` binary: turns what was typed into an exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use lockserver::access::{KeyName, Patterns, Rights, Secret};
use lockserver::cli::{Cli, Command, KeyCommand};
use lockserver::{config, daemon, exit, generate, os, say, store_commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a SIGHUP that comes before the server listens for it waits, and is a reload then.
    let held = os::hold_hangup();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results, everything else is a mistake and says so.
            let printed = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { say::reported(printed, exit::OK) });
        }
    };
    let Some(command) = &cli.command else {
        #[expect(unsafe_code, reason = "the promise that there are no other threads can be made here only")]
        // SAFETY: nothing above starts a thread.
        let code = unsafe { daemon::run(&cli.sources(), cli.way(), held) };
        return ExitCode::from(code);
    };
    drop(held);
    ExitCode::from(run(&cli, command))
}

/// What was asked for instead of serving. Returns the exit code.
fn run(cli: &Cli, command: &Command) -> u8 {
    match command {
        Command::CheckConfig { strict } => {
            let result = daemon::judge(cli.sources().load());
            let (report, is_good) = match strict {
                true => config::check_strictly(&result),
                false => (config::check_report(&result), result.is_ok()),
            };
            say::report(report.as_bytes(), if is_good { exit::OK } else { exit::CONFIG })
        }
        Command::Key(KeyCommand::New { name, rights, locks }) => match Secret::generate() {
            // Also where the reader has gone away: nobody has the secret then.
            Ok(secret) => match say::result(new_key(name, *rights, locks, &secret).as_bytes()) {
                Ok(()) => exit::OK,
                Err(error) => {
                    say::complain(format!(
                        "the key cannot be written to standard output: {error}; its secret is kept nowhere, so make another one"
                    ));
                    exit::CANNOT_CREATE
                }
            },
            Err(error) => {
                say::complain(error);
                exit::IMPOSSIBLE
            }
        },
        Command::Store(command) => store_commands::run(cli, command),
        Command::Completions { shell } => say::report(&generate::completions(*shell), exit::OK),
        Command::Man { directory } => match generate::manual(directory) {
            Ok(()) => exit::OK,
            Err(error) => {
                say::complain(format!("the manual pages cannot be written into {}: {error}", directory.display()));
                exit::IMPOSSIBLE
            }
        },
    }
}

/// The first line is the secret alone, for scripts.
fn new_key(name: &KeyName, rights: Rights, locks: &Patterns, secret: &Secret) -> String {
    format!(
        "{}\n\n\
         # Above is the secret, shown this once. Clients send it as 'Authorization: Bearer SECRET' or as the password of\n\
         # user '{name}' (http://{}:SECRET@HOST:9090/RPC2); lockctl takes it from LOCK_KEY or a file named in LOCK_KEY_FILE.\n\
         # Below is the section for the server's configuration; a reload is enough.\n\
         [key {name}]\nSECRET_HASH={}\nLOCKS={locks}\nRIGHTS={rights}\n",
        secret.reveal(),
        name.in_url(),
        secret.digest(),
    )
}
