//! What became of an answer: which of the three outcomes a receipt hears.

use super::*;

#[tokio::test]
async fn every_answer_of_a_connection_has_its_own_receipt() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    for path in ["/receipt", "/empty", "/receipt"] {
        client.get(path).await;
        client.answer().await;
        assert_eq!(server.receipt().await, Delivered, "{path}");
    }
    client.send("HEAD /receipt HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(server.receipt().await, Delivered, "an answer without its body is whole");
    assert!(server.receipts.try_recv().is_err(), "one outcome each");
}

#[tokio::test]
async fn an_answer_that_the_client_machine_has_counts_even_before_the_program_reads_it() {
    let mut server = Server::start(Limits::default()).await;
    let (client, _) = server.waiting().await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Delivered, Delivered));
    drop(client);
}

#[tokio::test]
async fn a_closing_answer_has_a_receipt_too() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("GET /receipt HTTP/1.0\r\n\r\n").await;
    assert_eq!(server.receipt().await, Delivered);
    assert!(client.rest().await.ends_with("sent"));
}

#[tokio::test]
async fn an_answer_to_a_connection_that_was_reset_before_is_unsent() {
    let mut server = Server::start(Limits::default()).await;
    let (client, connection) = server.waiting().await;
    client.reset();
    until("the reset has arrived", || !connection.is_open()).await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Unsent, Unsent));
}

/// It looks like one that only closed its sending side and reads the answer.
#[tokio::test]
async fn an_answer_to_a_client_that_closed_before_is_unknown() {
    let mut server = Server::start(Limits::default()).await;
    let (client, connection) = server.waiting().await;
    drop(client);
    until("the end has arrived", || !connection.is_open()).await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (Unknown, Unknown));
}

#[tokio::test]
async fn an_answer_that_was_read_and_reset_before_its_acknowledgement_left_counts_as_told() {
    let mut server = Server::start(Limits::default()).await;
    for used in [false, true] {
        for _ in 0..20 {
            let mut client = server.client().await;
            if used {
                client.expect("/hello", "hello").await;
                client.expect("/hello", "hello").await;
            }
            client.get("/receipt").await;
            assert_eq!(client.answer().await.1, "sent");
            client.reset();
            assert!(server.receipt().await.counts_as_told(), "used: {used}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_the_client_leaves_in_the_middle_is_unknown() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.get("/large").await;
    within(client.0.read_exact(&mut [0; 1000])).await.expect("a beginning");
    drop(client);
    assert_eq!(server.receipt().await, Unknown);
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_take_is_unknown_in_time() {
    let limits = Limits { write_time: Duration::from_millis(100), ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut client = server.client().await;
    client.get("/large").await;
    assert_eq!(server.receipt().await, Unknown);
    client.rest().await;
}

#[tokio::test]
async fn a_large_answer_that_is_taken_is_confirmed() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.get("/large").await;
    assert_eq!(client.answer().await.1.len(), 64 << 20);
    assert_eq!(server.receipt().await, Delivered);
}

#[test]
fn a_receipt_that_is_dropped_anywhere_is_unsent_once() {
    let (tell, told) = std::sync::mpsc::channel();
    let receipt = || {
        let tell = tell.clone();
        Receipt::new(move |delivery| {
            let _ = tell.send(delivery);
        })
    };
    drop(receipt());
    let mut response = Response::new(());
    attach(&mut response, receipt());
    attach(&mut response, receipt());
    drop(response);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Unsent, Unsent, Unsent]);
}
