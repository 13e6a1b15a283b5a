//! Whether the peer's machine is there. The kernel probes a silent one, and more often while a request waits: so a peer that
//! vanished (a cut cable, a machine without power) is found before it is told of a grant, which would be kept for it.

use super::stream::Stream;
use crate::os;
use socket2::{SockRef, TcpKeepalive};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A silent peer is probed after this time without traffic...
const IDLE: Duration = Duration::from_secs(5);
/// ...and this often, then.
const INTERVAL: Duration = Duration::from_secs(2);
/// The same for both while a request waits.
const WAITING: Duration = Duration::from_secs(1);
/// Bytes sent that stay unacknowledged for so long end the connection, and so do probes (tcp(7), `TCP_USER_TIMEOUT`).
const PEER_TIME: Duration = Duration::from_secs(10);
/// A peer that was heard of in this time is taken for present: one lost probe is no silence.
const LATELY: Duration = Duration::from_millis(2500);
/// Between two looks whether a silent peer has answered.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Settings of a new connection. They fail only if it is gone already, which its task will see.
pub(super) fn prepare(stream: &Stream) {
    let Stream::Tcp(tcp) = stream else { return };
    let socket = SockRef::from(tcp);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(PEER_TIME));
    set(stream, IDLE, INTERVAL);
}

fn set(stream: &Stream, idle: Duration, interval: Duration) {
    if let Stream::Tcp(stream) = stream {
        let probes = TcpKeepalive::new().with_time(idle).with_interval(interval);
        let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
    }
}

/// How many requests of a connection wait.
#[derive(Debug, Default)]
pub(super) struct Probes(Mutex<usize>);

impl Probes {
    fn change(&self, stream: &Stream, change: impl FnOnce(&mut usize)) {
        // Under the lock, so that the last word is the right one.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *waiting > 0;
        change(&mut waiting);
        match (before, *waiting > 0) {
            (false, true) => set(stream, WAITING, WAITING),
            (true, false) => set(stream, IDLE, INTERVAL),
            _ => {}
        }
    }
}

/// While there is one, a silent peer is probed often.
pub(super) struct Probing<'a>(&'a Probes, &'a Stream);

impl<'a> Probing<'a> {
    pub(super) fn new(probes: &'a Probes, stream: &'a Stream) -> Self {
        probes.change(stream, |waiting| *waiting += 1);
        Self(probes, stream)
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.change(self.1, |waiting| *waiting -= 1);
    }
}

/// True if the peer's machine was heard of lately, or as soon as it is; false if it stays silent, or the connection has ended.
pub(super) async fn is_heard(probes: &Probes, stream: &Stream, has_ended: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    let mut probing = None;
    loop {
        match os::unheard_for(stream) {
            Ok(silent) if silent > LATELY => {}
            // No TCP: the peer is on this machine.
            Ok(_) | Err(_) => return true,
        }
        if has_ended() || os::is_over(stream) || begin.elapsed() > PEER_TIME {
            return false;
        }
        probing.get_or_insert_with(|| Probing::new(probes, stream));
        sleep(LOOK_PAUSE).await;
    }
}
