//! Where the local server keeps everything: a directory that is this user's alone, on a disk of this machine.

use crate::exit::{Failure, SYSTEM};
use rustix::fs::statfs;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Below the user's state. A server that the user starts by hand has its store beside it.
const DIRECTORY: &str = "lockserver/local";
/// Longest path of a Unix socket (unix(7)), without the zero at its end.
const SOCKET_PATH_MAX: usize = 107;

/// File systems that several machines may have mounted, by their numbers (statfs(2)). There neither a Unix socket nor a lock of a file
/// says anything about the other machines.
const SHARED: [(i64, &str); 13] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// The directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(PathBuf);

impl Place {
    /// That of this user, made if it is not there.
    pub(super) fn of_user() -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value: &OsString| Path::new(value).is_absolute());
        let state = variable("XDG_STATE_HOME").map(PathBuf::from);
        let home = || variable("HOME").map(|home| Path::new(&home).join(".local/state"));
        let Some(state) = state.or_else(home) else {
            let text =
                "--local keeps its locks in the user's state directory, and neither HOME nor XDG_STATE_HOME names one";
            return Err(Failure::new(SYSTEM, text));
        };
        Self::in_state(&state)
    }

    fn in_state(state: &Path) -> Result<Self, Failure> {
        let place = Self(state.join(DIRECTORY));
        let wrong = |text: String| Failure::new(SYSTEM, format!("{}: {text}", place.0.display()));
        let length = place.socket().as_os_str().as_bytes().len();
        if length > SOCKET_PATH_MAX {
            return Err(wrong(format!(
                "the path of the local server's socket in there has {length} bytes, and the system takes {SOCKET_PATH_MAX}; set \
                 XDG_STATE_HOME to a shorter path"
            )));
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&place.0);
        made.map_err(|error| wrong(format!("the directory of the local server cannot be made: {error}")))?;
        let unreadable = |error: std::io::Error| wrong(format!("the directory cannot be looked at: {error}"));
        let found = fs::metadata(&place.0).map_err(unreadable)?;
        if found.uid() != geteuid().as_raw() {
            return Err(wrong(format!(
                "the directory is that of user {}, and you are user {}; HOME may be left from before a sudo or su: set HOME or \
                 XDG_STATE_HOME to your own",
                found.uid(),
                geteuid().as_raw()
            )));
        }
        let number = statfs(&place.0).map_err(|error| unreadable(error.into()))?.f_type;
        if let Some(name) = shared(number) {
            return Err(wrong(format!(
                "the directory is on {name}, which other machines may use too, and --local is for one machine; set XDG_STATE_HOME \
                 to a directory on a disk of this machine, or name a server for all of them with --server"
            )));
        }
        if found.mode() & 0o077 != 0 {
            let closed = fs::set_permissions(&place.0, Permissions::from_mode(0o700));
            closed.map_err(|error| wrong(format!("others may enter, and chmod 700 fails: {error}")))?;
        }
        Ok(place)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    /// The socket of the server.
    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("sock")
    }

    /// Locked by whoever starts the server.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.0.join("start.lock")
    }

    /// The configuration of the server, written at each start.
    pub(super) fn configuration(&self) -> PathBuf {
        self.0.join("server.conf")
    }

    /// What the server has to say.
    pub(super) fn log(&self) -> PathBuf {
        self.0.join("server.log")
    }

    /// Where locks and tickets are.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("lockserver.db")
    }
}

/// The name of a file system that several machines may have mounted.
fn shared(number: impl Into<i64>) -> Option<&'static str> {
    // The numbers have 32 bits; where the system's type has no more, large ones look negative.
    let number = number.into() & 0xFFFF_FFFF;
    SHARED.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(state: &Path) -> String {
        format!("{:?}", Place::in_state(state).unwrap_err())
    }

    #[test]
    fn the_directory_is_the_users_alone() {
        let state = tempfile::tempdir().unwrap();
        let place = Place::in_state(&state.path().join("a/b")).unwrap();
        let mode = || fs::metadata(place.directory()).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        fs::set_permissions(place.directory(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Place::in_state(&state.path().join("a/b")).unwrap(), place);
        assert_eq!(mode(), 0o700, "one that others may enter is closed");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let state = tempfile::tempdir().unwrap();
        let long = state.path().join("x".repeat(100));
        assert!(refused(&long).contains("set XDG_STATE_HOME to a shorter path"), "{}", refused(&long));
        assert!(!long.exists(), "nothing is made in vain");
        fs::write(state.path().join("lockserver"), "").unwrap();
        assert!(refused(state.path()).contains("cannot be made"), "{}", refused(state.path()));
    }

    #[test]
    fn file_systems_of_several_machines_are_known_by_their_numbers() {
        assert_eq!(shared(0x6969_i64), Some("NFS"));
        assert_eq!(shared(0xFF53_4D42_u32), Some("CIFS"));
        assert_eq!(shared(0xFF53_4D42_u32.cast_signed()), Some("CIFS"), "with the sign of a shorter type");
        for (own, name) in
            [(0xEF53_i64, "ext4"), (0x0102_1994, "tmpfs"), (0x9123_683E, "btrfs"), (0x794C_7630, "overlayfs")]
        {
            assert_eq!(shared(own), None, "{name}");
        }
    }
}
