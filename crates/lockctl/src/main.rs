//! The `lockctl` binary: parse what was typed (`cli`), plan it, act. Knows the server through `lock-client` only.

mod act;
mod cli;
mod exit;
mod run;
mod server;
mod show;
mod sys;
mod words;

use clap::Parser;
use exit::USAGE;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == run::GUARD_WORD) {
        return run::guard_main();
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nowhere to tell it if that fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let json = cli.json;
    match act::act(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.tell(json);
            ExitCode::from(failure.code)
        }
    }
}
