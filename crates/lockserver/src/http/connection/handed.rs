//! Listening sockets that come from the service manager: those of a socket unit, and ours that it kept.

use super::address::{ListenError, addresses, fits};
use crate::os;
use socket2::SockRef;
use std::net::TcpListener;

/// Under this name the service manager keeps our own listening socket (`FDNAME`) while the server is started again.
pub const KEPT: &str = "lockserver-port";
/// More sockets than this are a mistake.
const SOCKETS_MAX: usize = 16;
/// Where their names are.
const NAMES: &str = "LISTEN_FDNAMES";

#[derive(Debug, Default)]
pub struct HandedOver {
    /// Of a socket unit. Where they listen is the administrator's will.
    pub(super) given: Vec<TcpListener>,
    /// What an earlier process of ours has bound by its configuration.
    pub(super) kept: Vec<TcpListener>,
    /// Some of the kept ones were closed, and will soon be where they were kept.
    pub(super) dropped: bool,
}

impl HandedOver {
    /// Takes the sockets that the variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` tell of (sd_listen_fds(3)), and
    /// takes these out of the environment.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] when one of them is no listening TCP socket, or there are too many.
    ///
    /// # Safety
    /// As for [`os::forget_variables`]: while the process has one thread.
    #[expect(unsafe_code, reason = "the environment may change only while there is one thread, which the caller knows")]
    pub unsafe fn take() -> Result<Self, ListenError> {
        let names = std::env::var(NAMES).unwrap_or_default();
        // Before listenfd makes a list of so many.
        let said = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = said("LISTEN_PID") == Some(u64::from(std::process::id()));
        let count = said("LISTEN_FDS").filter(|_| ours).unwrap_or(0);
        if count > SOCKETS_MAX as u64 {
            return Err(ListenError::Inherited { what: format!("{count} sockets, more than {SOCKETS_MAX}") });
        }
        let mut sockets = listenfd::ListenFd::from_env();
        // SAFETY: the caller's promise.
        unsafe { os::forget_variables(&[NAMES, "LISTEN_FDS", "LISTEN_PID"]) };
        let refuse = |what: String| Err(ListenError::Inherited { what });
        let mut names = names.split(':');
        let mut handed = Self::default();
        for index in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            let told = if name.is_empty() { format!("descriptor {}", index + 3) } else { format!("'{name}'") };
            match sockets.take_tcp_listener(index) {
                Ok(Some(socket)) if SockRef::from(&socket).is_listener().unwrap_or(false) => {
                    if name == KEPT { &mut handed.kept } else { &mut handed.given }.push(socket);
                }
                Ok(_) => return refuse(format!("{told}, a socket that does not listen")),
                Err(error) => return refuse(format!("{told}, something else ({error})")),
            }
        }
        Ok(handed)
    }

    /// Closes the kept sockets unless there is one where `server` and `port` say, and nothing of a socket unit. True if
    /// the service manager has to let go of them.
    pub async fn drop_unfit(&mut self, server: &str, port: u16) -> bool {
        // What cannot be resolved for the moment is still there.
        let wanted = addresses(server, port).await.ok();
        let is_wanted = |socket: &TcpListener| {
            let there = socket.local_addr().ok();
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| there.is_some_and(|there| fits(*one, there))))
        };
        let fitting = self.kept.iter().position(is_wanted).filter(|_| self.given.is_empty());
        self.dropped = !self.kept.is_empty() && fitting.is_none();
        self.kept = fitting.map(|index| self.kept.swap_remove(index)).into_iter().collect();
        self.dropped
    }
}
