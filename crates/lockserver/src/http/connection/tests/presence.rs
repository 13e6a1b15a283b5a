//! Whether a client is still there.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_is_noticed_at_once() {
    let mut server = Server::start(Limits::default()).await;
    for leave in [drop::<Client>, Client::reset] {
        let (client, connection) = server.waiting().await;
        assert!(connection.is_open());
        let watcher = tokio::spawn({
            let connection = Arc::clone(&connection);
            async move {
                connection.closed().await;
                Instant::now()
            }
        });
        let left = Instant::now();
        leave(client);
        until("it looks closed", || !connection.is_open()).await;
        let noticed = within(watcher).await.expect("watcher");
        assert!(noticed.duration_since(left) < Duration::from_secs(1));
        server.go.add_permits(1);
        server.both_receipts().await;
    }
}

#[tokio::test]
async fn nobody_is_closed_who_is_there() {
    let mut server = Server::start(Limits::default()).await;
    let (mut client, connection) = server.waiting().await;
    let mut polls = 0;
    let mut closed = std::pin::pin!(connection.closed());
    let counted = std::future::poll_fn(|context| {
        polls += 1;
        closed.as_mut().poll(context)
    });
    let early = tokio::time::timeout(Duration::from_millis(50), counted).await;
    assert!(early.is_err(), "nothing has happened");
    assert!(polls <= 3, "it waits for an event, and does not look again and again: {polls}");
    server.go.add_permits(1);
    assert_eq!(client.answer().await.1, "waited");
    assert!(connection.is_open());
}

#[tokio::test]
async fn unread_bytes_do_not_hide_that_the_client_left() {
    let mut server = Server::start(Limits::default()).await;
    let (mut client, connection) = server.waiting().await;
    client.get("/hello").await;
    until("the second request has arrived", || crate::os::look(&connection.stream).is_ok_and(|look| look.readable))
        .await;
    let early = tokio::time::timeout(Duration::from_millis(50), connection.closed()).await;
    assert!(early.is_err(), "a second request is no end");
    drop(client);
    within(connection.closed()).await;
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_closed_to_all() {
    let limits = Limits { idle_time: Duration::from_millis(300), ..Limits::default() };
    let mut server = Server::start(limits).await;
    let (mut client, connection) = server.waiting().await;
    server.go.add_permits(1);
    let closed = tokio::spawn({
        let connection = Arc::clone(&connection);
        async move { connection.closed().await }
    });
    assert!(client.rest().await.ends_with("waited"), "then it was idle for too long");
    within(closed).await.expect("closed");
    assert!(!connection.is_open());
}

#[tokio::test]
async fn an_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address() {
    let server = Server::start_at("::", Limits::default()).await;
    let mut client = Client(within(TcpStream::connect(("127.0.0.1", server.address.port()))).await.expect("connect"));
    client.expect("/from", "127.0.0.1").await;
}
