//! `lockserver store check`: is it whole, and can a server use it?

use super::summary::Summary;
use super::{Failed, which};
use crate::cli::Cli;
use crate::store::SqliteReader;
use crate::wall;
use crate::{exit, say};
use lock_core::{Continuity, Table};

pub(super) fn run(cli: &Cli, named: Option<&str>) -> Result<(), Failed> {
    let path = which::file(which::choose(cli, named)?)?;
    let reader = SqliteReader::open(&path)?;
    reader.check()?;
    let snapshot = reader.load()?;
    let (summary, copy) = (Summary::of(&snapshot), snapshot.restart_counters);
    Table::load(snapshot, wall::now_us(), &Continuity::None).map_err(|error| {
        let text = format!("the store {} is damaged: {error}; restore it from a backup", reader.path().display());
        Failed::new(exit::STORE, text)
    })?;
    let copy =
        if copy { "; a copy: tokens and ticket numbers begin at the clock when a server starts on it" } else { "" };
    say::done(format_args!("{} is good: schema {}; {summary}{copy}", reader.path().display(), reader.schema()));
    Ok(())
}
