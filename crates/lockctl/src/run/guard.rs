//! The guard: a second process that ends the command's group when we cannot, because we were killed or stopped.
//!
//! It is this program again, in a session of its own, with one end of a socket as standard input. The other end is ours, and
//! for a moment the command's, which writes its pid before it is executed: so there is no time at which the command runs and
//! the guard does not know it. Messages are a letter and eight bytes: `P` pid, `L` end of the lease in milliseconds of
//! `CLOCK_BOOTTIME` (0 for none), `U` the command has been told to end, `D` all is well. The end of the stream without a `D`
//! means that we are gone.

use super::group::{self, Signalled};
use super::outer::{Board, Outer};
use super::plan::MARGIN;
use crate::exit::{Failure, SYSTEM};
use crate::sys;
use lock_client::BootTime;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// First argument of the guard.
pub(crate) const GUARD_WORD: &str = "__guard";
/// How long it may take to start.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How often it looks at the clock while there is a lease, and at the group while it ends.
const LOOK_EVERY_MS: u64 = 100;

/// Our side.
pub(super) struct Guard {
    stream: UnixStream,
    process: Child,
}

impl Guard {
    /// Starts it and waits until it watches.
    pub(super) fn start(kill_after: Duration, board: &Board) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::new(SYSTEM, format!("the guard process does not start: {error}"));
        let (mut ours, its) = UnixStream::pair().map_err(cannot)?;
        // Not by its path: that may be another program after an upgrade.
        let process = Command::new("/proc/self/exe")
            .arg0("lock-guard")
            .arg(GUARD_WORD)
            .arg(kill_after.as_millis().to_string())
            .stdin(OwnedFd::from(its))
            // Not to write words: it tells those inside of our run that we are gone.
            .stdout(board.handle().map_err(cannot)?)
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(cannot)?;
        ours.set_read_timeout(Some(START_WITHIN)).map_err(cannot)?;
        ours.read_exact(&mut [0]).map_err(cannot)?;
        Ok(Self { stream: ours, process })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    fn tell(&self, letter: u8, value: u64) {
        let mut message = [letter, 0, 0, 0, 0, 0, 0, 0, 0];
        message[1..].copy_from_slice(&value.to_le_bytes());
        // A guard that was killed guards nothing; the command is ours to end all the same.
        let _ = (&self.stream).write_all(&message);
    }

    /// Until then the command may live, even if we say nothing more.
    pub(super) fn lease(&self, deadline: Option<BootTime>) {
        self.tell(b'L', deadline.map_or(0, BootTime::as_ms));
    }

    /// The command has been told to end: if we go, kill it at once.
    pub(super) fn urgent(&self) {
        self.tell(b'U', 0);
    }

    /// The command has ended.
    pub(super) fn dismiss(mut self) {
        self.tell(b'D', 0);
        drop(self.stream);
        // It ends at once, or was killed.
        let _ = self.process.wait();
    }
}

/// The guard's own life.
pub(crate) fn guard_main() -> ExitCode {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        sys::ignore(signal);
    }
    let _ = rustix::process::setsid();
    let kill_after = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(0);
    let stdin = std::io::stdin();
    let Ok(stream) = std::os::fd::AsFd::as_fd(&stdin).try_clone_to_owned() else { return ExitCode::FAILURE };
    let mut stream = UnixStream::from(stream);
    if stream.write_all(b"R").is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(board) = std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned() else { return ExitCode::FAILURE };
    let mut watched = Watched {
        group: None,
        kill_at: None,
        urgent: false,
        outer: Outer::of_environment(),
        board: Board::of(board.into()),
    };
    loop {
        // A command that starts after the end of its lease is killed as it starts.
        if watched.is_over() && watched.group.is_some() {
            watched.kill();
            watched.kill_at = None;
            watched.outer = None;
        }
        let timeout = (watched.kill_at.is_some() || watched.outer.is_some())
            .then_some(Timespec { tv_sec: 0, tv_nsec: (LOOK_EVERY_MS * 1_000_000) as i64 });
        let mut fds = [PollFd::new(&stream, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
        let mut message = [0; 9];
        if stream.read_exact(&mut message).is_err() {
            watched.end(Duration::from_millis(kill_after));
            return ExitCode::SUCCESS;
        }
        let mut value = [0; 8];
        value.copy_from_slice(&message[1..]);
        let value = u64::from_le_bytes(value);
        match message[0] {
            b'P' => watched.group = i32::try_from(value).ok().and_then(Pid::from_raw),
            b'L' => watched.kill_at = (value > 0).then(|| BootTime::from_ms(value).before(MARGIN / 2)),
            b'U' => watched.urgent = true,
            _ => return ExitCode::SUCCESS,
        }
    }
}

/// What the guard knows.
struct Watched {
    group: Option<Pid>,
    /// After that somebody else may have the permit.
    kill_at: Option<BootTime>,
    urgent: bool,
    /// The hold that we run inside of, and where we tell of ours.
    outer: Option<Outer>,
    board: Board,
}

impl Watched {
    /// The end of our lease, or of the hold that we run inside of.
    fn ends(&self) -> Option<BootTime> {
        let outer = self.outer.as_ref().and_then(Outer::deadline).map(|deadline| deadline.before(MARGIN / 2));
        self.kill_at.into_iter().chain(outer).min()
    }

    fn is_over(&self) -> bool {
        self.ends().is_some_and(|ends| BootTime::now() >= ends)
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            self.board.post(Some(BootTime::now()));
            group::signal(group, Signal::KILL);
        }
    }

    /// We are gone: TERM and, when the time is over, KILL. TERM at any time before the command was told to end leaves
    /// `kill_after` until the lease ends.
    fn end(&self, kill_after: Duration) {
        let Some(group) = self.group else { return };
        if !self.urgent && !self.is_over() {
            let begin = BootTime::now();
            // Before TERM: an inner run that hears it is to know what time it has.
            let ends = self.ends().into_iter().chain([begin + kill_after + MARGIN]).min();
            self.board.post(ends);
            // What we may not signal cannot be ended; what it has started may be.
            if group::signal(group, Signal::TERM) == Signalled::Nobody {
                return;
            }
            group::signal(group, Signal::CONT);
            while BootTime::now().since(begin) < kill_after && !self.is_over() {
                if group::is_gone(group) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS / 5));
            }
        }
        self.kill();
    }
}
