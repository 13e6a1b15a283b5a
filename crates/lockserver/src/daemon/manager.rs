//! What the service manager is told, and how it learns that the server still moves: sd_notify(3), sd_watchdog_enabled(3).
//!
//! Own code instead of the crate `sd-notify`: that knows no abstract sockets, and reads the environment, from which the
//! variables are to be gone, for every message.

use crate::engine::Handle;
use crate::os;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where messages go.
const SOCKET: &str = "NOTIFY_SOCKET";
/// How often, in microseconds, a keep-alive has to come, and from which process.
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// How long a manager that is busy may take to take a message.
const SEND_TIME: Duration = Duration::from_secs(1);
/// An engine that stands still for less than this is never called dead, however short the watchdog's time.
const STILL_MIN: Duration = Duration::from_millis(1000);
/// No keep-alive is sent more often, however short that time.
const TICK_MIN: Duration = Duration::from_millis(100);

/// The service manager, or nobody.
#[derive(Debug, Clone)]
pub(super) struct Manager {
    address: Option<SocketAddr>,
    /// What NOTIFY_SOCKET said, if that is no address that can be used.
    unusable: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Takes the variables of the service manager out of the environment.
    ///
    /// # Safety
    /// As for [`os::forget_variables`]: while the process has one thread.
    #[expect(unsafe_code, reason = "the environment may change only while there is one thread, which the caller knows")]
    pub(super) unsafe fn take() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let said = std::env::var_os(SOCKET).filter(|path| !path.is_empty());
        let address = said.as_deref().and_then(address);
        let unusable = said.filter(|_| address.is_none());
        let mine = number(WATCHDOG_PID).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(WATCHDOG).filter(|us| mine && *us > 0).map(Duration::from_micros);
        // SAFETY: the caller's promise.
        unsafe { os::forget_variables(&[SOCKET, WATCHDOG, WATCHDOG_PID]) };
        Self { address, unusable, watchdog }
    }

    /// It can serve. `status` is one line for people.
    pub(super) fn ready(&self, status: &str) {
        if let Some(said) = &self.unusable {
            tracing::warn!(
                "the service manager cannot be notified: NOTIFY_SOCKET={} is neither a path nor @NAME",
                said.display()
            );
        }
        self.tell(&format!("READY=1\nSTATUS={status}"), &[]);
    }

    /// It reads its configuration; [`Self::ready`] says that it has.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reading the configuration"), &[]);
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping, connected clients are being answered", &[]);
    }

    /// Asks it to keep listening sockets under this name while the server is started again. True if there is one that
    /// could be asked.
    pub(super) fn keep(&self, name: &str, sockets: &[BorrowedFd<'_>]) -> bool {
        self.tell(&format!("FDSTORE=1\nFDNAME={name}"), sockets)
    }

    /// Asks it to let go of the sockets with this name.
    pub(super) fn let_go(&self, name: &str) {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]);
    }

    /// Sends keep-alives for as long as the engine's thread moves, at half of the time in which they have to come. An
    /// engine that waits for its disk is let live: the disk does not answer any sooner to a new process, and who waits on
    /// a connection is still there afterwards. Never ends; drop it.
    pub(super) async fn watch(self, engine: Handle) {
        let Some(within) = self.watchdog else {
            return std::future::pending().await;
        };
        let still_max = (within / 2).max(STILL_MIN);
        let mut ticks = tokio::time::interval((within / 2).max(TICK_MIN));
        let mut told = false;
        loop {
            ticks.tick().await;
            let still = engine.status().pulse().stands_still_for();
            if still <= still_max {
                told = false;
                self.tell("WATCHDOG=1", &[]);
            } else if !told {
                told = true;
                tracing::error!(
                    "the engine has not moved for {} s, so the service manager gets no more keep-alives and will end \
                     the server. Please report this as a bug",
                    still.as_secs()
                );
            }
        }
    }

    /// Nothing depends on it: who cannot be told has his own deadline.
    fn tell(&self, message: &str, descriptors: &[BorrowedFd<'_>]) -> bool {
        let Some(address) = &self.address else { return false };
        let sent = send(address, message, descriptors);
        if let Err(error) = &sent {
            let what = message.lines().next().unwrap_or_default();
            tracing::warn!("the service manager cannot be told {what} (NOTIFY_SOCKET): {error}");
        }
        sent.is_ok()
    }
}

/// A path, or `@` and a name in the abstract namespace (unix(7)). `None` for the kinds that are for virtual machines.
fn address(path: &OsStr) -> Option<SocketAddr> {
    match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(path).ok(),
        _ => None,
    }
}

/// Connects anew each time: the manager may have been started anew itself.
fn send(address: &SocketAddr, message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIME))?;
    socket.connect_addr(address)?;
    let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(descriptors.len()))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many sockets for one message"));
    }
    sendmsg(socket.as_fd(), &[IoSlice::new(message.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
