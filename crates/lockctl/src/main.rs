//! The `lockctl` binary: parse what was typed (`cli`), plan it, act. Knows the server through `lock-client` only.

mod act;
mod cli;
mod exit;
mod local;
mod nearest;
#[path = "../../options.rs"]
mod options;
mod run;
mod say;
mod server;
mod settings;
mod show;
#[path = "../../stdout.rs"]
mod stdout;
mod sys;
mod words;

use clap::FromArgMatches as _;
use clap::error::{ContextKind, ContextValue};
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
    let parsed = cli::command().try_get_matches();
    let named = parsed.as_ref().is_ok_and(cli::names_server);
    let (json, exports, outcome) = match parsed.and_then(|matches| cli::Cli::from_arg_matches(&matches)) {
        Ok(mut cli) => {
            cli.connection.is_named = named;
            let exports = cli.prints_exports();
            // What cannot be printed is not taken.
            let begun = if exports { show::out(&run::before_exports()) } else { Ok(()) };
            (cli.json, exports, begun.and_then(|()| act::act(cli)))
        }
        Err(mut error) => {
            suggest_command(&mut error);
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
    if !error.use_stderr() {
        let printed = stdout::lock().map(drop).and_then(|()| error.print()).and_then(|()| std::io::stdout().flush());
        return printed.map(|()| 0).map_err(|error| show::unwritten(&error));
    }
    if lacks_dashes(error) {
        return Err(Failure::usage(DASHES));
    }
    if wants_json() {
        return Err(Failure::usage(in_one_line(&error.to_string())));
    }
    // Nowhere to tell it if that fails.
    let _ = error.print();
    // Plugins of Icinga have no other status for that.
    let is_check = words().next().is_some_and(|word| word == "check");
    Err(Failure::silent(if is_check { act::UNKNOWN } else { USAGE }))
}

/// Adds the command that was meant to an error about one that does not exist.
fn suggest_command(error: &mut clap::Error) {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let commands = cli::plain_command();
    let names = commands.get_subcommands().map(clap::Command::get_name);
    if error.get(ContextKind::SuggestedSubcommand).is_none()
        && let Some(meant) = nearest::nearest(typed, names)
    {
        let meant = ContextValue::Strings(vec![meant.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
}

/// What to do about a command that stands where locks do, as flock(1) has it.
const DASHES: &str = "the command is missing: write -- before it, as in lockctl run san-ssh -- ssh san show volumes";

/// Whether somebody typed `run` with more than a lock, and without `--`.
fn lacks_dashes(error: &clap::Error) -> bool {
    let all: Vec<_> = std::env::args_os().skip(1).collect();
    let typed = all.iter().filter(|word| !word.as_encoded_bytes().starts_with(b"-")).count();
    error.kind() == clap::error::ErrorKind::MissingRequiredArgument
        && all.first().is_some_and(|first| first == "run")
        && typed > 2
        && all.iter().all(|word| word != "--")
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
