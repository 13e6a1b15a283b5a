//! How a server stops.

use super::*;
use std::sync::Arc;

#[tokio::test]
async fn a_stopping_server_finishes_what_it_began() {
    let mut server = Server::start(Limits::default()).await;
    let mut idle = server.client().await;
    idle.expect("/hello", "hello").await;
    let mut fresh = server.client().await;
    let (mut waiting, _) = server.waiting().await;
    server.stop.send_replace(true);
    assert_eq!(idle.rest().await, "", "idle connections are closed at once");
    assert_eq!(fresh.rest().await, "");
    until("nobody listens any more", || std::net::TcpStream::connect(server.address).is_err()).await;
    assert!(!server.done.is_finished());
    server.go.add_permits(1);
    let (head, body) = waiting.answer().await;
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, "waited");
    assert_eq!(waiting.rest().await, "");
    drop(waiting);
    assert_eq!(within(&mut server.done).await.expect("serve"), 0);
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_ever() {
    let limits = Limits { drain_time: Duration::from_millis(50), ..Limits::default() };
    let mut server = Server::start(limits).await;
    let (mut waiting, connection) = server.waiting().await;
    let mut half = server.client().await;
    half.send("GET /hello HTTP/1.1\r\n").await;
    server.stop.send_replace(true);
    let cut = within(&mut server.done).await.expect("serve");
    assert!((1..=2).contains(&cut), "{cut}");
    assert_eq!(server.both_receipts().await, (Unsent, Unsent));
    assert!(!connection.is_open());
    assert_eq!(waiting.rest().await, "");
}

#[tokio::test]
async fn a_request_that_has_arrived_before_the_stop_is_answered() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.expect("/hello", "hello").await;
    // This test's runtime has one thread: the server sees both only after the next await.
    let request = b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n";
    assert_eq!(client.0.try_write(request).expect("send"), request.len());
    server.stop.send_replace(true);
    let all = client.rest().await;
    assert!(all.ends_with("hello"), "{all}");
}

#[tokio::test]
async fn who_has_just_connected_is_answered() {
    // Long enough for a busy machine; the test takes none of it.
    let limits = Limits { first_time: PATIENCE, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut accepted = server.client().await;
    // A second one is answered before the stop, so that the first was accepted by then.
    server.client().await.expect("/hello", "hello").await;
    // This one waits in the kernel: this test's runtime has one thread, which does not get to the server before the stop.
    let waiting = std::net::TcpStream::connect(server.address).expect("connect");
    server.stop.send_replace(true);
    until("nobody listens any more", || std::net::TcpStream::connect(server.address).is_err()).await;
    waiting.set_nonblocking(true).expect("set");
    let mut waiting = Client(TcpStream::from_std(waiting).expect("adopt"));
    for client in [&mut accepted, &mut waiting] {
        client.send("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n").await;
        let all = client.rest().await;
        assert!(all.ends_with("hello"), "{all}");
    }
    assert_eq!(within(&mut server.done).await.expect("serve"), 0);
}

#[tokio::test]
async fn a_sender_that_is_gone_means_stop() {
    let listener = Listener::bind("127.0.0.1", 0).await.expect("bind");
    let (stop, stopped) = watch::channel(false);
    drop(stop);
    assert_eq!(within(serve(listener, router().0, Limits::default(), Arc::default(), stopped, None)).await, 0);
}
