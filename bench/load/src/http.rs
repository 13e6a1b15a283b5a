//! The HTTP client of everything here that speaks HTTP: one connection, one request at a time, and no thread but the caller's.
//!
//! The same for lockserver, the echo and throttle, so that a ratio compares servers and not clients.

use crate::fault::Fault;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long a connection may take. Answers have no time of their own, for a timer costs more than what is measured here: a round has one.
const CONNECT_TIME: Duration = Duration::from_secs(10);

type Body = Full<Bytes>;

/// An open connection.
pub(crate) struct Client {
    sender: SendRequest<Body>,
    connection: Connection<TokioIo<TcpStream>, Body>,
    host: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How.
    pub(crate) status: StatusCode,
    /// What.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, if the server did what it was asked.
    pub(crate) fn good(self) -> Result<Bytes, Fault> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(format!("{}: {}", self.status, String::from_utf8_lossy(&self.body)).into())
    }
}

impl Client {
    /// Connects.
    pub(crate) async fn open(at: SocketAddr) -> Result<Self, Fault> {
        Self::open_from(at, Ipv4Addr::LOCALHOST).await
    }

    /// Connects from that address.
    pub(crate) async fn open_from(at: SocketAddr, from: Ipv4Addr) -> Result<Self, Fault> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = timeout(CONNECT_TIME, socket.connect(at)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection, host: at.to_string() })
    }

    /// Sends a request and reads its whole answer. The media type is told, as clients do.
    pub(crate) async fn ask(
        &mut self,
        method: &'static str,
        path: &str,
        media: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, Fault> {
        let body: Bytes = body.into();
        let mut request = Request::builder().method(method).uri(path).header("Host", &self.host);
        if !body.is_empty() {
            request = request.header("Content-Type", media);
        }
        let request = request.body(Full::new(body))?;
        let Self { sender, connection, .. } = self;
        let exchange = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>(Answer { status: head.status, body: body.collect().await?.to_bytes() })
        };
        // The connection first: what it has read is there when the exchange looks.
        let both = async {
            tokio::select! {
                biased;
                ended = connection => Err(ended.err().map_or_else(|| "the server closed the connection".into(), Fault::from)),
                answer = exchange => Ok(answer?),
            }
        };
        both.await
    }
}
