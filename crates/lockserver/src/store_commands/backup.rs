//! `lockserver store backup`: a consistent copy, while the server runs or not.

use super::summary::Summary;
use super::{Failed, which};
use crate::cli::Cli;
use crate::store::SqliteReader;
use crate::wall;
use crate::{exit, say};
use std::path::{Path, PathBuf};

/// What a store has beside its database, and a backup must not be.
const PARTS: [&str; 5] = ["", "-wal", "-shm", "-journal", ".lock"];

pub(super) fn run(cli: &Cli, dest: &Path, force: bool) -> Result<(), Failed> {
    let store = which::file(which::choose(cli, None)?)?;
    let reader = SqliteReader::open(&store)?;
    let dest = target(dest)?;
    for part in PARTS {
        let mut taken = reader.path().as_os_str().to_owned();
        taken.push(part);
        if dest.as_os_str() == taken {
            let text = format!("{} is the store itself, or a part of it: name another file", dest.display());
            return Err(Failed::new(exit::USAGE, text));
        }
    }
    let when = wall::now();
    let snapshot = reader.save(&dest, force)?;
    let bytes = dest.metadata().map_or(0, |found| found.len());
    say::done(format_args!(
        "saved {} to {}: {}; {bytes} bytes, schema {}, as of {when}",
        reader.path().display(),
        dest.display(),
        Summary::of(&snapshot),
        reader.schema(),
    ));
    Ok(())
}

/// DEST in a directory without symbolic links, so that it is known which file it is.
fn target(dest: &Path) -> Result<PathBuf, Failed> {
    let failed = |why: &str| Failed::new(exit::CANNOT_CREATE, format!("{} cannot be written: {why}", dest.display()));
    if dest.is_dir() {
        return Err(failed("it is a directory; name a file in it"));
    }
    let absolute = std::path::absolute(dest).map_err(|error| failed(&error.to_string()))?;
    let (Some(directory), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(failed("name a file"));
    };
    let directory = directory
        .canonicalize()
        .map_err(|error| failed(&format!("its directory {}: {error}; make it first", directory.display())))?;
    Ok(directory.join(name))
}
