//! What clients of every kind get: one request or many, old protocol or new, whole or half open.

use super::*;

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    for _ in 0..3 {
        client.expect("/hello", "hello").await;
    }
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(client.answer().await.1, "body");
    client.expect("/from", "127.0.0.1").await;
    client.send("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    assert!(client.rest().await.ends_with("hello"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    client.send(&["/hello", "/receipt", "/from", "/empty", "/hello"].map(one).concat()).await;
    for body in ["hello", "sent", "127.0.0.1", "", "hello"] {
        assert_eq!(client.answer().await.1, body);
    }
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

#[tokio::test]
async fn a_connection_that_rests_serves_what_comes_whole_in_parts_or_with_what_was_before() {
    let mut server = Server::start(Limits { rest_time: Duration::ZERO, ..Limits::default() }).await;
    let mut client = server.client().await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n");
    for _ in 0..3 {
        client.expect("/hello", "hello").await;
    }
    // A part of the next head comes with the request before it.
    client.send(&(one("/hello") + "\r\nGET /from HT")).await;
    assert_eq!(client.answer().await.1, "hello");
    client.send("TP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(client.answer().await.1, "127.0.0.1");
    client.send(&["/hello", "/receipt", "/from", "/empty", "/hello"].map(one).concat()).await;
    for body in ["hello", "sent", "127.0.0.1", "", "hello"] {
        assert_eq!(client.answer().await.1, body);
    }
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    client.send("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    assert!(client.rest().await.ends_with("hello"));
    // One that rests ends at once when the server stops.
    let mut client = server.client().await;
    client.expect("/hello", "hello").await;
    server.stop.send_replace(true);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn http_1_0_closes_unless_asked_to_stay() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.contains("connection: keep-alive"), "{head}");
    assert_eq!(body, "hello");
    client.send("GET /hello HTTP/1.0\r\n\r\n").await;
    let all = client.rest().await;
    assert!(all.starts_with("HTTP/1.0 200 ") && all.ends_with("hello"), "{all}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_its_request_says_whether_the_connection_goes_on() {
    let mut server = Server::start(Limits::default()).await;
    let head = |more: &str| format!("POST /ignore HTTP/1.1\r\nHost: t\r\n{more}\r\n");
    // What nobody wants of a body, and is there or about to come, is thrown away.
    let mut client = server.client().await;
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] {
        let (more, body) = body.split_once("\r\n\r\n").expect("both");
        client.send(&head(&format!("{more}\r\n"))).await;
        client.send(body).await;
        let (head, text) = client.answer().await;
        assert!(text == "ignored" && !head.contains("connection: close"), "{head}");
    }
    client.expect("/hello", "hello").await;
    // One that does not come, is too large, or is to be asked for: the connection ends, and the answer says so.
    for more in
        ["Content-Length: 5\r\n", "Content-Length: 1000000\r\n", "Content-Length: 5\r\nExpect: 100-continue\r\n"]
    {
        let mut client = server.client().await;
        client.send(&head(more)).await;
        let (head, text) = client.answer().await;
        assert!(text == "ignored" && head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
        assert_eq!(client.rest().await, "");
    }
    while server.receipts.try_recv().is_ok() {}
    // HTTP itself refuses what it cannot read.
    let mut client = server.client().await;
    client.send("GET / nonsense\r\n\r\n").await;
    let rest = client.rest().await.to_ascii_lowercase();
    assert!(rest.starts_with("http/1.1 400") && rest.contains("connection: close"), "{rest}");
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer_with_a_receipt() {
    let mut server = Server::start(Limits::default()).await;
    for request in ["GET /receipt HTTP/1.0\r\n\r\n", "GET /receipt HTTP/1.1\r\nHost: t\r\n\r\n"] {
        let mut client = server.client().await;
        client.send(request).await;
        client.half_close().await;
        let all = client.rest().await;
        assert!(all.ends_with("sent"), "{all}");
        assert_eq!(server.receipt().await, Delivered);
    }
}

#[tokio::test]
async fn a_half_closed_client_that_waits_is_not_cancelled() {
    let mut server = Server::start(Limits::default()).await;
    let (mut client, connection) = server.waiting().await;
    client.half_close().await;
    within(connection.closed()).await;
    assert!(!connection.is_open());
    server.go.add_permits(1);
    assert!(client.rest().await.ends_with("waited"));
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_closed() {
    let server = Server::start(Limits::default()).await;
    for (bytes, status) in [
        ("\x16\x03\x01 a TLS hello\r\n\r\n".to_owned(), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /hello HTTP/1.1\r\nA: {}", "x".repeat(40_000)), "431"),
    ] {
        let mut client = server.client().await;
        client.send(&bytes).await;
        let all = client.rest().await;
        assert!(all.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {all}");
    }
    server.client().await.expect("/hello", "hello").await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_arrives_whole() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("POST /ignore HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n").await;
    let (head, body) = client.answer().await;
    assert!(head.contains("200 ok"), "{head}");
    // The rest of the request meets nobody, and must not destroy what was answered.
    drop(within(client.0.write_all(&[b'x'; 300_000])).await);
    assert_eq!(body, "ignored");
    assert_eq!(server.receipt().await, Delivered);
}

#[tokio::test]
async fn a_panicking_handler_is_answered_500_and_harms_nobody() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.get("/panic").await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with("http/1.1 500 ") && head.contains("text/plain"), "{head}");
    assert!(body.starts_with("internal error"), "{body}");
    assert_eq!(server.receipt().await, Unsent, "what the handler held is lost");
    client.expect("/hello", "hello").await;
}
