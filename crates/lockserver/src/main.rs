//! The `lockserver` binary: turns what was typed into an exit code.

use clap::Parser;
use lockserver::cli::{Cli, Command};
use lockserver::{config, daemon, exit};
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
    match cli.command {
        Some(Command::CheckConfig) => {
            let result = cli.sources().load();
            // Whoever reads it may stop early (`| head`); the exit code is the answer.
            drop(std::io::stdout().write_all(config::check_report(&result).as_bytes()));
            ExitCode::from(if result.is_ok() { exit::OK } else { exit::CONFIG })
        }
        None => ExitCode::from(daemon::run(&cli.sources(), cli.admin_socket.as_deref())),
    }
}
