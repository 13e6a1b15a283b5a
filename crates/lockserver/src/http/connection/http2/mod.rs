//! HTTP/2 on a connection (RFC 9113), by the `h2` crate itself: it names the stream of each request, which is what
//! receipts need to know when an answer was really written.

mod body;
mod exchange;

use super::flow::Overdue;
use super::io::WatchedFrames;
use super::keeper::{Common, End, Keeper, Wish, report};
use super::tls::Tls;
use axum::body::Bytes;
use exchange::{Exchange, Rooms};
use h2::server::{Builder, Connection as Http};
use h2::{Ping, PingPong, Reason};
use lock_core::limits::{BODY_BYTES_MAX, STREAMS_MAX, STREAMS_TURN_REQUESTS, STREAMS_WINDOW_BYTES};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// Serves requests until the connection ends.
pub(super) async fn serve(keeper: &mut Keeper, tls: Tls, common: Common) -> End {
    let link = Arc::clone(&keeper.link);
    let io = WatchedFrames::new(tls, Arc::clone(&link));
    let handshake = builder(common.limits.head_bytes).handshake::<_, Bytes>(io);
    let mut http = match keeper.early(handshake).await {
        Err(end) => return end,
        Ok(Err(error)) => {
            tracing::debug!(peer = %link.client.peer(), %error, "HTTP/2 did not begin");
            return End::Http;
        }
        Ok(Ok(http)) => http,
    };
    let mut pings = Pings::new(&mut http, common.limits.ping_time);
    let rooms = Rooms::new();
    let common = Arc::new(common);
    let mut exchanges = JoinSet::new();
    let end = poll_fn(|context| {
        let mut begun = 0;
        loop {
            // First what has arrived: a request that is there already is not cut off by the checks below.
            match http.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let exchange = Exchange::begin(&link, &common, &rooms);
                    exchanges.spawn(exchange.run(request, respond));
                    begun += 1;
                    if begun < STREAMS_TURN_REQUESTS {
                        continue;
                    }
                    // The others of this thread first.
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(peer = %link.client.peer(), %error, "connection ended");
                    return Poll::Ready(End::Http);
                }
                Poll::Ready(None) => return Poll::Ready(End::Http),
                Poll::Pending => {}
            }
            while let Poll::Ready(Some(ended)) = exchanges.poll_join_next(context) {
                report(ended);
            }
            let (requests, bytes) = link.flow(|flow| (flow.requests(), flow.bytes_read()));
            if pings.poll(context, requests > 0, bytes).is_ready() {
                return Poll::Ready(End::Overdue(Overdue::Silent));
            }
            match ready!(keeper.poll(context)) {
                Wish::Stop => http.graceful_shutdown(),
                Wish::End(end) => return Poll::Ready(end),
            }
        }
    })
    .await;
    say_goodbye(http, &end);
    // Their clients are gone, which they are about to see.
    let all = timeout(common.limits.linger_time, async {
        while let Some(ended) = exchanges.join_next().await {
            report(ended);
        }
    });
    drop(all.await);
    end
}

fn builder(head_bytes: usize) -> Builder {
    let within_u32 = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(within_u32(STREAMS_MAX))
        .max_header_list_size(within_u32(head_bytes))
        .initial_window_size(within_u32(BODY_BYTES_MAX))
        .initial_connection_window_size(STREAMS_WINDOW_BYTES);
    builder
}

/// Tells the peer that the connection ends (GOAWAY) as far as the socket takes it now, and ends every stream.
fn say_goodbye(mut http: Http<WatchedFrames<Tls>, Bytes>, end: &End) {
    if !matches!(end, End::Http | End::Crowded | End::Overdue(Overdue::Stalled)) {
        http.abrupt_shutdown(Reason::NO_ERROR);
        let _ = http.poll_closed(&mut Context::from_waker(Waker::noop()));
    }
}

/// Sends a PING to a silent peer with requests under way. The kernel's own probes tell whether its
/// machine is there; what stands between may be a proxy, though, or its program may hang.
struct Pings {
    pings: Option<PingPong>,
    ticks: Interval,
    /// Bytes read up to the last tick.
    bytes: u64,
    asked: bool,
}

impl Pings {
    fn new(http: &mut Http<WatchedFrames<Tls>, Bytes>, every: Duration) -> Self {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { pings: http.ping_pong(), ticks, bytes: 0, asked: false }
    }

    /// Ready if the peer was asked and said nothing since. To be asked after everything that has arrived was read.
    fn poll(&mut self, context: &mut Context<'_>, busy: bool, bytes: u64) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        // Otherwise no further one could be sent; that it came shows in the bytes.
        let _ = pings.poll_pong(context);
        while self.ticks.poll_tick(context).is_ready() {
            let silent = bytes == self.bytes;
            self.bytes = bytes;
            if !silent || !busy {
                self.asked = false;
            } else if self.asked {
                return Poll::Ready(());
            } else {
                self.asked = pings.send_ping(Ping::opaque()).is_ok();
            }
        }
        Poll::Pending
    }
}
