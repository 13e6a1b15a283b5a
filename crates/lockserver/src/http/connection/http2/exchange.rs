//! One request and its answer, on their stream.

use super::super::Receipt;
use super::super::answer::{Answer, ask};
use super::super::client::Connection;
use super::super::keeper::Common;
use super::super::link::{Link, resolve_receipts};
use super::body::Inbound;
use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, DATE, HOST, TRANSFER_ENCODING, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http_body::Body as _;
use lock_core::limits::{HEAD_FIELDS_MAX, STREAMS_HEAD_BYTES_MAX, STREAMS_MAX, STREAMS_WORK_MAX};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};

/// What a field of a head takes beside its own bytes, about.
const FIELD_BYTES: usize = 64;
/// What HTTP/2 must not carry (RFC 9113, 8.2.2).
const OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request under way. It is over when this is dropped.
pub(super) struct Exchange {
    link: Arc<Link>,
    common: Arc<Common>,
    rooms: Rooms,
}

/// What the requests of one connection share.
#[derive(Clone)]
pub(super) struct Rooms {
    /// For all that are under way.
    requests: Arc<Semaphore>,
    /// For those that are handled and do not wait.
    work: Arc<Semaphore>,
    /// Bytes of their heads.
    heads: Arc<Semaphore>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self {
            // A client that resets its streams may open others while the handlers of the first are still about to notice.
            requests: Arc::new(Semaphore::new(STREAMS_MAX)),
            work: Arc::new(Semaphore::new(STREAMS_WORK_MAX)),
            heads: Arc::new(Semaphore::new(STREAMS_HEAD_BYTES_MAX)),
        }
    }
}

/// Bytes of an answer that wait to be written, until this is dropped.
struct Owing<'l> {
    link: &'l Link,
    bytes: usize,
}

impl<'l> Owing<'l> {
    fn new(link: &'l Link, body: &Body) -> Self {
        let bytes = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        link.slot.owes(bytes);
        Self { link, bytes }
    }
}

impl Drop for Owing<'_> {
    fn drop(&mut self) {
        self.link.slot.paid(self.bytes);
    }
}

/// Why an answer did not go out.
enum Unsent {
    /// The client reset the stream, or the connection is over.
    Gone,
    /// The client takes nothing.
    Stalled,
    /// The handler's body failed.
    Broken,
}

impl From<h2::Error> for Unsent {
    fn from(_: h2::Error) -> Self {
        Self::Gone
    }
}

impl Exchange {
    /// Begins it: from now on the connection is busy.
    pub(super) fn begin(link: &Arc<Link>, common: &Arc<Common>, rooms: &Rooms) -> Self {
        link.flow(|flow| flow.request());
        Self { link: Arc::clone(link), common: Arc::clone(common), rooms: rooms.clone() }
    }

    /// Has the request answered, and sends the answer. A handler that has begun is not dropped when the client goes: it
    /// learns of it by its [`Connection`], as in HTTP/1.
    pub(super) async fn run(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        if request.headers().len() > HEAD_FIELDS_MAX {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            self.link.metrics().http.answered(None, "", response.status().as_u16(), None);
            // A client that is gone hears nothing.
            let _ = respond.send_response(response, true);
            return;
        }
        let head = u32::try_from(head_bytes(&request)).unwrap_or(u32::MAX);
        let Ok(_head) = self.rooms.heads.try_acquire_many(head) else {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        };
        let rooms = async {
            let room = (self.rooms.requests.acquire().await, self.common.room.acquire().await);
            (room, Arc::clone(&self.rooms.work).acquire_owned().await)
        };
        let (_room, work) = tokio::select! {
            biased;
            _ = poll_fn(|context| respond.poll_reset(context)) => return,
            rooms = rooms => rooms,
        };
        let work = work.expect("nobody closes it");
        let connection = Arc::new(self.link.client.of_request(work));
        let mut answer = pin!(ask(&self.common.responder, prepare(request), Arc::clone(&connection)));
        let answer = poll_fn(|context| {
            if respond.poll_reset(context).is_ready() {
                connection.leave();
            }
            answer.as_mut().poll(context)
        })
        .await;
        if let Err(Unsent::Stalled | Unsent::Broken) = self.send(answer, &mut respond, &connection).await {
            respond.send_reset(Reason::CANCEL);
        }
    }

    async fn send(
        &self,
        answer: Answer,
        respond: &mut SendResponse<Bytes>,
        connection: &Connection,
    ) -> Result<(), Unsent> {
        let answer = answer.last_look(connection).await.ok_or(Unsent::Stalled)?;
        let bodiless = answer.is_bodiless();
        let Answer { response, receipts, .. } = answer;
        let (mut parts, body) = response.into_parts();
        clean(&mut parts.headers);
        let bodiless = bodiless || body.is_end_stream();
        let _owing = (!bodiless).then(|| Owing::new(&self.link, &body));
        // Before anything is sent: once it is, another thread may write it at any moment.
        let mut owed = Owed::new(&self.link, respond.stream_id().as_u32(), receipts);
        let mut sender = respond.send_response(Response::from_parts(parts, ()), bodiless)?;
        let limit = self.common.limits.write_time;
        if !bodiless {
            let sent = send_body(&mut sender, body, limit, connection).await;
            if let Err(Unsent::Stalled | Unsent::Broken) = sent {
                // Before the receipts hear of it, so that nothing more is written.
                sender.send_reset(Reason::CANCEL);
            }
            owed.gone = matches!(sent, Err(Unsent::Gone));
            sent?;
        }
        // Until the frame that ends the stream has left HTTP, which only the client's window can delay now.
        let written = async {
            tokio::select! {
                biased;
                _ = &mut owed.written => Ok(()),
                () = is_reset(&mut sender, connection) => Err(Unsent::Gone),
            }
        };
        let result = timeout(limit, written).await.unwrap_or_else(|_| {
            sender.send_reset(Reason::CANCEL);
            Err(Unsent::Stalled)
        });
        owed.gone = matches!(result, Err(Unsent::Gone));
        result
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.link.flow(|flow| flow.request_over(Instant::now()));
    }
}

/// The receipts of an answer that is not written yet. Dropped before it is, they hear how much of it was.
struct Owed {
    link: Arc<Link>,
    stream: u32,
    /// Nobody is there for it any more.
    gone: bool,
    written: oneshot::Receiver<()>,
}

impl Owed {
    fn new(link: &Arc<Link>, stream: u32, receipts: Vec<Receipt>) -> Self {
        let written = link.flow(|flow| flow.owes(stream, receipts));
        Self { link: Arc::clone(link), stream, gone: true, written }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        resolve_receipts(self.link.flow(|flow| flow.withdrawn(self.stream, self.gone)));
    }
}

/// What a head takes, about.
fn head_bytes(request: &Request<RecvStream>) -> usize {
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_BYTES);
    FIELD_BYTES + request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + fields.sum::<usize>()
}

/// As a request of HTTP/1 looks to the router: the name of the server stands in a header.
fn prepare(request: Request<RecvStream>) -> Request<Inbound> {
    let (mut parts, stream) = request.into_parts();
    if let Some(host) = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        parts.headers.insert(HOST, host);
    }
    let body = Inbound::new(stream, &parts.headers);
    Request::from_parts(parts, body)
}

fn clean(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    if !headers.contains_key(DATE)
        && let Ok(now) = HeaderValue::from_str(&crate::wall::http_date())
    {
        headers.insert(DATE, now);
    }
}

/// Resolves when nobody is there for the rest of the answer.
async fn is_reset(sender: &mut SendStream<Bytes>, connection: &Connection) {
    drop(poll_fn(|context| sender.poll_reset(context)).await);
    connection.leave();
}

/// Sends a body to its end, as far at a time as the client's window permits.
async fn send_body(
    sender: &mut SendStream<Bytes>,
    mut body: Body,
    limit: Duration,
    connection: &Connection,
) -> Result<(), Unsent> {
    loop {
        let frame = poll_fn(|context| {
            if sender.poll_reset(context).is_ready() {
                connection.leave();
                return Poll::Ready(Err(Unsent::Gone));
            }
            Pin::new(&mut body).poll_frame(context).map(Ok)
        });
        let frame = match frame.await? {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(Unsent::Broken),
            None => return Ok(sender.send_data(Bytes::new(), true)?),
        };
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => return Ok(sender.send_trailers(trailers)?),
                Err(_) => continue,
            },
        };
        let last = body.is_end_stream();
        while !data.is_empty() {
            let room = timeout(limit, room(sender, data.len())).await.map_err(|_| Unsent::Stalled)??;
            let part = data.split_to(room.min(data.len()));
            let ends = last && data.is_empty();
            sender.send_data(part, ends)?;
            if ends {
                return Ok(());
            }
        }
        if last {
            return Ok(sender.send_data(Bytes::new(), true)?);
        }
    }
}

/// Waits for room for some of these bytes.
async fn room(sender: &mut SendStream<Bytes>, bytes: usize) -> Result<usize, Unsent> {
    sender.reserve_capacity(bytes);
    poll_fn(|context| {
        loop {
            match ready!(sender.poll_capacity(context)) {
                Some(Ok(0)) => {}
                Some(Ok(room)) => return Poll::Ready(Ok(room)),
                Some(Err(_)) | None => return Poll::Ready(Err(Unsent::Gone)),
            }
        }
    })
    .await
}
