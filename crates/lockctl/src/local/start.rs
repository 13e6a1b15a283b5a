//! One server, whoever asks first: those who find none agree by a lock on a file, which the kernel gives back for whoever dies with it.

use super::place::Place;
use crate::exit::{Failure, NO_SERVER, SYSTEM};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, FlockOperation, access, flock};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the start may take, with that of others which came before.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How often those who do not start it look whether it answers, and the time between two starts that failed.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long a server that is on its way out may still have the socket or the store.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// Exit codes of the server: it cannot have its socket, or its store.
const NO_SOCKET: i32 = 69;
const STORE: i32 = 74;
/// What the server says of a store that another one has.
const IN_USE: &str = "in use";
/// The server ends when nobody has used it for so long.
const IDLE_EXIT: &str = "10m";
/// The log begins anew with the next start when it has more bytes than that.
const LOG_BYTES_MAX: u64 = 1024 * 1024;
/// How much of the log is read for the reason of a failed start.
const REASON_BYTES_MAX: u64 = 4096;

/// It cannot have a file of settings of its own: another one would have other rules.
const CONFIGURATION: &str = "\
# Written by lockctl whenever it starts the server of --local. What you change here is lost.
[general]
SERVER=127.0.0.1
DEFAULT_LOCK=
";

/// Returns when a server answers on the socket of this place.
pub(super) fn ensure(place: &Place) -> Result<(), Failure> {
    let begin = Instant::now();
    let deadline = begin + START_WITHIN;
    let cannot = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        Failure::new(SYSTEM, format!("{}: {what}: {error}", path.display()))
    };
    let mut lock = None;
    let mut why = String::new();
    loop {
        // The socket is there before the server answers: until then the one that starts it has the lock.
        if UnixStream::connect(place.socket()).is_ok() && (lock.is_some() || !is_starting(place)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let whose = if lock.is_some() { "it" } else { "another lockctl is starting it, and it" };
            let text = format!("the local server does not start: {whose} does not answer within 30 s{why}");
            return Err(Failure::new(NO_SERVER, text));
        }
        if lock.is_none() {
            let path = place.start_lock();
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            let file = file.map_err(|error| cannot("it cannot be opened", &path, &error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Whoever had it before us may have started one.
                Ok(()) => lock = Some(file),
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => std::thread::sleep(LOOK_EVERY),
                Err(error) => return Err(cannot("it cannot be locked", &path, &error)),
            }
            continue;
        }
        match start(place, deadline)? {
            Started::Ready => {}
            // The one before it may be on its way out still, with the store in its hands.
            Started::Ended { reason, in_use } => {
                why = format!("; its last words: {reason}");
                if !in_use || begin.elapsed() > LEAVE_WITHIN {
                    let log = place.log();
                    let text = format!("the local server does not start{why} (its log: {})", log.display());
                    return Err(Failure::new(NO_SERVER, text));
                }
                std::thread::sleep(AGAIN_AFTER);
            }
        }
    }
}

/// Whether another process starts it now.
fn is_starting(place: &Place) -> bool {
    let lock = File::open(place.start_lock());
    lock.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// What became of a process.
enum Started {
    /// It serves, or does not say so in time.
    Ready,
    /// It ended, with its last words. `in_use`: it may have had no socket or no store because another one has them.
    Ended { reason: String, in_use: bool },
}

/// The server that we have started, if it is still to be waited for.
static CHILD: Mutex<Option<Child>> = Mutex::new(None);

fn start(place: &Place, deadline: Instant) -> Result<Started, Failure> {
    let cannot = |what: &str, error: &io::Error| {
        Failure::new(SYSTEM, format!("{}: {what}: {error}", place.directory().display()))
    };
    fs::write(place.configuration(), CONFIGURATION).map_err(|error| cannot("server.conf cannot be written", &error))?;
    let (log, begin) = open_log(&place.log()).map_err(|error| cannot("server.log cannot be written", &error))?;
    let program = program()?;
    let mut command = Command::new(&program);
    let store = OsString::from_iter(["sqlite:".as_ref(), place.store().as_os_str()]);
    command.arg("--config").arg(place.configuration()).arg("--store").arg(store);
    command.arg("--admin-socket").arg(place.socket());
    command.args(["--socket-only", "--idle-exit", IDLE_EXIT, "--log-level", "warning"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::from(log)).current_dir(place.directory());
    // It outlives us, and is nobody's in particular: neither secrets of ours nor the marks by which CI ends what its jobs leave.
    command.env_clear().envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)));
    sys::detached(&mut command);
    let mut child = command.spawn().map_err(|error| {
        Failure::new(NO_SERVER, format!("{}: the local server cannot be started: {error}", program.display()))
    })?;
    let mut own = CHILD.lock().unwrap_or_else(PoisonError::into_inner);
    // One that has ended is not left behind as a zombie.
    let _ = own.take().map(|mut old| old.try_wait());
    let ready = child.stdout.take().is_some_and(|out| says_ready(out, deadline));
    if !ready && let Ok(Some(status)) = child_end(&mut child, deadline) {
        let reason = last_words(&place.log(), begin).unwrap_or_else(|| status.to_string());
        let in_use = match status.code() {
            Some(NO_SOCKET) => true,
            // Nor does it start with a store that is damaged, or of a newer version: that does not pass.
            Some(STORE) => reason.contains(IN_USE),
            _ => false,
        };
        return Ok(Started::Ended { reason, in_use });
    }
    *own = Some(child);
    Ok(Started::Ready)
}

/// The end of a process that has closed its standard output, which comes soon.
fn child_end(child: &mut Child, deadline: Instant) -> io::Result<Option<std::process::ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            ended => return Ok(ended),
        }
    }
}

/// Reads up to the first line. False if the server ends, or says nothing until then.
fn says_ready(mut out: ChildStdout, deadline: Instant) -> bool {
    let mut byte = [0; 256];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        match out.read(&mut byte) {
            Ok(0) | Err(_) => return false,
            Ok(length) if byte[..length].contains(&b'\n') => return true,
            Ok(_) => {}
        }
    }
}

/// The log, to be written at its end, and where that is.
fn open_log(path: &Path) -> io::Result<(File, u64)> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if log.metadata()?.len() > LOG_BYTES_MAX {
        log.set_len(0)?;
    }
    let begin = log.metadata()?.len();
    Ok((log, begin))
}

/// The last line that was written behind this place.
fn last_words(log: &Path, begin: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let from = begin.max(file.metadata().ok()?.len().saturating_sub(REASON_BYTES_MAX));
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(REASON_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(crate::say::clean)
}

/// The server beside this program, or the first one on PATH.
fn program() -> Result<PathBuf, Failure> {
    const FILE: &str = "lockserver";
    let own = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(FILE)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join(FILE));
    let usable = |path: &PathBuf| path.is_absolute() && path.is_file() && access(path, Access::EXEC_OK).is_ok();
    own.iter().cloned().chain(others).find(usable).ok_or_else(|| {
        let beside = own.as_deref().and_then(Path::parent).map(|folder| format!("in {} or ", folder.display()));
        let text = format!(
            "--local needs the program lockserver, and there is none {}on PATH: install the server, or name one elsewhere with --server",
            beside.unwrap_or_default()
        );
        Failure::new(NO_SERVER, text)
    })
}
