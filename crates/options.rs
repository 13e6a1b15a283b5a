//! Shared by both programs: options that every command takes, and that mean nothing to a few of them.

use clap::{Arg, Command};

/// Hides the options for all commands from those of these names. They take them all the same: a script may have them everywhere.
pub(crate) fn hidden_from(names: &[&str], command: Command) -> Command {
    let hidden: Vec<Arg> = for_all(&command).map(|option| option.hide(true)).collect();
    command.mut_subcommands(|sub| if names.contains(&sub.get_name()) { sub.args(hidden.clone()) } else { sub })
}

/// The same for completions, which show what is hidden: here those commands do not have them.
pub(crate) fn left_out_of(names: &[&str], command: Command) -> Command {
    let left: Vec<Arg> = for_all(&command).collect();
    let command = command.mut_args(|option| option.global(false));
    command.mut_subcommands(|sub| if names.contains(&sub.get_name()) { sub } else { sub.args(left.clone()) })
}

fn for_all(command: &Command) -> impl Iterator<Item = Arg> {
    command.get_arguments().filter(|option| option.is_global_set()).cloned()
}
