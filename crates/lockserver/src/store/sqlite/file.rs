//! The database file as a file: where it is, making it, and telling it from another one.

use super::OpenError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Which file this is, as long as nobody copies or replaces it: `device:inode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity(pub(super) String);

impl Identity {
    /// Of whatever has this path now. `None` if there is nothing, or it cannot be asked.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::from_metadata(&found))
    }

    pub(super) fn from_metadata(found: &fs::Metadata) -> Self {
        Self(format!("{}:{}", found.dev(), found.ino()))
    }
}

/// Makes the directory if it is missing (mode 0700, durable), and gives the path of the database without symbolic links:
/// the guard's file must be the same whichever way the database is named.
pub(super) fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    let no_file = || OpenError::io(path, "used as a file", io::Error::from(io::ErrorKind::IsADirectory));
    if let Ok(real) = path.canonicalize() {
        return if real.is_dir() { Err(no_file()) } else { Ok(real) };
    }
    let name = path.file_name().ok_or_else(no_file)?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| OpenError::io(directory, "created", error))?;
    for made in missing {
        sync_directory_of(made)?;
    }
    let directory = directory.canonicalize().map_err(|error| OpenError::io(directory, "opened", error))?;
    Ok(directory.join(name))
}

/// As [`locate`], in a directory that must be there: what root makes would be closed to the server's user.
pub(super) fn locate_existing(path: &Path) -> Result<PathBuf, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::read_dir(directory).map_err(|error| OpenError::io(directory, "opened", error))?;
    locate(path)
}

/// Makes the file if it is missing (mode 0600, durable) and checks that it may be read and written. To be called before
/// SQLite has the file open: closing any descriptor of a file drops all POSIX locks that the process has on it.
pub(super) fn make(path: &Path) -> Result<(), OpenError> {
    let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(file) => {
            give_to_owner_of_directory(&file, path)?;
            file.sync_all().map_err(|error| OpenError::io(path, "written", error))?;
            sync_directory_of(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_writable(path),
        Err(error) => Err(OpenError::io(path, "created", error)),
    }
}

/// Checks that the file is there and may be read and written, for an error that says why not. As [`make`], only while
/// SQLite does not have it open.
pub(super) fn check_writable(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(OpenError::io(path, "opened for reading and writing", error)),
    }
}

/// Makes the entry of `path` in its directory durable.
pub(super) fn sync_directory_of(path: &Path) -> Result<(), OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| OpenError::io(directory, "flushed", error))
}

/// A file that root makes in another user's directory is that user's: the server, which runs as that user, must be able to
/// use it. SQLite does the same with what it makes beside a database.
pub(super) fn give_to_owner_of_directory(file: &File, path: &Path) -> Result<(), OpenError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let directory = path.parent().unwrap_or_else(|| Path::new("/"));
    let owner = fs::metadata(directory).map_err(|error| OpenError::io(directory, "read", error))?;
    // A kindness: where it is not allowed, as on some network file systems, the file is root's, and root can use it.
    if let Err(error) = std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid())) {
        tracing::warn!(
            "{} still belongs to root, because it cannot be given to the owner of its directory: {error}; chown it if \
             the server runs as another user",
            path.display()
        );
    }
    Ok(())
}

/// What is not as [`make`] makes it: tickets' ids are secrets, and who writes into the file decides who holds what. A group
/// may read: that is how others look with `sqlite3`.
pub(in crate::store) fn weaknesses(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let ours = rustix::process::geteuid().as_raw();
    let directory = path.parent().and_then(|directory| Some((directory, fs::metadata(directory).ok()?)));
    // What root makes belongs to the owner of the directory, as whom the server runs.
    let keeper = directory.as_ref().map_or(ours, |(_, place)| if ours == 0 { place.uid() } else { ours });
    let is_foreign = |owner: u32| owner != keeper && owner != 0;
    if let Some((directory, place)) = directory {
        let name = directory.display();
        if place.mode() & 0o022 != 0 && place.mode() & 0o1000 == 0 {
            let mode = place.mode() & 0o7777;
            found.push(format!(
                "{name} has mode {mode:04o}: users other than its owner may replace the store; \
                 chmod go-w {name}"
            ));
        }
        if is_foreign(place.uid()) {
            let owner = place.uid();
            found.push(format!(
                "{name} belongs to user {owner}, and that user may replace the store; chown it to user {ours}, which \
                 runs the server"
            ));
        }
    }
    for part in ["", "-wal", ".lock"] {
        let path = with_suffix(path, part);
        let Ok(file) = fs::metadata(&path) else { continue };
        if is_foreign(file.uid()) {
            found.push(format!(
                "{} belongs to user {}, and that user may change holders and waiters; chown it to user {ours}, which \
                 runs the server",
                path.display(),
                file.uid()
            ));
        }
        let mode = file.mode() & 0o777;
        let what = match (mode & 0o022 != 0, mode & 0o004 != 0) {
            (true, _) => "users other than its owner may change holders and waiters",
            (false, true) => "everybody on this machine may read the ids of tickets, which are secrets",
            (false, false) => continue,
        };
        found.push(format!("{} has mode {mode:04o}: {what}; chmod 0600 {}", path.display(), path.display()));
    }
    if let Ok(file) = fs::metadata(path)
        && file.nlink() > 1
    {
        found.push(format!(
            "{} has another name (a hard link): after a crash, a server that opens that name misses the last commits, \
             which are in the -wal file of this one; remove the other name",
            path.display()
        ));
    }
    found
}

/// The path with something after its last name, as SQLite names what belongs to a database: `-wal`, `-shm`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
