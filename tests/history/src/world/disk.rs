//! A small disk, which can be full: in memory, and of the machine, so that only root can make one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for what etcd keeps: a few segments of its log, which have their full size from the beginning.
const SIZE: &str = "size=512m";
const PIECE: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts it at this place.
    pub(super) fn mount(at: &Path) -> io::Result<Self> {
        std::fs::create_dir(at)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "history"]).arg(at).output()?;
        if !mounted.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&mounted.stderr).into_owned()));
        }
        Ok(Self { at: at.to_owned() })
    }

    fn filling(&self) -> PathBuf {
        self.at.join("filling")
    }

    /// Leaves no room.
    pub(super) fn fill(&self) -> io::Result<()> {
        let (mut file, piece) = (File::create(self.filling())?, vec![0; PIECE]);
        for size in [PIECE, 1024, 1] {
            while file.write(&piece[..size]).is_ok_and(|written| written > 0) {}
        }
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn empty(&self) -> io::Result<()> {
        match std::fs::remove_file(self.filling()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: who still writes to it is dying.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
