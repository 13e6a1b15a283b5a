//! One connection's task: TLS, HTTP, its clock, and its end.

use super::client::Connection;
use super::crowd::Standing;
use super::flow::Overdue;
use super::io::Socket;
use super::keeper::{Common, End, Keeper};
use super::link::Link;
use super::probe::prepare;
use super::slots::Slot;
use super::stream::Stream;
use super::tls::{self, NoTls};
use super::{Limits, http1, http2};
use crate::metrics::TimedOut;
use crate::os;
use rustix::net::{RecvFlags, recv};
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// How much of what a client still sends after its last answer is read and thrown away.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// Ends the connection however its task ends: normally, by a panic, or aborted.
pub(super) struct Ending {
    link: Arc<Link>,
    reset: bool,
}

impl Ending {
    pub(super) fn new(client: Connection, slot: Arc<Slot>) -> Self {
        Self { link: Arc::new(Link::new(Arc::new(client), slot)), reset: false }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.link.end(self.reset);
    }
}

/// Requests that change nothing once their client has gone: those that look, and those for a ticket, which is nobody's then. What
/// gives back or renews counts whether or not somebody reads the answer.
const FOR_THE_ANSWER: [&[u8]; 3] = [b"GET ", b"HEAD ", b"POST /v1/locks/"];

/// Whether the client has closed its side before a request of which only the answer would be of use. It may have closed its
/// sending side alone, and wait.
fn is_useless(stream: &Stream) -> bool {
    let Stream::Tcp(tcp) = stream else { return false };
    if !os::look(stream).is_ok_and(|look| look.closed) {
        return false;
    }
    let mut begin = [0; 16];
    let Ok((count, _)) = recv(tcp, &mut begin, RecvFlags::PEEK | RecvFlags::DONTWAIT) else { return true };
    count == 0 || FOR_THE_ANSWER.iter().any(|request| begin[..count].starts_with(request))
}

/// Serves one connection to its end. `stop` true: no request after the present one.
pub(super) async fn drive(mut ending: Ending, common: Common, tls: Option<Arc<ServerConfig>>) {
    let link = Arc::clone(&ending.link);
    if link.slot.begin() && is_useless(&link.client.stream) {
        tracing::debug!(peer = %link.client.peer(), "its client had hung up before the connection began");
        // A reset tells a client that still waits that no answer comes.
        let _ = os::reset(&*link.client.stream);
        return;
    }
    prepare(&link.client.stream);
    link.report_standing();
    let limits = common.limits;
    let mut keeper = Keeper::new(&link, &common);
    let end = match tls {
        None => http1::serve(&mut keeper, Socket(Arc::clone(&link)), None, common.responder).await,
        // In a box: connections without TLS have no use for the room that it takes.
        Some(config) => Box::pin(serve_tls(&mut keeper, config, common)).await,
    };
    match end {
        End::Http => ending.reset = !Box::pin(linger(&link, &limits)).await,
        End::Idle => {}
        End::Crowded => {
            tracing::debug!(peer = %link.client.peer(), "connection ended to make room for others");
            ending.reset = true;
        }
        End::Overdue(why) => {
            tracing::debug!(peer = %link.client.peer(), ?why, "connection ended by its clock");
            link.metrics().connections.timed_out(match why {
                Overdue::Idle => TimedOut::Idle,
                Overdue::Head => TimedOut::Head,
                Overdue::Silent => TimedOut::Silent,
                Overdue::Stalled => TimedOut::Stalled,
                Overdue::Unacknowledged => TimedOut::Unacknowledged,
            });
            ending.reset = matches!(why, Overdue::Stalled | Overdue::Silent | Overdue::Unacknowledged);
        }
    }
}

async fn serve_tls(keeper: &mut Keeper, config: Arc<ServerConfig>, common: Common) -> End {
    let link = Arc::clone(&keeper.link);
    let tls = match keeper.early(tls::accept(&link, config, &common.turns)).await {
        Err(end) => return end,
        Ok(Ok(tls)) => tls,
        Ok(Err(NoTls::Gone)) => return End::Http,
        Ok(Err(error)) => {
            tracing::debug!(peer = %link.client.peer(), %error, "TLS handshake failed");
            return End::Http;
        }
    };
    let end = if tls.is_http2() {
        http2::serve(keeper, tls.clone(), common).await
    } else {
        http1::serve(keeper, tls.clone(), Some(&tls), common.responder).await
    };
    if !matches!(end, End::Crowded | End::Overdue(Overdue::Stalled)) {
        tls.say_goodbye();
    }
    end
}

/// After the last answer: says that nothing more comes, reads away what the client still sends (a close with bytes unread
/// is a reset, which can destroy the answer on its way), and waits for the acknowledgements that are owed. False if one of
/// them did not come in time.
async fn linger(link: &Arc<Link>, limits: &Limits) -> bool {
    link.end_writing();
    let end = Instant::now() + limits.linger_time;
    let (mut discarded, mut listening) = (0, true);
    link.flow(|flow| flow.lingers(Instant::now()));
    loop {
        while listening {
            match link.client.stream.try_read(&mut [0; 4096]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) | Ok(0) => listening = false,
                Ok(bytes) => discarded += bytes,
            }
            listening &= discarded <= LINGER_BYTES_MAX;
        }
        let now = Instant::now();
        if link.flow(|flow| flow.next_look()).is_some_and(|at| at <= now) {
            link.poll_acks();
        }
        let (settled, deadline, look) = link.flow(|flow| (flow.is_settled(), flow.deadline(limits), flow.next_look()));
        if settled && (!listening || now >= end) {
            return true;
        }
        if !settled && deadline.is_some_and(|(at, _)| at <= now) {
            return false;
        }
        tokio::select! {
            () = sleep_until(look.unwrap_or(end)) => {}
            _ = link.client.stream.readable(), if listening => {}
            () = link.slot.evict.notified() => {
                if settled || link.slot.asked() >= Some(Standing::Stalled) {
                    return settled;
                }
                link.slot.stays();
            }
        }
    }
}
