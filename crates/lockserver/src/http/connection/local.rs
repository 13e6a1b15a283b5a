//! The administrators' socket: a Unix socket whose file mode says who may connect.

use super::accept::Accept;
use super::stream::{Peer, Stream};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Owner and group may connect; connecting needs the right to write (unix(7)).
const MODE: u32 = 0o660;
/// Administrators who may wait to be accepted.
const BACKLOG: i32 = 128;

/// Why there is no such socket.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A server answers on it.
    #[error("{0}: another server answers on this socket; stop it, or choose another path with --admin-socket")]
    InUse(PathBuf),
    /// Something that is not a socket has this name.
    #[error("{0}: there is something that is no socket; remove it, or choose another path with --admin-socket")]
    NoSocket(PathBuf),
    /// What the system says.
    #[error("{path}: {error}")]
    Other {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A listening Unix socket. Its file is removed when it is dropped, unless another has taken its place.
#[derive(Debug)]
pub struct LocalListener {
    inner: UnixListener,
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl LocalListener {
    /// Listens at this path. A file left by a server that is gone is replaced.
    ///
    /// # Errors
    /// See [`LocalError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(path: &Path) -> Result<Self, LocalError> {
        let other = |error| LocalError::Other { path: path.to_owned(), error };
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map_err(other)?;
        socket.set_cloexec(true).map_err(other)?;
        socket.bind(&SockAddr::unix(path).map_err(other)?).map_err(other)?;
        // Before it listens, so that nobody slips in under another mode.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(other)?;
        socket.listen(BACKLOG).map_err(other)?;
        let inner = UnixListener::from_std(std::os::unix::net::UnixListener::from(socket)).map_err(other)?;
        Ok(Self { inner, path: path.to_owned(), inode: inode(path) })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the socket of a server that does not answer any more.
fn remove_stale(path: &Path) -> Result<(), LocalError> {
    let other = |error| LocalError::Other { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
        Ok(file) if !file.file_type().is_socket() => return Err(LocalError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(other),
        Ok(_) => Err(LocalError::InUse(path.to_owned())),
        Err(error) => Err(other(error)),
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            drop(fs::remove_file(&self.path));
        }
    }
}

impl Accept for LocalListener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (stream, _) = self.inner.accept().await?;
        let uid = stream.peer_cred()?.uid();
        Ok((Stream::Local(stream), Peer::Local { uid }))
    }
}
