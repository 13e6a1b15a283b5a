//! Completions and manual pages, from the same table as `--help`.

use crate::cli;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// The section of the manual for programs of administrators, `man 8 lockserver`.
const SECTION: &str = "8";

#[must_use]
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command_to_complete(), "lockserver", &mut text);
    text
}

/// Writes the manual pages into a directory, which is made if it is not there: `lockserver.8`, `lockserver-key.8` and so on.
///
/// # Errors
/// If the directory cannot be made or written.
pub fn manual(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    // The version alone: which commit it was built from is no business of the manual.
    let mut command = cli::command().version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    command.build();
    pages(&command, directory)
}

fn pages(command: &clap::Command, directory: &Path) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages(sub, directory)?;
    }
    Man::new(command.clone()).section(SECTION).generate_to(directory).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page() {
        let directory = tempfile::tempdir().unwrap();
        manual(&directory.path().join("man")).unwrap();
        for (page, words) in [
            ("lockserver.8", "Exit status: 0 stopped in order"),
            ("lockserver-check\\-config.8", "print every problem"),
            ("lockserver-key-new.8", "Make a key"),
        ] {
            let path = directory.path().join("man").join(page.replace('\\', ""));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.contains(words), "{page}");
            assert!(text.lines().any(|line| line.starts_with(".TH") && line.contains(" 8 ")), "{page}");
            assert_eq!(text.contains("admin\\-socket"), !page.contains("key"), "{page}");
        }
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let text = String::from_utf8(completions(shell)).unwrap();
            assert!(text.contains("check-config"), "{shell}");
            // Keys are made without a configuration.
            let words = "complete -c lockserver -n \"__fish_lockserver_using_subcommand key";
            let of_keys: Vec<&str> = text.lines().filter(|line| line.starts_with(words)).collect();
            assert_eq!(of_keys.is_empty(), shell != clap_complete::Shell::Fish, "{text}");
            assert!(of_keys.iter().all(|line| !line.contains("admin-socket")), "{of_keys:?}");
        }
    }
}
