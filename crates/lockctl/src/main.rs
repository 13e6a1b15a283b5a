//! The `lockctl` binary: parse what was typed (`cli`), plan it, act. Knows the server through `lock-client` only.

mod act;
mod cli;
mod exit;
mod run;
mod say;
mod server;
mod show;
#[path = "../../stdout.rs"]
mod stdout;
mod sys;
mod words;

use clap::Parser;
use exit::{Failure, USAGE};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == run::GUARD_WORD) {
        return run::guard_main();
    }
    // A variable that is empty says nothing.
    sys::forget_empty(&cli::VARIABLES);
    let (json, exports, outcome) = match cli::Cli::try_parse() {
        Ok(cli) => {
            let exports = cli.prints_exports();
            // What cannot be printed is not taken.
            let begun = if exports { show::out(&run::before_exports()) } else { Ok(()) };
            (cli.json, exports, begun.and_then(|()| act::act(cli)))
        }
        Err(error) => {
            let exports = error.use_stderr() && !wants_json() && words().any(|word| word == "acquire");
            // Whatever comes of it: what is wrong with the command line is told all the same.
            let _ = exports.then(|| show::out(&run::before_exports()));
            (wants_json(), exports, told(&error))
        }
    };
    let code = outcome.unwrap_or_else(|failure| {
        failure.tell(json);
        if exports {
            // Where that cannot be written, its reader has nothing to go on with either.
            let _ = show::out(&run::instead_of_exports(failure.code));
        }
        failure.code
    });
    say::flush();
    ExitCode::from(code)
}

/// Tells what is wrong with the command line, or the help that was asked for.
fn told(error: &clap::Error) -> Result<u8, Failure> {
    if error.use_stderr() && wants_json() {
        return Err(Failure::usage(in_one_line(&error.to_string())));
    }
    let open = if error.use_stderr() { Ok(()) } else { stdout::lock().map(drop) };
    let printed = open.and_then(|()| error.print()).and_then(|()| std::io::stdout().flush());
    match printed {
        // Nowhere to tell it if that fails.
        _ if error.use_stderr() => Err(Failure::silent(USAGE)),
        Ok(()) => Ok(0),
        Err(error) => Err(show::unwritten(&error)),
    }
}

/// Whether a command line that could not be read asks for JSON; what comes after `--` is somebody else's.
fn wants_json() -> bool {
    words().any(|word| word == "--json")
}

/// What was typed before a `--`.
fn words() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os().skip(1).take_while(|word| word != "--")
}

/// What is wrong with a command line, without the hints and the usage beneath it.
fn in_one_line(error: &str) -> String {
    let first = error.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}
