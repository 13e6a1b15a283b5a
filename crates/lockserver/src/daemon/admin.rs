//! Where the administrators' socket is.

use crate::http::connection::{LocalError, LocalListener};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Its file in the runtime directory.
const FILE: &str = "admin.sock";

/// Listens on the path that was asked for, else on `admin.sock` in the first runtime directory that can be used:
/// `$RUNTIME_DIRECTORY` (systemd.exec(5)), `/run/lockserver`, `$XDG_RUNTIME_DIR/lockserver`. Without any, a warning.
///
/// # Errors
/// If the path that was asked for cannot be used.
pub(super) fn open(wanted: Option<&Path>) -> Result<Option<LocalListener>, LocalError> {
    if let Some(path) = wanted {
        return LocalListener::bind(path).map(Some);
    }
    let mut tried = Vec::new();
    for directory in directories() {
        match LocalListener::bind(&directory.join(FILE)) {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) => tried.push(error.to_string()),
        }
    }
    let tried = if tried.is_empty() { String::new() } else { format!(" ({})", tried.join("; ")) };
    tracing::warn!(
        "there is no socket for administrators{tried}; name a path with --admin-socket to change locks while the server runs"
    );
    Ok(None)
}

/// Runtime directories that are there or could be made.
fn directories() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd gives several, with colons between.
    let given = variable("RUNTIME_DIRECTORY")
        .and_then(|all| all.to_str().and_then(|all| all.split(':').next()).map(PathBuf::from));
    if let Some(given) = given {
        return vec![given];
    }
    let mine = variable("XDG_RUNTIME_DIR").map(|base| base.join("lockserver"));
    [Some(PathBuf::from("/run/lockserver")), mine].into_iter().flatten().filter(|path| is_usable(path)).collect()
}

fn is_usable(path: &Path) -> bool {
    // Group members must be able to reach the socket, whose own mode says what they may.
    path.is_dir() || fs::DirBuilder::new().mode(0o755).create(path).is_ok()
}
