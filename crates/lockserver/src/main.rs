//! The `lockserver` binary: turns what was typed into an exit code.

use clap::Parser;
use lockserver::access::{KeyName, Secret};
use lockserver::cli::{Cli, Command, KeyCommand};
use lockserver::{config, daemon, exit, generate, store_commands};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake. A closed pipe is neither.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    match &cli.command {
        Some(Command::CheckConfig) => {
            let result = cli.sources().load();
            // Whoever reads it may stop early (`| head`); the exit code is the answer.
            drop(std::io::stdout().write_all(config::check_report(&result).as_bytes()));
            ExitCode::from(if result.is_ok() { exit::OK } else { exit::CONFIG })
        }
        Some(Command::Key(KeyCommand::New { name })) => match Secret::generate() {
            Ok(secret) => {
                drop(std::io::stdout().write_all(new_key(name, &secret).as_bytes()));
                ExitCode::from(exit::OK)
            }
            Err(error) => {
                eprintln!("lockserver: {error}");
                ExitCode::from(exit::IMPOSSIBLE)
            }
        },
        Some(Command::Store(command)) => ExitCode::from(store_commands::run(&cli, command)),
        Some(Command::Completions { shell }) => {
            drop(std::io::stdout().write_all(&generate::completions(*shell)));
            ExitCode::from(exit::OK)
        }
        Some(Command::Man { directory }) => match generate::manual(directory) {
            Ok(()) => ExitCode::from(exit::OK),
            Err(error) => {
                eprintln!("lockserver: the manual pages cannot be written into {}: {error}", directory.display());
                ExitCode::from(exit::IMPOSSIBLE)
            }
        },
        None => {
            #[expect(unsafe_code, reason = "the promise that there are no other threads can be made here only")]
            // SAFETY: nothing above starts a thread.
            let code = unsafe { daemon::run(&cli.sources(), cli.admin_socket.as_deref()) };
            ExitCode::from(code)
        }
    }
}

/// The first line is the secret alone, for scripts.
fn new_key(name: &KeyName, secret: &Secret) -> String {
    format!(
        "{}\n\n\
         # Above is the secret, shown this once. Clients send it as 'Authorization: Bearer SECRET' or as the password of\n\
         # user '{name}' (http://{name}:SECRET@HOST:9090/RPC2); lockctl takes it from LOCK_KEY or a file named in LOCK_KEY_FILE.\n\
         # Below is the section for the server's configuration; a reload is enough.\n\
         [key {name}]\nSECRET_HASH={}\nLOCKS=*\nRIGHTS=use, observe\n",
        secret.reveal(),
        secret.digest(),
    )
}
