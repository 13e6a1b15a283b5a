//! Completions and manual pages, from the same table as `--help`.

use crate::cli::Cli;
use crate::exit::{Failure, SYSTEM};
use crate::show;
use clap::CommandFactory;
use std::io;
use std::path::Path;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lockctl", &mut text);
    show::out(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// Writes the manual pages: `lockctl.1`, `lockctl-run.1` and so on.
pub(super) fn manual(directory: &Path) -> Result<u8, Failure> {
    // The version alone: which commit it was built from is no business of the manual.
    let command = Cli::command().version(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command, directory))
        .and_then(|()| two_dashes(&directory.join("lockctl-run.1")))
        .map_err(|error| Failure::new(SYSTEM, format!("{}: {error}", directory.display())))?;
    Ok(0)
}

/// Puts the `--` before the command into the synopsis, where the generator leaves it out.
fn two_dashes(page: &Path) -> io::Result<()> {
    let text = std::fs::read_to_string(page)?;
    // A lock may be given by --lock, too; one there must be.
    let text = text.replacen(r"[\fILOCK[=PERMITS]\fR]", r"<\fILOCK[=PERMITS]\fR>", 1);
    std::fs::write(page, text.replacen(r"<\fICOMMAND\fR>", r"\-\- <\fICOMMAND\fR>", 1))
}
