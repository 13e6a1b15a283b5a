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
use exit::{Failure, USAGE};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == run::GUARD_WORD) {
        return run::guard_main();
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && wants_json() => {
            Failure::usage(in_one_line(&error.to_string())).tell(true);
            return ExitCode::from(USAGE);
        }
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

/// Whether a command line that could not be read asks for JSON; what comes after `--` is somebody else's.
fn wants_json() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// What is wrong with a command line, without the hints and the usage beneath it.
fn in_one_line(error: &str) -> String {
    let first = error.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}
