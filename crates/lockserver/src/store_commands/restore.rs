//! `lockserver store restore`: a backup in the place of the store.

use super::summary::Summary;
use super::{Failed, which};
use crate::cli::Cli;
use crate::store::{OpenError, SqlitePlace, SqliteReader};
use crate::wall;
use crate::{exit, say};
use lock_core::{Continuity, Table};
use std::path::Path;

pub(super) fn run(cli: &Cli, src: &Path, force: bool) -> Result<(), Failed> {
    let store = which::file(which::choose(cli, None)?)?;
    let bad = |failed: Failed| Failed::new(failed.code, format!("{}\nnothing was changed", failed.text));
    let reader = SqliteReader::open(src).map_err(|error| bad(error.into()))?;
    reader.check().map_err(|error| bad(error.into()))?;
    let snapshot = reader.load().map_err(|error| bad(error.into()))?;
    Table::load(snapshot, wall::now_us(), &Continuity::None)
        .map_err(|error| bad(Failed::new(exit::STORE, format!("{}: {error}", reader.path().display()))))?;

    let place = SqlitePlace::take(&store).map_err(place_error)?;
    if place.path() == reader.path() {
        let text = format!("{} is the store itself: name a backup", src.display());
        return Err(Failed::new(exit::USAGE, text));
    }
    let replaced = place.fill(&reader, force, &format!(".replaced-{}", wall::for_a_name()))?;
    let kept = replaced.kept.map_or_else(String::new, |kept| format!("; the earlier store is {} now", kept.display()));
    say::done(format_args!(
        "restored {} from {}: {}{kept}",
        place.path().display(),
        reader.path().display(),
        Summary::of(&replaced.snapshot)
    ));
    Ok(())
}

/// A place that cannot be used is a file that cannot be made, unless a server has it.
pub(super) fn place_error(error: OpenError) -> Failed {
    let failed = Failed::from(error);
    Failed { code: if failed.code == exit::IN_USE { failed.code } else { exit::CANNOT_CREATE }, ..failed }
}
