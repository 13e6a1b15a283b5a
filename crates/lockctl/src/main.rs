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
            let exports = error.use_stderr() && !wants_json() && command_meant().is_some_and(|name| name == "acquire");
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
    // Plugins of Icinga have no other status for that.
    let is_check = command_meant().is_some_and(|name| name == "check");
    let code = if is_check { act::UNKNOWN } else { USAGE };
    if wants_json() {
        return Err(Failure::usage(in_one_line(&error.to_string())).with_code(code));
    }
    // Nowhere to tell it if that fails.
    let _ = error.print();
    Err(Failure::silent(code))
}

/// What can be read of a command line in which something is wrong.
fn readable() -> Option<clap::ArgMatches> {
    cli::plain_command().ignore_errors(true).try_get_matches().ok()
}

/// The command that somebody wanted whose command line could not be read.
fn command_meant() -> Option<String> {
    let read = readable().and_then(|matches| matches.subcommand_name().map(str::to_owned));
    // Behind an option that does not exist nothing is read.
    read.or_else(|| {
        let commands = cli::plain_command();
        words().filter_map(|word| word.into_string().ok()).find(|word| commands.find_subcommand(word).is_some())
    })
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
    if error.kind() != clap::error::ErrorKind::MissingRequiredArgument || std::env::args_os().any(|word| word == "--") {
        return false;
    }
    let Some((name, run)) = readable().and_then(|mut matches| matches.remove_subcommand()) else { return false };
    let count = |of: &str| run.get_many::<String>(of).map_or(0, |values| values.count());
    name == "run" && count("locks") + count("lock") > 1
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
