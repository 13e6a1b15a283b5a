//! `STORE`: what it says, and where the table lives when nothing says it.

use super::etcd;
use super::value::quote;
use crate::store::EtcdPlace;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The file's name in the directory that was found.
const FILE: &str = "lockserver.db";

pub use crate::store::StoreChoice;

/// Reads the value of `STORE`: `None` for the default place. A service's working directory is nobody's choice, and the same
/// table must be found again.
pub(super) fn parse(text: &str) -> Result<Option<StoreChoice>, String> {
    read_store(text, |path| match path.starts_with('/') {
        true => Ok(PathBuf::from(path)),
        false => Err(format!("{} is not an absolute path; write sqlite:/absolute/path", quote(path))),
    })
}

/// Reads what names a store: `None` for the default place. `absolute` makes of a path one that is absolute, or says why it
/// does not.
pub(crate) fn read_store(
    text: &str,
    absolute: impl Fn(&str) -> Result<PathBuf, String>,
) -> Result<Option<StoreChoice>, String> {
    let choices = "write memory, sqlite:/absolute/path or etcd:http://HOST:2379,http://HOST:2379";
    let (kind, path) = text.split_once(':').map_or((text, None), |(kind, path)| (kind, Some(path)));
    match (kind.to_lowercase().as_str(), path) {
        ("memory", None) => Ok(Some(StoreChoice::Memory)),
        ("sqlite", None) => Ok(None),
        ("sqlite", Some(path)) => sqlite_path(path, absolute).map(|path| Some(StoreChoice::Sqlite(path))),
        ("etcd", members) => {
            let endpoints = etcd::endpoints(members.unwrap_or_default())?;
            Ok(Some(StoreChoice::Etcd(Box::new(EtcdPlace::of(endpoints)))))
        }
        _ if text.starts_with('/') => {
            Err(format!("{} has no kind; did you mean {}?", quote(text), quote(&format!("sqlite:{text}"))))
        }
        _ => Err(format!("{} is not a store; {choices}", quote(text))),
    }
}

fn sqlite_path(text: &str, absolute: impl Fn(&str) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    if text == ":memory:" {
        return Err("write STORE=memory to keep nothing on disk".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{} contains control characters", quote(text)));
    }
    let path = absolute(text)?;
    if text.ends_with('/') {
        return Err(format!("{} is a directory; add a file name", quote(text)));
    }
    Ok(path)
}

/// The store without `STORE`: in `$STATE_DIRECTORY` (systemd.exec(5)), else in `/var/lib/lockserver` if that can be
/// written, else in `$XDG_STATE_HOME/lockserver` (XDG Base Directory Specification 0.8).
pub(super) fn default_store(root: &Path, environment: &[(OsString, OsString)]) -> Result<StoreChoice, String> {
    let variable = |name: &str| -> Option<&OsStr> {
        let (_, value) = environment.iter().rev().find(|(key, _)| key == name)?;
        Some(value.as_os_str())
    };
    let absolute = |value: &OsStr| Path::new(value).is_absolute().then(|| PathBuf::from(value));
    let given = variable("STATE_DIRECTORY").and_then(first_directory);
    let system = root.join("var/lib/lockserver");
    let directory = if let Some(given) = given {
        given
    } else if system.is_dir() && access(&system, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        system
    } else if let Some(state) = variable("XDG_STATE_HOME").and_then(absolute) {
        state.join("lockserver")
    } else if let Some(home) = variable("HOME").and_then(absolute) {
        home.join(".local/state/lockserver")
    } else {
        return Err(format!(
            "{} cannot be written and HOME is not set; write STORE=sqlite:/absolute/path or STORE=memory",
            system.display()
        ));
    };
    Ok(StoreChoice::Sqlite(directory.join(FILE)))
}

/// systemd sets several directories with colons between them.
fn first_directory(value: &OsStr) -> Option<PathBuf> {
    let first = std::env::split_paths(value).next()?;
    first.is_absolute().then_some(first)
}
