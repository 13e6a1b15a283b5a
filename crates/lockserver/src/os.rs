//! What is asked of the operating system: limits of files, memory, signals, the environment, looks at a TCP socket, and its reset.
//! Linux: `POLLRDHUP` and `SIOCOUTQ` are its own.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::retry_on_intr;
use rustix::net::connect_unspec;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// More open files than this are never asked for, however high the hard limit is.
const OPEN_FILES_MAX: u64 = 1 << 20;

/// Raises the soft limit of open files to the hard one, and says what the soft limit is now.
///
/// # Errors
/// When the system refuses to change the limit; the old one then stays.
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(OPEN_FILES_MAX);
    if limit.current.is_some_and(|soft| soft < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current.unwrap_or(u64::MAX))
}

/// A write beyond the file size limit becomes an error (EFBIG) of that write, which the store and the log know how to
/// live with, instead of SIGXFSZ, which ends the process.
pub fn ignore_file_size_signal() {
    #[expect(unsafe_code, reason = "signal has no safe wrapper among the dependencies")]
    // SAFETY: SIG_IGN is a valid disposition, and no handler is replaced that anybody relies on. It cannot fail.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Whether a file could be opened for appending, and made if it is not there. Nothing is made or changed.
///
/// # Errors
/// Why it could not.
pub fn may_append(path: &Path) -> io::Result<()> {
    // A pipe that nobody reads answers at once.
    let opened = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
            Ok(accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
        }
        other => other.map(drop),
    }
}

/// As long as it lives, a SIGHUP waits instead of ending the process. Dropped by the thread that made it.
#[derive(Debug)]
pub struct HeldHangup {
    release: bool,
    /// A signal mask belongs to a thread.
    of_this_thread: std::marker::PhantomData<*const ()>,
}

/// Holds SIGHUP back, for the time until somebody listens for it. Threads that are started meanwhile never take it.
#[must_use]
pub fn hold_hangup() -> HeldHangup {
    HeldHangup { release: mask_hangup(libc::SIG_BLOCK), of_this_thread: std::marker::PhantomData }
}

impl Drop for HeldHangup {
    fn drop(&mut self) {
        if self.release {
            mask_hangup(libc::SIG_UNBLOCK);
        }
    }
}

/// Changes whether this thread takes SIGHUP, and says whether it did before.
fn mask_hangup(how: libc::c_int) -> bool {
    #[expect(unsafe_code, reason = "signal masks have no safe wrapper among the dependencies")]
    // SAFETY: both sets are valid for the calls, an all-zero one is a valid set, and `before` is only read once it was written.
    unsafe {
        let (mut hangup, mut before) = (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigemptyset(&raw mut hangup);
        libc::sigaddset(&raw mut hangup, libc::SIGHUP);
        let done = libc::pthread_sigmask(how, &raw const hangup, &raw mut before) == 0;
        done && libc::sigismember(&raw const before, libc::SIGHUP) == 0
    }
}

/// Takes variables out of the environment, so that they are meant for nobody else.
///
/// # Safety
/// Only while the process has one thread: others may be reading the environment (see [`std::env::remove_var`]).
#[expect(unsafe_code, reason = "the environment may change only while there is one thread, which the caller knows")]
pub unsafe fn forget_variables(names: &[&str]) {
    for name in names {
        // SAFETY: the caller's promise.
        unsafe { std::env::remove_var(name) };
    }
}

/// What a look at a connected socket shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// There are bytes to read, or the end of them, or an error.
    pub readable: bool,
    /// The peer closed its side, wholly or only for sending (FIN), or `failed`.
    pub closed: bool,
    /// The connection is over: reset (RST), timed out, or closed on both sides.
    pub failed: bool,
}

/// Looks at a socket without waiting, without reading, and without taking a pending error away from its reader.
///
/// # Errors
/// When poll(2) itself fails.
pub fn look(socket: &impl AsFd) -> io::Result<Look> {
    let mut entry = [PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
    retry_on_intr(|| poll(&mut entry, Some(&Timespec::default())))?;
    let seen = |flags| entry[0].revents().intersects(flags);
    let failed = seen(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
    Ok(Look { readable: seen(PollFlags::IN) || failed, closed: seen(PollFlags::RDHUP) || failed, failed })
}

/// Bytes given to the kernel for a TCP socket that the peer's kernel has not acknowledged yet (tcp(7), `SIOCOUTQ`). A
/// FIN of ours counts as one. A reset does not lower the number: what was not acknowledged then never will be.
///
/// # Errors
/// When the socket is no TCP socket.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u64> {
    // SIOCOUTQ has the same number.
    outstanding(socket, libc::TIOCOUTQ)
}

/// Bytes given to the kernel for a TCP socket that it has not sent even once (`SIOCOUTQNSD`). A FIN of ours counts as one.
///
/// # Errors
/// When the socket is no TCP socket.
pub fn unsent(socket: &impl AsFd) -> io::Result<u64> {
    outstanding(socket, SIOCOUTQNSD)
}

/// Of Linux' `sockios.h`; libc has it for some systems only.
const SIOCOUTQNSD: libc::c_ulong = 0x894B;

fn outstanding(socket: &impl AsFd, what: libc::c_ulong) -> io::Result<u64> {
    let descriptor = socket.as_fd();
    let mut bytes: libc::c_int = 0;
    #[expect(unsafe_code, reason = "ioctl has no safe wrapper among the dependencies")]
    // SAFETY: both requests write one int, to `bytes`; the descriptor is borrowed, so open.
    let done = unsafe { libc::ioctl(descriptor.as_raw_fd(), what as libc::Ioctl, &raw mut bytes) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// The first part of Linux' `tcp_info`, as words: eight bytes, of which the first is the state, then numbers.
#[derive(Default)]
#[repr(C)]
struct TcpInfo {
    state: u8,
    others: [u8; 7],
    numbers: [u32; 13],
}

/// The state of a TCP connection that is over (`TCP_CLOSE`).
const TCP_CLOSE: u8 = 7;
/// Milliseconds since data arrived, and since an acknowledgement did.
const LAST_DATA_RECV: usize = 11;
const LAST_ACK_RECV: usize = 12;

fn tcp_info(socket: &impl AsFd) -> io::Result<TcpInfo> {
    let descriptor = socket.as_fd();
    let mut info = TcpInfo::default();
    let mut length = size_of::<TcpInfo>() as libc::socklen_t;
    let place = (&raw mut info).cast();
    #[expect(unsafe_code, reason = "getsockopt has no safe wrapper for this option among the dependencies")]
    // SAFETY: the kernel writes at most `length` bytes of plain numbers to `info`; the descriptor is borrowed, so open.
    let done =
        unsafe { libc::getsockopt(descriptor.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length) };
    if done != 0 || (length as usize) < size_of::<TcpInfo>() {
        return Err(io::Error::last_os_error());
    }
    Ok(info)
}

/// Whether the kernel neither sends nor takes anything more on this socket: reset, timed out, or closed by both sides and
/// nothing left to send.
pub fn is_over(socket: &impl AsFd) -> bool {
    match tcp_info(socket) {
        Ok(info) => info.state == TCP_CLOSE,
        Err(_) => look(socket).is_ok_and(|look| look.failed),
    }
}

/// How long ago the peer's kernel last answered on a TCP connection.
///
/// # Errors
/// When the socket is no TCP socket.
pub fn unheard_for(socket: &impl AsFd) -> io::Result<Duration> {
    let numbers = tcp_info(socket)?.numbers;
    Ok(Duration::from_millis(numbers[LAST_DATA_RECV].min(numbers[LAST_ACK_RECV]).into()))
}

/// Ends a TCP connection at once with a reset (RST), and drops what the kernel still had to deliver, even if others have the
/// socket open. connect(2): connecting to `AF_UNSPEC` dissolves the association.
///
/// # Errors
/// When the kernel refuses; a socket that is closed already is no error.
pub fn reset(socket: &impl AsFd) -> io::Result<()> {
    Ok(connect_unspec(socket)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let near = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        (near, listener.accept().expect("accept").0)
    }

    /// Waits until a look shows this: a busy machine delivers late even to itself.
    fn await_look(socket: &TcpStream, what: &str, shows: impl Fn(Look) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !shows(look(socket).expect("look")) {
            assert!(std::time::Instant::now() < deadline, "never seen: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_open_file_limit_is_raised_once_and_never_lowered() {
        let first = raise_open_files().expect("raise");
        assert!(first > 0);
        assert_eq!(raise_open_files().expect("raise again"), first);
    }

    #[test]
    fn a_look_tells_quiet_bytes_end_and_reset_apart() {
        let (near, mut far) = pair();
        let quiet = Look { readable: false, closed: false, failed: false };
        assert_eq!(look(&near).expect("look"), quiet);
        far.write_all(b"x").expect("write");
        await_look(&near, "a byte", |look| look == Look { readable: true, ..quiet });
        far.shutdown(std::net::Shutdown::Write).expect("shutdown");
        let ended = Look { readable: true, closed: true, failed: false };
        await_look(&near, "the end", |look| look == ended);

        let (near, far) = pair();
        socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).expect("linger");
        drop(far);
        await_look(&near, "a reset", |look| look.failed);
        let mut near = near;
        assert!(near.read(&mut [0]).is_err(), "the look left the error to the reader");
    }

    #[test]
    fn unacknowledged_bytes_stay_unacknowledged_after_a_reset() {
        let (mut near, far) = pair();
        assert_eq!(unacknowledged(&near).expect("count"), 0);
        drop(far);
        near.write_all(b"nobody reads this").expect("the first write after a FIN succeeds");
        await_look(&near, "a reset", |look| look.failed);
        assert_eq!(unacknowledged(&near).expect("count"), 17);
        assert_eq!(unsent(&near).expect("count"), 0, "it was sent");
        assert!(is_over(&near));
    }

    #[test]
    fn what_a_full_window_keeps_back_was_not_sent() {
        let (mut near, far) = pair();
        near.set_nonblocking(true).expect("non-blocking");
        while near.write(&[0; 1 << 16]).is_ok() {}
        assert!(unsent(&near).expect("count") > 0);
        assert!(!is_over(&near), "it goes on when the peer reads");
        socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).expect("linger");
        drop(far);
        await_look(&near, "a reset", |look| look.failed);
        assert!(is_over(&near) && unsent(&near).expect("count") > 0, "and now it never leaves");
    }

    #[test]
    fn a_peer_that_sends_or_acknowledges_is_heard() {
        let (near, mut far) = pair();
        let quiet = |longer: u64| unheard_for(&near).expect("a TCP socket") > Duration::from_millis(longer);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !quiet(100) {
            assert!(std::time::Instant::now() < deadline, "time passes");
            std::thread::yield_now();
        }
        far.write_all(b"x").expect("write");
        await_look(&near, "a byte", |look| look.readable);
        let begin = std::time::Instant::now();
        let unheard = unheard_for(&near).expect("a TCP socket");
        assert!(unheard <= Duration::from_millis(100) + begin.elapsed() || unheard < Duration::from_secs(5));
        let local = std::os::unix::net::UnixStream::pair().expect("a pair").0;
        assert!(unheard_for(&local).is_err() && unsent(&local).is_err());
    }

    #[test]
    fn a_reset_takes_the_connection_from_everybody() {
        let (near, mut far) = pair();
        let kept = near.try_clone().expect("clone");
        reset(&near).expect("reset");
        let error = far.read(&mut [0]).expect_err("the peer sees a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(look(&kept).expect("look").failed);
        reset(&near).expect("a second reset is no error");
    }
}
