//! A server with TLS, and clients that speak it.

use super::*;
use crate::tls::authority::{Authority, Identity};
use crate::tls::read;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, ServerConfig, SupportedProtocolVersion};
use std::io;
use std::ops::{Deref, DerefMut};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The server, who vouches for it, and what it uses.
pub(super) struct Secure {
    server: Server,
    pub(super) authority: Authority,
    pub(super) tls: watch::Sender<Option<Arc<ServerConfig>>>,
}

impl Deref for Secure {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Secure {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// What a client asks for in the handshake.
#[derive(Default)]
pub(super) struct Wishes<'a> {
    pub(super) protocols: &'a [&'a str],
    pub(super) identity: Option<&'a Identity>,
    pub(super) versions: Option<&'static SupportedProtocolVersion>,
}

pub(super) const HTTP2: Wishes<'_> = Wishes { protocols: &["h2"], identity: None, versions: None };

/// As the daemon makes it of files.
pub(super) fn config(identity: &Identity, client_ca: Option<&Authority>) -> Arc<ServerConfig> {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = identity.write(folder.path());
    let ca = client_ca.map(|authority| {
        let path = folder.path().join("ca.crt");
        std::fs::write(&path, &authority.pem).expect("write");
        path
    });
    Arc::clone(read(&cert, &key, ca.as_deref()).expect("good files").0.server())
}

impl Secure {
    pub(super) async fn start(limits: Limits) -> Self {
        Self::start_with(limits, None).await
    }

    pub(super) async fn start_with(limits: Limits, client_ca: Option<&Authority>) -> Self {
        let authority = Authority::new("Servers");
        let (tls, tls_now) = watch::channel(Some(config(&authority.issue(&["127.0.0.1"]), client_ca)));
        let listener = Listener::bind("127.0.0.1", 0).await.expect("bind");
        let address = listener.local_addr();
        let (router, props, seen, receipts) = router();
        let (stop, stopped) = watch::channel(false);
        let metrics = Arc::default();
        let done = tokio::spawn(serve(listener, router, limits, Arc::clone(&metrics), stopped, Some(tls_now)));
        Self { server: Server { address, stop, done, metrics, seen, receipts, go: props.go }, authority, tls }
    }

    /// A connection with its hands shaken.
    pub(super) async fn connect(&self, wishes: &Wishes<'_>) -> io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = match wishes.versions {
            Some(version) => builder.with_protocol_versions(&[version]),
            None => builder.with_safe_default_protocol_versions(),
        };
        let builder = builder.expect("versions").with_root_certificates(self.authority.roots());
        let mut config = match wishes.identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.key()).expect("a good identity"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = wishes.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let socket = within(TcpStream::connect(self.address)).await?;
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await
    }

    pub(super) async fn tls_client(&self) -> TlsClient {
        TlsClient(self.connect(&Wishes::default()).await.expect("a handshake"))
    }

    /// A client whose request waits, and its connection.
    pub(super) async fn tls_waiting(&mut self) -> (TlsClient, Arc<Connection>) {
        let mut client = self.tls_client().await;
        client.get("/wait").await;
        (client, within(self.seen.recv()).await.expect("a connection"))
    }
}

/// A client that speaks bytes, encrypted.
pub(super) struct TlsClient(pub(super) TlsStream<TcpStream>);

impl TlsClient {
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.0.get_ref().1.protocol_version()
    }

    pub(super) async fn send(&mut self, bytes: &str) {
        within(self.0.write_all(bytes.as_bytes())).await.expect("send");
        within(self.0.flush()).await.expect("flush");
    }

    pub(super) async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
    }

    /// Reads one answer with a Content-Length: its body.
    pub(super) async fn answer(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.0.read_u8()).await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        within(self.0.read_exact(&mut body)).await.expect("a body");
        String::from_utf8(body).expect("text")
    }

    pub(super) async fn expect(&mut self, path: &str, body: &str) {
        self.get(path).await;
        assert_eq!(self.answer().await, body);
    }

    /// Everything up to the good-bye of the server; an end without one is an error.
    pub(super) async fn rest(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        within(self.0.read_to_end(&mut bytes)).await?;
        Ok(String::from_utf8(bytes).expect("text"))
    }
}
