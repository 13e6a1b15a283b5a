//! What a client does not read of many answers on one connection of HTTP/2.

use super::harness::{Server, within};
use super::reads::add_locks;
use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use lock_core::limits::{LISTED_BYTES_MAX, OWNER_READ_BYTES_MAX};
use lockserver::http::AuthSettings;
use lockserver::http::connection::{self, Limits, Listener};
use lockserver::store::MemoryStore;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// A server with TLS, and a client of HTTP/2 that takes no byte of any body.
struct Rig {
    server: Server,
    requests: SendRequest<Bytes>,
    _stop: watch::Sender<bool>,
}

impl Rig {
    async fn start() -> Self {
        let mut shared = None;
        let store = Box::new(MemoryStore::default());
        let server = Server::start_around(store, AuthSettings::default(), |responder, _| {
            shared = Some(responder.clone());
            responder
        })
        .await;
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (_, tls) = watch::channel(Some(Arc::new(config)));
        let (stop, stopping) = watch::channel(false);
        let listener = Listener::bind("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr();
        let metrics = server.handle().metrics().clone();
        tokio::spawn(connection::serve(listener, shared.unwrap(), Limits::default(), metrics, stopping, Some(tls)));

        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let socket = within(TcpStream::connect(address)).await.unwrap();
        let io = within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await.unwrap();
        let (requests, connection) = within(Builder::new().initial_window_size(0).handshake(io)).await.unwrap();
        tokio::spawn(connection);
        Self { server, requests, _stop: stop }
    }

    async fn get(&mut self, path: &str) -> ResponseFuture {
        let request = Request::get(format!("https://127.0.0.1{path}")).body(()).unwrap();
        let mut requests = within(self.requests.clone().ready()).await.unwrap();
        requests.send_request(request, true).unwrap().0
    }
}

fn length(answer: &Response<RecvStream>) -> usize {
    answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn answers_that_nobody_reads_on_one_connection_are_bounded_in_bytes() {
    const ASKED: usize = 24;
    let mut rig = Rig::start().await;
    add_locks(&rig.server, 5000).await;
    let mut asked = JoinSet::new();
    for _ in 0..ASKED {
        asked.spawn(rig.get("/v1/locks?tickets=0").await);
    }
    let mut unread = vec![within(asked.join_next()).await.unwrap().unwrap().unwrap()];
    // Whatever there may be beside these is made before the last of these, which are made for somebody else after one another,
    // and written before what is asked then.
    for _ in 0..ASKED {
        rig.server.admin("GET", "/v1/locks?tickets=0", &[], "").await.ok();
    }
    assert_eq!(within(rig.get("/healthz").await).await.unwrap().status(), StatusCode::OK);
    while let Some(one) = asked.try_join_next() {
        unread.push(one.unwrap().unwrap());
    }
    let (count, bytes) = (unread.len(), unread.iter().map(length).sum::<usize>());
    assert!(unread.iter().all(|one| one.status() == StatusCode::OK));
    assert!(bytes > LISTED_BYTES_MAX / 2 && bytes <= OWNER_READ_BYTES_MAX, "{count} answers of {bytes} bytes");
    // Once these are given up the others come.
    while let Some(one) = unread.pop() {
        drop(one);
        if let Some(next) = within(asked.join_next()).await {
            unread.push(next.unwrap().unwrap());
        }
        assert!(unread.iter().map(length).sum::<usize>() <= OWNER_READ_BYTES_MAX);
    }
    assert!(asked.is_empty());
}
