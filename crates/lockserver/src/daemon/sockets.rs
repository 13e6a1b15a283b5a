//! Where the sockets on which clients arrive are from.

use super::Way;
use super::manager::Manager;
use crate::config::Config;
use crate::http::connection::{HandedOver, KEPT, ListenError, Listener, Origin};

/// The sockets and variables that the parent process has given.
pub(super) struct Given<'a> {
    pub(super) way: Way<'a>,
    pub(super) manager: Manager,
    pub(super) sockets: Result<HandedOver, ListenError>,
}

impl<'a> Given<'a> {
    /// Takes what the environment tells of, out of the environment.
    ///
    /// # Safety
    /// As for [`crate::os::forget_variables`]: while the process has one thread.
    #[expect(unsafe_code, reason = "the environment may change only while there is one thread, which the caller knows")]
    pub(super) unsafe fn take(way: Way<'a>) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self { way, sockets: HandedOver::take(), manager: Manager::take() } }
    }
}

/// The sockets of a socket unit, or one of our own that the service manager keeps over a restart, so that nobody is refused
/// meanwhile: the one that it has kept, or a new one that it is asked to keep from now on.
pub(super) async fn listen(
    config: &Config,
    sockets: Result<HandedOver, ListenError>,
    manager: &Manager,
) -> Result<Listener, ListenError> {
    let mut sockets = sockets?;
    // Before anything is bound: the old socket may be in the way of the new one until it is closed there, too.
    if sockets.drop_unfit(&config.server, config.port).await {
        manager.let_go(KEPT);
    }
    let mut listener = Listener::open(&config.server, config.port, sockets).await?;
    if listener.origin() == Origin::Given && !listener.is_at(&config.server, config.port).await {
        let there: Vec<_> = listener.addresses().iter().map(ToString::to_string).collect();
        tracing::warn!(
            "the socket of the service manager is used: it listens on {}, and SERVER={} and PORT={} have no effect",
            there.join(" and "),
            config.server,
            config.port
        );
    }
    if listener.origin() == Origin::Bound && manager.keep(KEPT, &listener.sockets()) {
        listener.is_kept();
    }
    Ok(listener)
}
