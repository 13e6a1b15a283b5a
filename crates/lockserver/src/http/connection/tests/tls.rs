//! TLS: handshakes good and bad, and that presence and receipts stay true under it.

use super::secure::{HTTP2, Secure, TlsClient, Wishes, config};
use super::*;
use crate::tls::authority::Authority;
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let server = Secure::start(Limits::default()).await;
    for (versions, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        for (protocols, agreed) in [
            (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
            (&["http/1.1", "h2"], Some(b"h2")),
            (&["http/1.1"], Some(b"http/1.1")),
            (&[], None),
        ] {
            let wishes = Wishes { protocols, versions: Some(versions), identity: None };
            let mut client = TlsClient(server.connect(&wishes).await.expect("a handshake"));
            assert_eq!(client.version(), Some(spoken));
            assert_eq!(client.0.get_ref().1.alpn_protocol(), agreed);
            if agreed != Some(b"h2") {
                client.expect("/hello", "hello").await;
                client.expect("/from", "127.0.0.1").await;
            }
        }
    }
    let foreign = Wishes { protocols: &["gopher"], ..HTTP2 };
    let error = server.connect(&foreign).await.expect_err("nothing to agree on").to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn a_client_without_tls_is_told_or_cut() {
    let limits = Limits { header_time: Duration::from_millis(200), ..Limits::default() };
    let server = Secure::start(limits).await;
    let mut plain = server.client().await;
    plain.get("/hello").await;
    let all = plain.rest().await;
    assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{all}");
    assert!(all.ends_with("\r\n\r\nthis server speaks TLS; use https://\n"), "{all}");

    let mut rubbish = server.client().await;
    rubbish.send("\u{1}\u{2}\u{3} and so on\r\n\r\n").await;
    assert_eq!(rubbish.rest().await, "");
    // A handshake that stops in the middle, or never begins, keeps nobody waiting, and ends in time.
    let (mut silent, mut half) = (server.client().await, server.client().await);
    half.send("\u{16}\u{3}\u{1}\u{2}").await;
    let began = Instant::now();
    server.tls_client().await.expect("/hello", "hello").await;
    assert_eq!((silent.rest().await, half.rest().await), (String::new(), String::new()));
    assert!(began.elapsed() < PATIENCE / 2);
    // A greeting of a client with nothing in it is answered with an alert.
    let mut wrong = server.client().await;
    within(wrong.0.write_all(b"\x16\x03\x01\x00\x04\x01\0\0\0")).await.expect("send");
    let mut answer = Vec::new();
    drop(within(wrong.0.read_to_end(&mut answer)).await);
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
}

#[tokio::test]
async fn without_room_a_handshake_that_does_not_come_makes_way() {
    let server = Secure::start(Limits { connections: 1, ..Limits::default() }).await;
    let mut silent = server.client().await;
    server.tls_client().await.expect("/hello", "hello").await;
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let mut server = Secure::start(Limits::default()).await;
    let (mut waiting, _) = server.tls_waiting().await;
    let certificate = |client: &TlsClient| client.0.get_ref().1.peer_certificates().expect("one")[0].to_vec();
    let old = certificate(&waiting);
    let renewed = server.authority.issue(&["127.0.0.1"]);
    server.tls.send_replace(Some(config(&renewed, None)));
    let mut newcomer = server.tls_client().await;
    assert_ne!(certificate(&newcomer), old);
    assert_eq!(certificate(&newcomer), renewed.chain()[0].to_vec());
    newcomer.expect("/hello", "hello").await;
    // Without TLS from now on; those who have it keep it.
    server.tls.send_replace(None);
    server.client().await.expect("/hello", "hello").await;
    server.go.add_permits(1);
    assert_eq!(waiting.answer().await, "waited");
    waiting.expect("/hello", "hello").await;
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

#[tokio::test]
async fn certificates_of_clients_are_welcome_and_checked() {
    let clients = Authority::new("Clients");
    let mut server = Secure::start_with(Limits::default(), Some(&clients)).await;
    let named = clients.issue(&["build.example.org", "ci@example.org"]);
    for (identity, names) in [(Some(&named), &["build.example.org", "ci@example.org"][..]), (None, &[])] {
        for versions in [&TLS12, &TLS13] {
            let wishes = Wishes { identity, versions: Some(versions), protocols: &[] };
            let mut client = TlsClient(server.connect(&wishes).await.expect("a handshake"));
            client.get("/wait").await;
            let connection = within(server.seen.recv()).await.expect("a connection");
            assert_eq!(connection.certificate_names(), names);
            assert!(connection.is_tls());
        }
    }
    let foreign = Authority::new("Others").issue(&["build.example.org"]);
    let expired = clients.issue_with(&["ci"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    for (identity, why) in [(&foreign, "UnknownCA"), (&expired, "CertificateExpired")] {
        let wishes = Wishes { identity: Some(identity), ..Wishes::default() };
        // In TLS 1.3 the client hears of it with its first read.
        let mut client = TlsClient(server.connect(&wishes).await.expect("the client's half of a handshake"));
        drop(within(client.0.write_all(b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n")).await);
        let error = client.rest().await.expect_err("an alert").to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn without_tls_nothing_is_known_of_certificates() {
    let mut server = Server::start(Limits::default()).await;
    let (_client, connection) = server.waiting().await;
    assert!(!connection.is_tls());
    assert_eq!(connection.certificate_names(), [""; 0]);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_under_tls() {
    let mut server = Secure::start(Limits::default()).await;
    for politely in [false, true] {
        let (client, connection) = server.tls_waiting().await;
        assert!(connection.is_open());
        let mut client = client;
        if politely {
            client.0.shutdown().await.expect("a good-bye");
        } else {
            drop(client.0.into_inner().0);
        }
        within(connection.closed()).await;
        assert!(!connection.is_open());
        server.go.add_permits(1);
        server.both_receipts().await;
    }
}

#[tokio::test]
async fn the_goodbye_of_tls_counts_without_the_end_of_the_socket() {
    let mut server = Secure::start(Limits::default()).await;
    let (mut client, connection) = server.tls_waiting().await;
    // A second request ahead of its answer does not hide what comes behind it.
    client.get("/hello").await;
    client.0.get_mut().1.send_close_notify();
    within(client.0.flush()).await.expect("flush");
    within(connection.closed()).await;
    assert!(!connection.is_open());
    // It is half of an end: what was asked is answered, in order, and then the server says good-bye as well.
    server.go.add_permits(1);
    assert_eq!((client.answer().await, client.answer().await), ("waited".to_owned(), "hello".to_owned()));
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    assert_eq!(client.rest().await.expect("a good-bye"), "");
}

#[tokio::test]
async fn nobody_is_closed_under_tls_who_is_there() {
    let mut server = Secure::start(Limits::default()).await;
    let (mut client, connection) = server.tls_waiting().await;
    let requests = "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".repeat(100);
    client.send(&requests).await;
    let early = tokio::time::timeout(Duration::from_millis(50), connection.closed()).await;
    assert!(early.is_err() && connection.is_open(), "requests are no end");
    server.go.add_permits(1);
    assert_eq!(client.answer().await, "waited");
    for _ in 0..100 {
        assert_eq!(client.answer().await, "hello");
    }
    client
        .send(&format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(60_000)))
        .await;
    assert_eq!(client.answer().await.len(), 60_000);
}

#[tokio::test]
async fn receipts_are_true_under_tls() {
    let limits = Limits { write_time: Duration::from_millis(200), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    let mut client = server.tls_client().await;
    for path in ["/receipt", "/empty"] {
        client.get(path).await;
        client.answer().await;
        assert_eq!(server.receipt().await, Delivered, "{path}");
    }
    client.get("/large").await;
    assert_eq!(client.answer().await.len(), 64 << 20);
    assert_eq!(server.receipt().await, Delivered);
    // One that takes nothing.
    let mut lazy = server.tls_client().await;
    lazy.get("/large").await;
    assert_eq!(server.receipt().await, Unknown);
    // One that left before: it had bytes unread, so its kernel has reset the connection.
    let (gone, connection) = server.tls_waiting().await;
    drop(gone);
    until("the end has arrived", || !connection.is_open()).await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Unsent, Unsent));
    // One that takes its last answer before it goes.
    let (mut last, _) = server.tls_waiting().await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    assert_eq!(last.answer().await, "waited");
}

#[tokio::test]
async fn the_server_says_goodbye() {
    let limits = Limits { idle_time: Duration::from_millis(100), ..Limits::default() };
    let mut server = Secure::start(limits).await;
    let mut idle = server.tls_client().await;
    idle.expect("/hello", "hello").await;
    assert_eq!(idle.rest().await.expect("a good-bye when it was idle for too long"), "");
    let mut closing = server.tls_client().await;
    closing.send("GET /hello HTTP/1.0\r\n\r\n").await;
    assert!(closing.rest().await.expect("a good-bye after the last answer").ends_with("hello"));
    let (mut waiting, _) = server.tls_waiting().await;
    server.stop.send_replace(true);
    server.go.add_permits(1);
    assert!(waiting.rest().await.expect("a good-bye at the stop").ends_with("waited"));
    drop(waiting);
    assert_eq!(within(&mut server.done).await.expect("serve"), 0);
}
