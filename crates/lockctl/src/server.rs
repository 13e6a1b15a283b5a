//! Which server, and with which key.

use crate::cli::Connection;
use crate::exit::Failure;
use lock_client::Client;
use rustix::fs::{Access, access};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Without any other word.
const DEFAULT: &str = "http://127.0.0.1:9090";

/// A client as the options and the environment say.
pub(crate) fn client(connection: &Connection) -> Result<Client, Failure> {
    let mut builder = Client::builder().servers(servers(connection)).timeout(Duration::from_secs(10));
    if let Some(path) = &connection.key_file {
        builder = builder.key_file(path)?;
    } else if let Some(key) = std::env::var("LOCK_KEY").ok().filter(|key| !key.is_empty()) {
        builder = builder.key(key);
    }
    if let Some(path) = &connection.ca {
        builder = builder.ca_certificate(pem(path)?);
    }
    if let (Some(cert), Some(key)) = (&connection.cert, &connection.key) {
        builder = builder.identity(pem(cert)?, pem(key)?);
    }
    Ok(builder.build()?)
}

/// The largest file of certificates that is read: several times what systems have.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

fn pem(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", path.display())))
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
