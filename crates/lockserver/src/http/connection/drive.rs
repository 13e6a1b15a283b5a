//! One connection's task: HTTP, its clock, and its end.

use super::Limits;
use super::answer::Answering;
use super::client::Connection;
use super::flow::Overdue;
use super::io::Socket;
use crate::metrics::TimedOut;
use crate::os;
use axum::Router;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

/// Smallest head size that HTTP can be told.
const HEAD_BYTES_MIN: usize = 8192;
/// How much of what a client still sends after its last answer is read and thrown away.
const LINGER_BYTES_MAX: usize = 1 << 20;
/// When the clock of a connection without deadlines is looked at again.
const NO_DEADLINE: Duration = Duration::from_secs(3600);

/// Ends the connection however its task ends: normally, by a panic, or aborted.
pub(super) struct Ending {
    pub(super) connection: Arc<Connection>,
    reset: bool,
}

impl Ending {
    pub(super) const fn new(connection: Arc<Connection>) -> Self {
        Self { connection, reset: false }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.connection.end(self.reset);
    }
}

/// How serving a connection ended.
enum End {
    /// HTTP is done with it, because of the peer, of an error, or of the server's stopping.
    Http,
    /// It was idle, and is closed because the server stops or needs its slot.
    Idle,
    /// Its clock ran out.
    Overdue(Overdue),
}

/// Serves one connection to its end. `stop` true: no request after the present one.
pub(super) async fn drive(mut ending: Ending, router: Router, limits: Limits, stop: watch::Receiver<bool>) {
    let connection = Arc::clone(&ending.connection);
    connection.flow(|_| ());
    match serve_http(&connection, router, &limits, stop).await {
        End::Http => ending.reset = !linger(&connection, &limits).await,
        End::Idle => {}
        End::Overdue(why) => {
            tracing::debug!(peer = %connection.peer(), ?why, "connection ended by its clock");
            connection.slots.metrics.connections.timed_out(match why {
                Overdue::Idle => TimedOut::Idle,
                Overdue::Head => TimedOut::Head,
                Overdue::Stalled => TimedOut::Stalled,
                Overdue::Unacknowledged => TimedOut::Unacknowledged,
            });
            ending.reset = matches!(why, Overdue::Stalled | Overdue::Unacknowledged);
        }
    }
}

async fn serve_http(
    connection: &Arc<Connection>,
    router: Router,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
) -> End {
    let answering = Answering { router, connection: Arc::clone(connection) };
    let mut http = pin!(
        http1::Builder::new()
            .half_close(true)
            // Counts from the wrong moment (a connection that is idle between requests); `flow` does it.
            .header_read_timeout(None)
            .max_buf_size(limits.head_bytes.max(HEAD_BYTES_MIN))
            .serve_connection(TokioIo::new(Socket(Arc::clone(connection))), answering)
    );
    // A sender that is gone could never say stop any more, so that counts as stop.
    let mut stopped = pin!(async { drop(stop.wait_for(|stop| *stop).await) });
    let (mut stop_seen, mut stopping) = (false, false);
    let mut evicted = pin!(connection.evict.notified());
    let mut alarm = pin!(sleep_until(Instant::now() + limits.idle_time));
    poll_fn(|context| {
        loop {
            // First what has arrived: a request that is there already is not cut off by the checks below.
            if let Poll::Ready(result) = http.as_mut().poll(context) {
                if let Err(error) = result {
                    count_refused(connection, &error);
                    tracing::debug!(peer = %connection.peer(), %error, "connection ended");
                }
                return Poll::Ready(End::Http);
            }
            stop_seen = stop_seen || stopped.as_mut().poll(context).is_ready();
            if stop_seen && !stopping {
                match rest(connection) {
                    Rest::Idle => return Poll::Ready(End::Idle),
                    // HTTP is about to be woken by it.
                    Rest::Unread => {}
                    Rest::Busy => {
                        stopping = true;
                        http.as_mut().graceful_shutdown();
                        continue;
                    }
                }
            }
            if evicted.as_mut().poll(context).is_ready() {
                if rest(connection) == Rest::Idle {
                    return Poll::Ready(End::Idle);
                }
                connection.stay();
                evicted.set(connection.evict.notified());
                continue;
            }
            return poll_clock(connection, limits, alarm.as_mut(), context).map(End::Overdue);
        }
    })
    .await
}

/// HTTP itself answers a head that it cannot read, and no route hears of it.
fn count_refused(connection: &Connection, error: &hyper::Error) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else if error.is_parse() {
        StatusCode::BAD_REQUEST
    } else {
        return;
    };
    connection.slots.metrics.http.answered(None, "", status.as_u16(), None);
}

/// Whether a connection may be closed without loss.
#[derive(PartialEq, Eq)]
enum Rest {
    Idle,
    /// Idle, but something has arrived that HTTP has not seen yet.
    Unread,
    Busy,
}

fn rest(connection: &Arc<Connection>) -> Rest {
    if !connection.flow(|flow| flow.is_idle()) {
        Rest::Busy
    } else if os::look(&connection.stream).is_ok_and(|look| look.readable) {
        Rest::Unread
    } else {
        Rest::Idle
    }
}

/// Ready when a deadline has passed. Looks for acknowledgements on the way. The alarm is only ever moved to an earlier
/// time; when it rings too early it is set anew. So a request costs no change of a timer.
fn poll_clock(
    connection: &Arc<Connection>,
    limits: &Limits,
    mut alarm: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<Overdue> {
    loop {
        let now = Instant::now();
        let (deadline, look) = connection.flow(|flow| (flow.deadline(limits), flow.next_look()));
        if look.is_some_and(|at| at <= now) {
            connection.settle();
            continue;
        }
        if let Some((at, why)) = deadline
            && at <= now
        {
            return Poll::Ready(why);
        }
        let wake = deadline.map(|(at, _)| at).into_iter().chain(look).min().unwrap_or(now + NO_DEADLINE);
        if alarm.is_elapsed() || wake < alarm.deadline() {
            alarm.as_mut().reset(wake);
        }
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
    }
}

/// After the last answer: says that nothing more comes, reads away what the client still sends (a close with bytes unread
/// is a reset, which can destroy the answer on its way), and waits for the acknowledgements that are owed. False if one of
/// them did not come in time.
async fn linger(connection: &Arc<Connection>, limits: &Limits) -> bool {
    connection.end_writing();
    let end = Instant::now() + limits.linger_time;
    let (mut discarded, mut listening) = (0, true);
    connection.flow(|flow| flow.lingers(Instant::now()));
    loop {
        while listening {
            match connection.stream.try_read(&mut [0; 4096]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) | Ok(0) => listening = false,
                Ok(bytes) => discarded += bytes,
            }
            listening &= discarded <= LINGER_BYTES_MAX;
        }
        let now = Instant::now();
        if connection.flow(|flow| flow.next_look()).is_some_and(|at| at <= now) {
            connection.settle();
        }
        let (settled, deadline, look) =
            connection.flow(|flow| (flow.is_settled(), flow.deadline(limits), flow.next_look()));
        if settled && (!listening || now >= end) {
            return true;
        }
        if !settled && deadline.is_some_and(|(at, _)| at <= now) {
            return false;
        }
        tokio::select! {
            () = sleep_until(look.unwrap_or(end)) => {}
            _ = connection.stream.readable(), if listening => {}
            () = connection.evict.notified() => {
                if settled {
                    return true;
                }
                connection.stay();
            }
        }
    }
}
