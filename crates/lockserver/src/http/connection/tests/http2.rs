//! HTTP/2: many requests on one connection, each with a client and a receipt of its own.

use super::secure::{HTTP2, Secure};
use super::*;
use crate::wall::CLOCK;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use lock_core::limits::{HEAD_FIELDS_MAX, STREAMS_HEAD_BYTES_MAX, STREAMS_TURN_REQUESTS, STREAMS_WORK_MAX};
use std::future::poll_fn;
use std::task::Poll;
use std::time::UNIX_EPOCH;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A client; its connection runs in a task that ends with it.
struct Client2 {
    requests: SendRequest<Bytes>,
    running: JoinHandle<Result<(), h2::Error>>,
}

/// A request whose answer is awaited.
struct Asked {
    answer: ResponseFuture,
    stream: SendStream<Bytes>,
}

impl Client2 {
    async fn new(server: &Secure) -> Self {
        Self::with(server, &Builder::new()).await
    }

    async fn with(server: &Secure, builder: &Builder) -> Self {
        let io = server.connect(&HTTP2).await.expect("a handshake");
        let (requests, connection) = within(builder.handshake(io)).await.expect("HTTP/2");
        Self { requests, running: tokio::spawn(connection) }
    }

    async fn ask(&mut self, method: &str, path: &str, ends: bool) -> Asked {
        let request = Request::builder().method(method).uri(format!("https://locks.test{path}"));
        let mut requests = within(self.requests.clone().ready()).await.expect("ready");
        let (answer, stream) = requests.send_request(request.body(()).expect("a request"), ends).expect("send");
        Asked { answer, stream }
    }

    async fn get(&mut self, path: &str) -> Asked {
        self.ask("GET", path, true).await
    }

    async fn expect(&mut self, path: &str, body: &str) {
        assert_eq!(self.get(path).await.text().await, body);
    }

    /// The client is killed.
    fn kill(self) {
        self.running.abort();
    }
}

impl Drop for Client2 {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn text(mut body: RecvStream) -> String {
    let mut bytes = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data.expect("data");
        body.flow_control().release_capacity(data.len()).expect("capacity");
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).expect("text")
}

impl Asked {
    async fn head(self) -> (StatusCode, HeaderMap, RecvStream) {
        let (parts, body) = within(self.answer).await.expect("an answer").into_parts();
        (parts.status, parts.headers, body)
    }

    async fn text(self) -> String {
        text(self.head().await.2).await
    }
}

#[tokio::test]
async fn a_hundred_requests_wait_on_one_connection() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(client.get("/wait").await);
    }
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(within(server.seen.recv()).await.expect("a connection"));
    }
    assert!(connections.iter().all(|connection| connection.is_open() && connection.is_tls()));
    // Others are not held up by them.
    client.expect("/hello", "hello").await;
    client.expect("/from", "127.0.0.1").await;
    server.go.add_permits(100);
    for asked in waiting {
        assert_eq!(asked.text().await, "waited");
    }
    for _ in 0..100 {
        assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    }
    client.expect("/hello", "hello").await;
}

#[tokio::test]
async fn requests_of_every_kind_are_answered() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut asked = client.ask("POST", "/echo", false).await;
    asked.stream.send_data(Bytes::from("x".repeat(60_000)), true).expect("send");
    assert_eq!(asked.text().await.len(), 60_000);
    for path in ["/receipt", "/empty", "/large"] {
        client.get(path).await.text().await;
        assert_eq!(server.receipt().await, Delivered, "{path}");
    }
    let (status, headers, body) = client.ask("HEAD", "/receipt", true).await.head().await;
    assert_eq!((status, text(body).await.as_str()), (StatusCode::OK, ""));
    assert!(headers.contains_key("date"), "{headers:?}");
    assert_eq!(server.receipt().await, Delivered, "an answer without its body is whole");
    let (status, _, body) = client.get("/panic").await.head().await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(body).await.starts_with("internal error"));
    assert_eq!(server.receipt().await, Unsent, "what the handler held is lost");
    // An answer before the end of the request arrives whole.
    let mut asked = client.ask("POST", "/ignore", false).await;
    asked.stream.send_data(Bytes::from("beginning"), false).expect("send");
    assert_eq!(asked.text().await, "ignored");
    assert_eq!(server.receipt().await, Delivered);
    client.expect("/hello", "hello").await;
}

#[tokio::test]
async fn a_stream_that_is_reset_has_no_client_and_the_others_have() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut first = client.get("/wait").await;
    let left = within(server.seen.recv()).await.expect("a connection");
    let second = client.get("/wait").await;
    let stays = within(server.seen.recv()).await.expect("a connection");
    first.stream.send_reset(Reason::CANCEL);
    within(left.closed()).await;
    assert!(!left.is_open() && stays.is_open());
    // The handler goes on and makes its answer, which reaches nobody.
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Unsent, Unsent));
    server.go.add_permits(1);
    assert_eq!(second.text().await, "waited");
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

#[tokio::test]
async fn a_client_that_leaves_leaves_all_its_requests() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut asked = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..3 {
        asked.push(client.get("/wait").await);
        connections.push(within(server.seen.recv()).await.expect("a connection"));
    }
    client.kill();
    for connection in &connections {
        within(connection.closed()).await;
        assert!(!connection.is_open());
    }
    server.go.add_permits(3);
    for _ in 0..3 {
        assert_eq!(server.both_receipts().await, (Unsent, Unsent));
    }
}

#[tokio::test]
async fn an_answer_that_the_window_holds_back_is_not_written() {
    let limits = Limits { write_time: Duration::from_millis(200), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    let mut client = Client2::with(&server, Builder::new().initial_window_size(2)).await;
    // Four bytes into a window of two, which the client does not open again.
    let asked = client.get("/receipt").await;
    let (_, _, mut body) = asked.head().await;
    assert_eq!(within(body.data()).await.expect("data").expect("data").len(), 2);
    assert!(server.receipts.try_recv().is_err(), "half an answer is none");
    assert_eq!(server.receipt().await, Unknown, "a part of it may have been read");
    let reset = within(body.data()).await.expect("an error").expect_err("a reset");
    assert_eq!(reset.reason(), Some(Reason::CANCEL));
    // One that opens its window gets all.
    assert_eq!(client.get("/receipt").await.text().await, "sent");
    assert_eq!(server.receipt().await, Delivered);
}

#[tokio::test]
async fn a_silent_client_with_requests_under_way_is_asked_and_given_up() {
    let limits = Limits { ping_time: Duration::from_millis(50), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    // This one answers pings for as long as it waits.
    let mut alive = Client2::new(&server).await;
    let asked = alive.get("/wait").await;
    let stays = within(server.seen.recv()).await.expect("a connection");
    // This one's machine is there; its program does not read.
    let io = server.connect(&HTTP2).await.expect("a handshake");
    let (requests, mut connection) = within(h2::client::handshake(io)).await.expect("HTTP/2");
    let request = Request::get("https://locks.test/wait").body(()).expect("a request");
    let mut requests = requests;
    let (_answer, _) = requests.send_request(request, true).expect("send");
    let hung = tokio::select! {
        _ = &mut connection => panic!("it goes on"),
        hung = within(server.seen.recv()) => hung.expect("a connection"),
    };
    within(hung.closed()).await;
    assert!(stays.is_open());
    server.go.add_permits(2);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(server.receipt().await);
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [Delivered, Delivered, Unsent, Unsent]);
    assert_eq!(asked.text().await, "waited");
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_began_over_http2() {
    let mut server = Secure::start(Limits::default()).await;
    let mut idle = Client2::new(&server).await;
    idle.expect("/hello", "hello").await;
    let mut client = Client2::new(&server).await;
    let waiting = client.get("/wait").await;
    within(server.seen.recv()).await.expect("a connection");
    server.stop.send_replace(true);
    within(&mut idle.running).await.expect("a task").expect("an end without an error");
    assert!(!server.done.is_finished());
    server.go.add_permits(1);
    assert_eq!(waiting.text().await, "waited");
    within(&mut client.running).await.expect("a task").expect("an end without an error");
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    assert_eq!(within(&mut server.done).await.expect("serve"), 0);
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_ever_over_http2() {
    let limits = Limits { drain_time: Duration::from_millis(50), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    let mut client = Client2::new(&server).await;
    let _waiting = client.get("/wait").await;
    let connection = within(server.seen.recv()).await.expect("a connection");
    server.stop.send_replace(true);
    assert_eq!(within(&mut server.done).await.expect("serve"), 1);
    assert_eq!(server.both_receipts().await, (Unsent, Unsent));
    assert!(!connection.is_open());
}

/// Everything up to the end of the connection.
async fn rest(io: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(within(io.read_to_end(&mut bytes)).await);
    bytes
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn what_begins_and_does_not_end_is_cut() {
    let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
    let server = Secure::start(limits).await;
    let cases: [(&str, Vec<u8>); 4] = [
        ("no preface", Vec::new()),
        ("half a preface", PREFACE[..10].to_vec()),
        ("half a frame", [PREFACE, b"\0\0\x08\x06\0"].concat()),
        // GET https://x/ without END_HEADERS.
        ("headers without end", [PREFACE, b"\0\0\x03\x01\x01\0\0\0\x01\x82\x84\x87"].concat()),
    ];
    let began = Instant::now();
    for (what, bytes) in cases {
        let mut io = server.connect(&HTTP2).await.expect("a handshake");
        within(io.write_all(&bytes)).await.expect("send");
        rest(&mut io).await;
        assert!(began.elapsed() < PATIENCE / 2, "{what}");
    }
    assert!(began.elapsed() >= Duration::from_millis(800), "each had its time");
    let mut rubbish = server.connect(&HTTP2).await.expect("a handshake");
    within(rubbish.write_all(b"GET / HTTP/1.1\r\nHost: this is not HTTP/2\r\n\r\n")).await.expect("send");
    rest(&mut rubbish).await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let request = Request::get("https://locks.test/hello").header("a", "x".repeat(40_000)).body(()).expect("a request");
    let (answer, _) = client.requests.send_request(request, true).expect("send");
    let status = within(answer).await.map(|answer| answer.status());
    assert!(matches!(status, Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)), "{status:?}");
    client.expect("/hello", "hello").await;
}

#[tokio::test]
async fn idle_connections_end_in_time_and_make_way() {
    let limits = Limits { connections: 1, idle_time: Duration::from_millis(500), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    let mut first = Client2::new(&server).await;
    first.expect("/hello", "hello").await;
    let mut second = Client2::new(&server).await;
    within(&mut first.running).await.expect("a task").expect("an end without an error");
    // A request that waits is not idle, however long that takes.
    let waiting = second.get("/wait").await;
    let connection = within(server.seen.recv()).await.expect("a connection");
    let early = tokio::time::timeout(Duration::from_millis(800), connection.closed()).await;
    assert!(early.is_err());
    server.go.add_permits(1);
    assert_eq!(waiting.text().await, "waited");
    within(&mut second.running).await.expect("a task").expect("an end without an error");
}

#[tokio::test]
async fn a_client_may_have_as_many_requests_waiting_as_the_server_promises() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut waiting = Vec::new();
    for _ in 0..lock_core::limits::WAITING_REQUESTS_MAX {
        waiting.push(client.get("/wait").await);
    }
    for _ in &waiting {
        within(server.seen.recv()).await.expect("a connection");
    }
    client.expect("/hello", "hello").await;
    // One that resets them all and asks again at once is served as well.
    drop(waiting);
    client.expect("/hello", "hello").await;
}

#[tokio::test]
async fn the_name_of_the_server_stands_where_http_1_has_it() {
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    client.expect("/host", "locks.test").await;
    server.go.add_permits(1);
    client.expect("/wait", "waited").await;
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

/// On one thread, whose clock this is. (HTTP/1 is not shown: its `Date` is made by `hyper`, which asks the system.)
#[tokio::test]
async fn whatever_the_clock_says_a_connection_is_answered() {
    let (before, after) = (UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(300_000_000_000));
    for (clock, date) in [(before, "Thu, 01 Jan 1970 "), (after, " Dec 9999 ")] {
        CLOCK.set(Some(clock));
        let server = Secure::start(Limits::default()).await;
        server.tls_client().await.expect("/hello", "hello").await;
        let (status, headers, body) = Client2::new(&server).await.get("/hello").await.head().await;
        assert_eq!((status, text(body).await.as_str()), (StatusCode::OK, "hello"), "{clock:?}");
        assert!(headers["date"].to_str().expect("text").contains(date), "{headers:?}");
    }
}

#[tokio::test]
async fn open_bodies_on_one_connection_are_read_a_few_at_a_time() {
    let server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_WORK_MAX {
        open.push(client.ask("POST", "/echo", false).await);
    }
    let mut next = client.get("/hello").await;
    let early = tokio::time::timeout(Duration::from_millis(50), &mut next.answer).await;
    assert!(early.is_err(), "as many as may be are read");
    let mut one = open.pop().expect("some");
    one.stream.send_data(Bytes::from_static(b"done"), true).expect("send");
    assert_eq!(one.text().await, "done");
    assert_eq!(next.text().await, "hello");
    // Given up, they leave their places.
    drop(open);
    client.expect("/hello", "hello").await;
}

/// Everything here shares one thread.
#[tokio::test]
async fn a_flood_of_requests_leaves_the_thread_to_others_after_each_few() {
    const FLOOD: usize = STREAMS_WORK_MAX - 1;
    let mut server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    client.expect("/hello", "hello").await;
    let request = || Request::get("https://locks.test/wait").body(()).expect("a request");
    let mut requests = within(client.requests.clone().ready()).await.expect("ready");
    // Without an `await`: nothing of it is sent yet.
    let _open: Vec<_> = (0..FLOOD).map(|_| requests.send_request(request(), true).expect("send")).collect();
    // A task as any other: it is ready again at once, behind those that are ready then.
    let (mut most, mut all) = (0, 0);
    let other = tokio::spawn(poll_fn(move |context| {
        let begun = std::iter::from_fn(|| server.seen.try_recv().ok()).count();
        (most, all) = (most.max(begun), all + begun);
        if all == FLOOD {
            return Poll::Ready(most);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    let most = within(other).await.expect("no panic");
    // Those of two turns may be ready when this task is, and no more.
    assert!(most <= 2 * STREAMS_TURN_REQUESTS, "{most} of {FLOOD} at a time");
}

#[tokio::test]
async fn heads_on_one_connection_are_bounded_in_fields_and_bytes() {
    let server = Secure::start(Limits::default()).await;
    let mut client = Client2::new(&server).await;
    let request = |fields: usize, bytes: usize| {
        let mut request = Request::builder().method("POST").uri("https://locks.test/echo");
        for n in 0..fields {
            request = request.header(format!("x-{n}"), "y".repeat(bytes));
        }
        request.body(()).expect("a request")
    };
    let mut requests = within(client.requests.clone().ready()).await.expect("ready");
    let (answer, _) = requests.send_request(request(HEAD_FIELDS_MAX + 1, 1), true).expect("send");
    assert_eq!(within(answer).await.expect("an answer").status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..2 * STREAMS_HEAD_BYTES_MAX / (100 * 140) {
        let mut requests = within(client.requests.clone().ready()).await.expect("ready");
        open.push(requests.send_request(request(90, 50), false).expect("send"));
    }
    for (answer, _) in &mut open {
        if let Ok(Err(error)) = tokio::time::timeout(Duration::from_millis(1), answer).await {
            assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM));
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused} of {}", open.len());
    drop(open);
    client.expect("/hello", "hello").await;
}
