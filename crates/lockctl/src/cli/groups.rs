//! The commands in groups: first what is done every day.

use super::Cli;
use crate::options;
use clap::CommandFactory;
use std::fmt::Write as _;

const GROUPS: [(&str, &[&str]); 4] = [
    ("Hold a lock", &["run", "acquire", "renew", "release"]),
    ("Look", &["status", "history", "watch", "verify", "check"]),
    (
        "Administer",
        &["create", "set", "resize", "pause", "resume", "withhold", "restore", "outside", "revoke", "delete", "reload"],
    ),
    ("Set up", &["completions", "man", "help"]),
];

/// Commands that ask no server: options about one are not for them.
const ALONE: [&str; 2] = ["completions", "man"];

/// Whether a command asks no server.
pub(crate) fn is_alone(name: &str) -> bool {
    ALONE.contains(&name)
}

/// The command line as it is declared.
pub(crate) fn plain_command() -> clap::Command {
    options::hidden_from(&ALONE, Cli::command())
}

/// The same for completions.
pub(crate) fn command_to_complete() -> clap::Command {
    options::left_out_of(&ALONE, Cli::command())
}

/// The command line, with help in which the commands stand in groups.
pub(crate) fn command() -> clap::Command {
    let command = plain_command();
    let mut list = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(list, "{title}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print this, or the help of a command".to_owned());
            let _ = writeln!(list, "  {name:<13}{about}");
        }
        list.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}Options:\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).chain(["help"]).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
