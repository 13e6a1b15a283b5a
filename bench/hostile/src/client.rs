//! Connections of a client: kept or fresh, plain or TLS, from an address of its own.

use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Anything that went wrong.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;

/// Bytes both ways, plain or not.
pub(crate) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// How long anybody waits for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(75);

/// The target of a client, and its key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The server.
    pub(crate) at: SocketAddr,
    /// Where it connects from.
    pub(crate) from: Ipv4Addr,
    /// `Authorization: Bearer`.
    pub(crate) secret: Option<String>,
    /// The certificate that the server's must be, where it speaks TLS.
    pub(crate) tls: Option<PathBuf>,
}

impl Client {
    /// The same with that key.
    pub(crate) fn with(&self, secret: Option<String>) -> Self {
        Self { secret, ..self.clone() }
    }

    /// A TCP connection; `receive` is the size of its receive buffer.
    pub(crate) async fn tcp(&self, receive: Option<u32>) -> Result<TcpStream, Fault> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes)?;
        }
        choose_port_late(&socket)?;
        socket.bind((self.from, 0).into())?;
        let stream = timeout(Duration::from_secs(10), socket.connect(self.at)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// How it speaks TLS.
    pub(crate) fn connector(&self, protocol: &[u8]) -> Result<TlsConnector, Fault> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.tls {
            roots.add(std::fs::read(path)?.into())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        // Each handshake costs the server what it can.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// A connection on which requests may be written.
    pub(crate) async fn stream(&self, receive: Option<u32>) -> Result<Box<dyn Both>, Fault> {
        let tcp = self.tcp(receive).await?;
        if self.tls.is_none() {
            return Ok(Box::new(tcp));
        }
        let connector = self.connector(b"http/1.1")?;
        let stream = connector.connect(ServerName::try_from("localhost")?, tcp);
        Ok(Box::new(timeout(Duration::from_secs(30), stream).await??))
    }

    /// A connection that speaks HTTP/1.1.
    pub(crate) async fn open(&self) -> Result<Open, Fault> {
        let (sender, connection) = handshake(TokioIo::new(self.stream(None).await?)).await?;
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Open { client: self.clone(), sender, task: task.abort_handle() })
    }

    /// A request as bytes.
    pub(crate) fn bytes(&self, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let key = self.secret.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let length = body.len();
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}{headers}Content-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    }

    /// Sends that on a connection of its own and does not read the answer.
    pub(crate) async fn send_only(&self, bytes: &[u8], receive: Option<u32>) -> Result<Box<dyn Both>, Fault> {
        let mut stream = self.stream(receive).await?;
        timeout(Duration::from_secs(30), stream.write_all(bytes)).await??;
        Ok(stream)
    }
}

/// An open connection; dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Open {
    client: Client,
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How.
    pub(crate) status: StatusCode,
    /// What.
    pub(crate) body: Bytes,
    /// With which headers.
    pub(crate) headers: HeaderMap,
}

impl Answer {
    /// A text in the JSON that was answered; empty if it is not there.
    pub(crate) fn text(&self, name: &str) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json[name].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the server says that it is too much.
    pub(crate) fn refused(&self) -> bool {
        matches!(self.status.as_u16(), 401 | 403 | 409 | 429 | 503)
    }
}

impl Open {
    /// Sends a request and reads its whole answer.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, Fault> {
        self.ask_with(method, path, &[], body).await
    }

    /// The same with more headers.
    pub(crate) async fn ask_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Fault> {
        let mut request = Request::builder().method(method).uri(path).header("Host", "localhost");
        if let Some(secret) = &self.client.secret {
            request = request.header("Authorization", format!("Bearer {secret}"));
        }
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        let answered = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status: head.status, headers: head.headers, body })
        };
        Ok(timeout(ANSWER_TIME, answered).await??)
    }
}

/// Has the port chosen by connect, which may take one that another connection had just before: bind would look long for one that
/// nobody had in the last minute (ip(7), `IP_BIND_ADDRESS_NO_PORT`).
#[expect(unsafe_code, reason = "no dependency has a safe wrapper")]
fn choose_port_late(socket: &TcpSocket) -> std::io::Result<()> {
    let yes: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the value is an int of that length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const yes).cast(),
            length,
        )
    };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
