//! The keeper of a connection, beside HTTP: the stop of the server, the need of its slot, and its clock.

use super::Limits;
use super::crowd::Standing;
use super::flow::Overdue;
use super::link::Link;
use super::responder::Responder;
use super::turns::Turns;
use crate::os;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, Sleep, sleep_until};

/// When the clock of a connection without deadlines is looked at again.
const NO_DEADLINE: Duration = Duration::from_secs(3600);

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
    pub(super) responder: Responder,
    pub(super) limits: Limits,
    /// Room for requests of HTTP/2.
    pub(super) room: Arc<Semaphore>,
    /// For handshakes of TLS.
    pub(super) turns: Arc<Turns>,
    pub(super) stop: watch::Receiver<bool>,
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
    pub(super) fn new(link: &Arc<Link>, common: &Common) -> Self {
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
                // A client that connects just before the stop is about to ask something, and is not sent away.
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

    /// Since when nothing has come, if that is so long that HTTP's buffers are better spent on others.
    pub(super) fn rests_since(&self) -> Option<Instant> {
        self.link.quietly(|flow| flow.rests_since()).filter(|since| since.elapsed() >= self.limits.rest_time)
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
            let (deadline, look, rests) =
                self.link.flow(|flow| (flow.deadline(&limits), flow.next_look(), flow.rests_since()));
            if look.is_some_and(|at| at <= now) {
                self.link.poll_acks();
                continue;
            }
            if let Some((at, why)) = deadline
                && at <= now
            {
                return Poll::Ready(why);
            }
            let rest = rests.map(|since| since + limits.rest_time).filter(|at| *at > now);
            let wake =
                deadline.map(|(at, _)| at).into_iter().chain(look).chain(rest).min().unwrap_or(now + NO_DEADLINE);
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

/// A connection's task has ended. Panics of handlers are answered before they come here; this one was in an answer's body.
pub(super) fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection was lost to a panic while its answer was written. Please report this as a bug");
    }
}
