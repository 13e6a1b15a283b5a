//! Tests over real loopback sockets, with raw clients; and what they share.

mod bounds;
mod flow;
mod http;
mod http2;
mod listener;
mod presence;
mod receipts;
mod secure;
mod stop;
mod tls;

use super::{Connection, Limits, Listener, Receipt, attach, serve};
use crate::engine::Delivery::{self, Delivered, Unknown, Unsent};
use crate::metrics::Metrics;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// Far more than anything here takes, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it came in time")
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What the handlers of the test's router report, and wait for.
#[derive(Clone)]
struct Props {
    seen: mpsc::UnboundedSender<Arc<Connection>>,
    receipts: mpsc::UnboundedSender<Delivery>,
    go: Arc<Semaphore>,
}

impl Props {
    fn receipt(&self) -> Receipt {
        let receipts = self.receipts.clone();
        Receipt::new(move |delivery| {
            let _ = receipts.send(delivery);
        })
    }
}

/// A server under test.
struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    done: JoinHandle<usize>,
    metrics: Arc<Metrics>,
    /// Connections of the requests that reached `/wait`.
    seen: mpsc::UnboundedReceiver<Arc<Connection>>,
    /// Outcomes of receipts.
    receipts: mpsc::UnboundedReceiver<Delivery>,
    /// One permit lets one `/wait` answer.
    go: Arc<Semaphore>,
}

fn router() -> (Router, Props, mpsc::UnboundedReceiver<Arc<Connection>>, mpsc::UnboundedReceiver<Delivery>) {
    let (seen, seen_end) = mpsc::unbounded_channel();
    let (receipts, receipts_end) = mpsc::unbounded_channel();
    let props = Props { seen, receipts, go: Arc::new(Semaphore::new(0)) };
    let receipted = |text: &'static str| {
        move |State(props): State<Props>| async move {
            let mut response = Response::new(Body::from(text));
            attach(&mut response, props.receipt());
            response
        }
    };
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/from", get(|Extension(from): Extension<Arc<Connection>>| async move { from.peer().name() }))
        .route("/host", get(|headers: HeaderMap| async move { headers["host"].to_str().expect("text").to_owned() }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/receipt", get(receipted("sent")).head(receipted("head only")))
        .route("/empty", get(receipted("")))
        .route("/wait", get(wait))
        .route("/large", get(large))
        .route("/ignore", post(receipted("ignored")))
        .route("/panic", get(panics))
        .with_state(props.clone());
    (router, props, seen_end, receipts_end)
}

/// Shows its connection, waits until it may go, and answers with two receipts; at once with none if no more may wait.
async fn wait(State(props): State<Props>, Extension(connection): Extension<Arc<Connection>>) -> Response<Body> {
    let Some(_held) = connection.hold(&(true, Arc::from("test"))) else {
        return Response::new(Body::from("full"));
    };
    let receipts = [props.receipt(), props.receipt()];
    props.seen.send(connection).expect("the test listens");
    props.go.acquire().await.expect("open").forget();
    let mut response = Response::new(Body::from("waited"));
    receipts.into_iter().for_each(|receipt| attach(&mut response, receipt));
    response
}

/// More than the kernel's buffers of both sides take.
async fn large(State(props): State<Props>) -> Response<Body> {
    let mut response = Response::new(Body::from(vec![b'x'; 64 << 20]));
    attach(&mut response, props.receipt());
    response
}

async fn panics(State(props): State<Props>, _: Request) -> Response<Body> {
    let _held = props.receipt();
    panic!("as the test wants it")
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_at("127.0.0.1", limits).await
    }

    async fn start_at(server: &str, limits: Limits) -> Self {
        let listener = Listener::bind(server, 0).await.expect("bind");
        let address = listener.local_addr();
        let (router, props, seen, receipts) = router();
        let (stop, stopped) = watch::channel(false);
        let metrics = Arc::<Metrics>::default();
        let done = tokio::spawn(serve(listener, router, limits, Arc::clone(&metrics), stopped, None));
        Self { address, stop, done, metrics, seen, receipts, go: props.go }
    }

    async fn client(&self) -> Client {
        Client(within(TcpStream::connect(self.address)).await.expect("connect"))
    }

    /// A client from another address of this machine.
    async fn client_from(&self, address: &str) -> Client {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(address.parse().expect("an address"), 0)).expect("bind");
        Client(within(socket.connect(self.address)).await.expect("connect"))
    }

    /// A client whose request waits, and its connection.
    async fn waiting(&mut self) -> (Client, Arc<Connection>) {
        let mut client = self.client().await;
        client.get("/wait").await;
        (client, within(self.seen.recv()).await.expect("a connection"))
    }

    async fn receipt(&mut self) -> Delivery {
        within(self.receipts.recv()).await.expect("an outcome")
    }

    async fn both_receipts(&mut self) -> (Delivery, Delivery) {
        (self.receipt().await, self.receipt().await)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.done.abort();
    }
}

/// A client that speaks bytes.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &str) {
        within(self.0.write_all(bytes.as_bytes())).await.expect("send");
    }

    async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    }

    /// Reads one answer with a Content-Length: its head and its body.
    async fn answer(&mut self) -> (String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.0.read_u8()).await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        within(self.0.read_exact(&mut body)).await.expect("a body");
        (head, String::from_utf8(body).expect("text"))
    }

    /// Asks, and expects this body with status 200 on a connection that stays.
    async fn expect(&mut self, path: &str, body: &str) {
        self.get(path).await;
        let (head, got) = self.answer().await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(got, body);
    }

    /// Everything up to the end of the connection; a reset counts as an end.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        drop(within(self.0.read_to_end(&mut bytes)).await);
        String::from_utf8(bytes).expect("text")
    }

    /// Closes with a reset.
    fn reset(self) {
        socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).expect("linger");
    }

    /// Closes only the sending side.
    async fn half_close(&mut self) {
        self.0.shutdown().await.expect("shutdown");
    }
}
