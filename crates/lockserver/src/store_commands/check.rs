//! `lockserver store check`: is it whole, and can a server use it?

use super::source::Source;
use super::summary::Summary;
use super::{Failed, which};
use crate::cli::Cli;
use crate::wall;
use crate::{exit, say};
use lock_core::{Continuity, Table};

pub(super) fn run(cli: &Cli, named: Option<&str>) -> Result<(), Failed> {
    let source = Source::open(which::choose(cli, named)?)?;
    source.check()?;
    let snapshot = source.load()?;
    let name = source.name();
    let name = name.strip_prefix("sqlite:").unwrap_or(&name);
    let (summary, copy) = (Summary::of(&snapshot), snapshot.restart_counters);
    Table::load(snapshot, wall::now_us(), &Continuity::None).map_err(|error| {
        let text = format!("the store {name} is damaged: {error}; restore it from a backup");
        Failed::new(exit::STORE, text)
    })?;
    let copy =
        if copy { "; a copy: tokens and ticket numbers begin at the clock when a server starts on it" } else { "" };
    let schema = source.schema().map(|schema| format!("schema {schema}; ")).unwrap_or_default();
    say::done(format_args!("{name} is good: {schema}{summary}{copy}"));
    Ok(())
}
