//! One connection's task: TLS, HTTP, its clock, and its end.

use super::client::Connection;
use super::crowd::Standing;
use super::flow::Overdue;
use super::io::Socket;
use super::link::Link;
use super::probe::prepare;
use super::slots::Slot;
use super::stream::Stream;
use super::tls::{self, NoTls};
use super::turns::Turns;
use super::{Limits, http1, http2};
use crate::metrics::TimedOut;
use crate::os;
use axum::Router;
use rustix::net::{RecvFlags, recv};
use rustls::ServerConfig;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until};

/// How much of what a client still sends after its last answer is read and thrown away.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// When the clock of a connection without deadlines is looked at again.
const NO_DEADLINE: Duration = Duration::from_secs(3600);

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

/// How serving a connection ended.
pub(super) enum End {
    /// HTTP is done with it, because of the peer, of an error, or of the server's stopping.
    Http,
    /// It was idle, and is closed because the server stops or needs its slot.
    Idle,
    /// It was busy, or about to be, and gave way to others.
    Crowded,
    /// Its clock ran out.
    Overdue(Overdue),
}

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) router: Router,
    pub(super) limits: Limits,
    /// Room for requests of HTTP/2.
    pub(super) room: Arc<Semaphore>,
    /// For handshakes of TLS.
    pub(super) turns: Arc<Turns>,
    pub(super) stop: watch::Receiver<bool>,
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
    link.flow(|_| ());
    let limits = common.limits;
    let mut keeper = Keeper::new(&link, &common);
    let end = match tls {
        None => http1::serve(&mut keeper, Socket(Arc::clone(&link)), None, common.router).await,
        Some(config) => serve_tls(&mut keeper, config, common).await,
    };
    match end {
        End::Http => ending.reset = !linger(&link, &limits).await,
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
        http1::serve(keeper, tls.clone(), Some(&tls), common.router).await
    };
    if !matches!(end, End::Crowded | End::Overdue(Overdue::Stalled)) {
        tls.say_goodbye();
    }
    end
}

/// What the server wants of a connection.
pub(super) enum Wish {
    /// It stops: no request after the present ones.
    Stop,
    /// The connection is to end.
    End(End),
}

/// Looks after one connection beside HTTP: the stop of the server, the need of its slot, and its clock.
pub(super) struct Keeper {
    pub(super) link: Arc<Link>,
    pub(super) limits: Limits,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    stop_seen: bool,
    stopping: bool,
    evicted: Pin<Box<OwnedNotified>>,
    alarm: Pin<Box<Sleep>>,
    began: Instant,
    /// From the stop on: until when a first request may come.
    first: Option<Pin<Box<Sleep>>>,
}

impl Keeper {
    fn new(link: &Arc<Link>, common: &Common) -> Self {
        let mut stop = common.stop.clone();
        Self {
            link: Arc::clone(link),
            limits: common.limits,
            // A sender that is gone could never say stop any more, so that counts as stop.
            stopped: Box::pin(async move { drop(stop.wait_for(|stop| *stop).await) }),
            stop_seen: false,
            stopping: false,
            evicted: Box::pin(Arc::clone(&link.slot.evict).notified_owned()),
            alarm: Box::pin(sleep_until(Instant::now() + common.limits.idle_time)),
            began: Instant::now(),
            first: None,
        }
    }

    /// To be asked after HTTP has been: a request that has arrived is not cut off by it.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Wish> {
        self.stop_seen = self.stop_seen || self.stopped.as_mut().poll(context).is_ready();
        if self.stop_seen && !self.stopping {
            match self.rest() {
                // Who connects just before the stop is about to ask something, and is not sent away.
                Rest::Idle if self.link.flow(|flow| flow.is_new()) && self.first_may_come(context) => {}
                Rest::Idle => return Poll::Ready(Wish::End(End::Idle)),
                // HTTP is about to be woken by it.
                Rest::Unread => {}
                Rest::Opening | Rest::Busy => {
                    self.stopping = true;
                    return Poll::Ready(Wish::Stop);
                }
            }
        }
        while self.evicted.as_mut().poll(context).is_ready() {
            match (self.link.slot.asked(), self.rest()) {
                (Some(_), Rest::Idle) => return Poll::Ready(Wish::End(End::Idle)),
                (Some(Standing::Opening), Rest::Opening) | (Some(Standing::Stalled | Standing::Busy), Rest::Busy) => {
                    return Poll::Ready(Wish::End(End::Crowded));
                }
                // A request has come meanwhile.
                _ => self.link.slot.stays(),
            }
            self.evicted.set(Arc::clone(&self.link.slot.evict).notified_owned());
        }
        self.poll_clock(context).map(|why| Wish::End(End::Overdue(why)))
    }

    fn first_may_come(&mut self, context: &mut Context<'_>) -> bool {
        let end = self.began + self.limits.first_time;
        self.first.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(context).is_pending()
    }

    /// Ready when a deadline has passed. Looks for acknowledgements on the way. The alarm is only ever moved to an earlier
    /// time; when it rings too early it is set anew. So a request costs no change of a timer.
    fn poll_clock(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            let now = Instant::now();
            let limits = Limits { header_time: self.header_time(), ..self.limits };
            let (deadline, look) = self.link.flow(|flow| (flow.deadline(&limits), flow.next_look()));
            if look.is_some_and(|at| at <= now) {
                self.link.poll_acks();
                continue;
            }
            if let Some((at, why)) = deadline
                && at <= now
            {
                return Poll::Ready(why);
            }
            let wake = deadline.map(|(at, _)| at).into_iter().chain(look).min().unwrap_or(now + NO_DEADLINE);
            if self.alarm.is_elapsed() || wake < self.alarm.deadline() {
                self.alarm.as_mut().reset(wake);
            }
            ready!(self.alarm.as_mut().poll(context));
        }
    }

    /// What comes before the first request: as long as a head may take, and no longer than the server can do without the
    /// connection.
    pub(super) async fn early<T>(&mut self, begin: impl Future<Output = T>) -> Result<T, End> {
        let mut begin = pin!(begin);
        let mut late = pin!(sleep_until(Instant::now() + self.header_time()));
        poll_fn(|context| {
            if let Poll::Ready(begun) = begin.as_mut().poll(context) {
                return Poll::Ready(Ok(begun));
            }
            if late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(End::Overdue(Overdue::Head)));
            }
            match ready!(self.poll(context)) {
                Wish::End(end) => Poll::Ready(Err(end)),
                Wish::Stop => Poll::Ready(Err(End::Idle)),
            }
        })
        .await
    }

    /// Shorter while there are hardly places left.
    fn header_time(&self) -> Duration {
        self.link.slot.header_time(self.limits.header_time)
    }

    fn rest(&self) -> Rest {
        let (idle, standing) = self.link.flow(|flow| (flow.is_idle(), flow.standing()));
        if !idle && standing != Standing::Opening {
            Rest::Busy
        } else if os::look(&*self.link.client.stream).is_ok_and(|look| look.readable) {
            Rest::Unread
        } else if idle {
            Rest::Idle
        } else {
            Rest::Opening
        }
    }
}

/// Whether a connection may be closed without loss.
#[derive(PartialEq, Eq)]
enum Rest {
    Idle,
    /// Idle or opening, but something has arrived that HTTP has not seen yet.
    Unread,
    /// The head of a request has begun, and its client owes the rest.
    Opening,
    Busy,
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
