//! Which server, and with which key.

use crate::cli::Connection;
use crate::exit::Failure;
use lock_client::Client;
use rustix::fs::{Access, access};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Without any other word.
const DEFAULT: &str = "http://127.0.0.1:9090";

/// A client as the options and the environment say.
pub(crate) fn client(connection: &Connection) -> Result<Client, Failure> {
    let mut builder = Client::builder().servers(servers(connection)).timeout(Duration::from_secs(10));
    if let Some(key) = key(connection)? {
        builder = builder.key(key);
    }
    Ok(builder.build()?)
}

/// The servers by name: the options, the local administrator's socket if we may use it, or the default port here.
pub(crate) fn servers(connection: &Connection) -> Vec<String> {
    let named = connection.server.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        return named;
    }
    let usable = |path: &PathBuf| access(path, Access::READ_OK | Access::WRITE_OK).is_ok();
    match sockets().into_iter().find(usable) {
        Some(path) => vec![format!("unix:{}", path.display())],
        None => vec![DEFAULT.to_owned()],
    }
}

/// Where a server that runs here puts its `admin.sock`.
fn sockets() -> Vec<PathBuf> {
    let user = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let folders = [Some(PathBuf::from("/run")), user.map(PathBuf::from)];
    folders.into_iter().flatten().map(|folder| folder.join("lockserver/admin.sock")).collect()
}

fn key(connection: &Connection) -> Result<Option<String>, Failure> {
    let Some(path) = &connection.key_file else {
        return Ok(std::env::var("LOCK_KEY").ok().filter(|key| !key.is_empty()));
    };
    let read = |path: &Path| std::fs::read_to_string(path);
    match read(path) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
        Ok(_) => Err(Failure::usage(format!("{}: there is no key in it", path.display()))),
        Err(error) => Err(Failure::usage(format!("{}: the key cannot be read: {error}", path.display()))),
    }
}
