//! Whether an answer reached its client.

use super::*;

#[tokio::test]
async fn every_answer_of_a_connection_has_its_own_receipt() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    for path in ["/receipt", "/empty", "/receipt"] {
        client.get(path).await;
        client.answer().await;
        assert!(server.receipt().await, "{path}");
    }
    client.send("HEAD /receipt HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert!(server.receipt().await, "an answer without its body is whole");
    assert!(server.receipts.try_recv().is_err(), "one outcome each");
}

#[tokio::test]
async fn an_answer_that_the_client_machine_has_counts_even_before_the_program_reads_it() {
    let mut server = Server::start(Limits::default()).await;
    let (client, _) = server.waiting().await;
    server.go.add_permits(1);
    assert_eq!(server.both_receipts().await, (true, true));
    drop(client);
}

#[tokio::test]
async fn a_closing_answer_has_a_receipt_too() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.send("GET /receipt HTTP/1.0\r\n\r\n").await;
    assert!(server.receipt().await);
    assert!(client.rest().await.ends_with("sent"));
}

#[tokio::test]
async fn an_answer_to_a_client_that_left_is_lost() {
    let mut server = Server::start(Limits::default()).await;
    for leave in [drop::<Client>, Client::reset] {
        let (client, _) = server.waiting().await;
        leave(client);
        server.go.add_permits(1);
        assert_eq!(server.both_receipts().await, (false, false));
    }
}

#[tokio::test]
async fn an_answer_that_the_client_leaves_in_the_middle_is_lost() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.get("/large").await;
    within(client.0.read_exact(&mut [0; 1000])).await.expect("a beginning");
    drop(client);
    assert!(!server.receipt().await);
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_take_is_lost_in_time() {
    let limits = Limits { write_time: Duration::from_millis(100), ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut client = server.client().await;
    client.get("/large").await;
    assert!(!server.receipt().await);
    client.rest().await;
}

#[tokio::test]
async fn a_large_answer_that_is_taken_is_confirmed() {
    let mut server = Server::start(Limits::default()).await;
    let mut client = server.client().await;
    client.get("/large").await;
    assert_eq!(client.answer().await.1.len(), 64 << 20);
    assert!(server.receipt().await);
}

#[test]
fn a_receipt_that_is_dropped_anywhere_is_lost_once() {
    let (tell, told) = std::sync::mpsc::channel();
    let receipt = || {
        let tell = tell.clone();
        Receipt::new(move |reached| {
            let _ = tell.send(reached);
        })
    };
    drop(receipt());
    let mut response = Response::new(());
    attach(&mut response, receipt());
    attach(&mut response, receipt());
    drop(response);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [false, false, false]);
}
