//! Runs inside of runs. A command has a process group of its own, so an outer `lockctl` that ends its command ends an inner one,
//! and not the inner one's command. So each tells those inside of it until when its command may live, and they obey the
//! earliest. It stands in a piece of memory that has no name: the environment says whose it is, and an inner run opens it
//! once, so that it can be read when its maker is gone.

use super::plan::MARGIN;
use lock_client::BootTime;
use rustix::fs::MemfdFlags;
use std::fs::{File, read_link};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// The variable that says where it is: `PID:DESCRIPTOR:KILL_AFTER_MS` of the outer one.
pub(crate) const VARIABLE: &str = "LOCK_OUTER_HOLD";
/// How the kernel names such memory; another process may have the descriptor by now, or another machine the pid.
const NAME: &str = "lockctl-hold";

/// Where a hold is told to those inside.
#[derive(Debug)]
pub(super) struct Board(File);

impl Board {
    pub(super) fn new() -> io::Result<Self> {
        let board = Self(File::from(rustix::fs::memfd_create(NAME, MemfdFlags::CLOEXEC)?));
        board.post(None);
        Ok(board)
    }

    /// The one that was handed to us.
    pub(super) fn of(file: File) -> Self {
        Self(file)
    }

    /// Another handle of the same, for another process.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    /// The value of the variable.
    pub(super) fn name(&self, kill_after: Duration) -> String {
        format!("{}:{}:{}", std::process::id(), self.0.as_raw_fd(), kill_after.as_millis())
    }

    /// Until then the command may live.
    pub(super) fn post(&self, deadline: Option<BootTime>) {
        // Memory that is there can be written.
        let _ = self.0.write_all_at(&deadline.map_or(0, BootTime::as_ms).to_le_bytes(), 0);
    }
}

/// The hold that we run inside of.
#[derive(Debug)]
pub(super) struct Outer {
    board: Option<File>,
    /// Its time between TERM and KILL.
    kill_after: Duration,
}

impl Outer {
    /// Nothing if we do not run inside of one. The variable alone says little: a daemon that was started by a run has it long after
    /// that has ended.
    pub(super) fn of_environment() -> Option<Self> {
        Self::named(&std::env::var(VARIABLE).ok()?)
    }

    fn named(text: &str) -> Option<Self> {
        let mut fields = text.split(':').map(str::parse::<u64>);
        let (Some(Ok(pid)), Some(Ok(descriptor)), Some(Ok(kill_after))) = (fields.next(), fields.next(), fields.next())
        else {
            return None;
        };
        let path = format!("/proc/{pid}/fd/{descriptor}");
        let board = match read_link(&path) {
            Ok(target) if target.to_string_lossy().starts_with(&format!("/memfd:{NAME}")) => File::open(path).ok(),
            // Another user's.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Ok(_) | Err(_) => return None,
        };
        Some(Self { board, kill_after: Duration::from_millis(kill_after) })
    }

    /// Until then our command may live, by the outer hold. Nothing if that has no end, or cannot be read.
    pub(super) fn deadline(&self) -> Option<BootTime> {
        let mut bytes = [0; 8];
        self.board.as_ref()?.read_exact_at(&mut bytes, 0).ok()?;
        Some(u64::from_le_bytes(bytes)).filter(|&ms| ms > 0).map(BootTime::from_ms)
    }

    /// Its time between TERM and KILL.
    pub(super) fn kill_after(&self) -> Duration {
        self.kill_after
    }

    /// Where that cannot be read (the outer one is of another user), its TERM says enough: KILL comes to us so much later, and
    /// our command is to be gone by then.
    pub(super) fn after_term(&self, kill_after: Duration) -> Option<BootTime> {
        let left = kill_after.min(self.kill_after).saturating_sub(MARGIN / 2);
        self.board.is_none().then(|| BootTime::now() + left + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_is_read_inside_also_when_its_maker_is_gone() {
        let board = Board::new().unwrap();
        let path = format!("/proc/self/fd/{}", board.0.as_raw_fd());
        assert!(read_link(&path).unwrap().to_string_lossy().starts_with("/memfd:lockctl-hold"));
        let outer = Outer { board: Some(File::open(path).unwrap()), kill_after: Duration::from_secs(2) };
        assert_eq!(outer.deadline(), None);
        board.post(Some(BootTime::from_ms(7)));
        assert_eq!(outer.deadline(), Some(BootTime::from_ms(7)));
        board.post(None);
        assert_eq!((outer.deadline(), outer.after_term(Duration::from_secs(9))), (None, None));
        drop(board);
        assert_eq!(outer.deadline(), None);
        for gone in [
            "4000000:5:1000",
            &format!("{}:{}:1000", std::process::id(), File::open("/dev/null").unwrap().as_raw_fd()),
            "x",
        ] {
            assert!(Outer::named(gone).is_none(), "{gone}");
        }
        let blind = Outer { board: None, kill_after: Duration::from_secs(2) };
        let left = blind.after_term(Duration::from_secs(9)).unwrap().since(BootTime::now());
        assert!(left <= Duration::from_millis(2500) && left > Duration::from_secs(1), "{left:?}");
    }
}
