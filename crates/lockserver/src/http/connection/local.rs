//! The administrators' socket: a Unix socket whose file mode says who may connect.

use super::stream::{Accept, Peer, Stream};
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
    #[error("{0}: this file exists and is not a socket; remove it, or choose another path with --admin-socket")]
    NoSocket(PathBuf),
    /// What the system says.
    #[error("{path}: {error}")]
    Other { path: PathBuf, error: io::Error },
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
        // Another user's: whether a server answers on it, the kernel says.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => match listens(path) {
            Ok(true) => Err(LocalError::InUse(path.to_owned())),
            Ok(false) => fs::remove_file(path).map_err(other),
            Err(_) => Err(other(error)),
        },
        Err(error) => Err(other(error)),
    }
}

/// Whether a socket of this path listens, by the kernel's list of them (proc_pid_net(5)).
fn listens(path: &Path) -> io::Result<bool> {
    // Num RefCount Protocol Flags Type St Inode Path; __SO_ACCEPTCON among the flags says that it listens.
    const ACCEPTS: u32 = 0x10000;
    let whole = fs::canonicalize(path)?;
    let list = fs::read_to_string("/proc/net/unix")?;
    Ok(list.lines().skip(1).any(|line| {
        let flags = line.split_whitespace().nth(3).and_then(|flags| u32::from_str_radix(flags, 16).ok());
        let name =
            (0..7).fold(line, |rest, _| rest.trim_start().split_once(' ').map_or("", |(_, rest)| rest)).trim_start();
        let name = Path::new(name);
        // One that was bound by a relative path may be this one.
        let same =
            if name.is_absolute() { name == whole || name == path } else { name.file_name() == path.file_name() };
        flags.is_some_and(|flags| flags & ACCEPTS != 0) && same
    }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_whether_a_socket_listens() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(listens(&path).unwrap(), "it listens");
        drop(listener);
        assert!(path.exists(), "its file stays");
        assert!(!listens(&path).unwrap(), "nobody listens any more");
        remove_stale(&path).unwrap();
        assert!(!path.exists(), "a dead one is removed");
    }
}
