//! Tickets for several locks, with faults on demand.

use faults::{Fault, Faulty, Request, until};
use lock_client::api::{ErrorCode, Permits};
use lock_client::{AcquireOptions, Client, Error, Retry};
use std::collections::BTreeMap;
use std::time::Duration;

const QUICK: Retry = Retry {
    rounds: 2,
    within: Duration::from_secs(5),
    first: Duration::from_millis(10),
    longest: Duration::from_millis(40),
};

fn client(server: &Faulty) -> Client {
    Client::builder().server(server.url()).retry(QUICK).build().unwrap()
}

fn both() -> BTreeMap<String, Permits> {
    BTreeMap::from([("a b".to_owned(), Permits::Count(1)), ("b".to_owned(), Permits::All)])
}

fn at_once() -> AcquireOptions {
    AcquireOptions { wait: Some(Duration::ZERO), ..AcquireOptions::default() }
}

fn makes(request: &Request) -> bool {
    request.is("POST", "/v1/tickets")
}

#[tokio::test]
async fn several_locks_are_taken_at_once_and_given_back_at_once() {
    let server = Faulty::start();
    let client = client(&server);
    let held = client.acquire_all(&both(), &at_once()).await.unwrap();
    let ticket = held.ticket();
    assert_eq!((ticket.lock.as_deref(), ticket.lock_names().as_str()), (None, "a b, b"));
    assert_eq!(ticket.locks["b"].permits, Permits::All);
    for lock in ["a b", "b"] {
        assert!(client.verify(lock, ticket.token.unwrap()).await.unwrap(), "{lock}");
    }
    let error = client.acquire_all(&both(), &at_once()).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.code, problem.lock.as_deref()), (ErrorCode::Busy, Some("a b")));
    held.release().await.unwrap();
    assert_eq!(server.living(), 0);
}

#[tokio::test]
async fn one_of_several_goes_by_its_own_path() {
    let server = Faulty::start();
    let one = BTreeMap::from([("a".to_owned(), Permits::All)]);
    let held = client(&server).acquire_all(&one, &at_once()).await.unwrap();
    assert_eq!(held.ticket().permits, Some(Permits::All));
    assert!(server.requests().iter().any(|request| request.is("POST", "/v1/locks/a/tickets")));
    held.release().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_takes_nothing_twice_and_leaves_nothing_behind() {
    let server = Faulty::start();
    let mut lost = 0;
    server.faults(move |request| {
        lost += u32::from(makes(request));
        if makes(request) && lost == 1 { Fault::LoseAnswer } else { Fault::None }
    });
    let held = client(&server).acquire_all(&both(), &at_once()).await.unwrap();
    assert_eq!(server.requests().iter().filter(|request| makes(request)).count(), 2);
    assert_eq!(server.living(), 2, "one ticket, which each of its locks counts");
    held.release().await.unwrap();
    // If no answer comes at all it is given up, by all of its locks.
    server.faults(|request| if makes(request) { Fault::LoseAnswer } else { Fault::None });
    let error = client(&server).acquire_all(&both(), &at_once()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { may_have_taken_effect: true, .. }), "{error}");
    let cancel = server.asked(|request| request.is("DELETE", "/v1/tickets"));
    assert!(
        cancel.query.ends_with("&lock=a%20b&lock=b") || cancel.query.ends_with("&lock=a+b&lock=b"),
        "{}",
        cancel.query
    );
    until("nothing is left", || (server.living() == 0).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_dropped_leaves_every_queue() {
    let server = Faulty::start();
    let other = server.occupy("b");
    let client = client(&server);
    let wait = AcquireOptions::default();
    let wanted = both();
    tokio::select! {
        _ = client.acquire_all(&wanted, &wait) => panic!("b is taken"),
        () = async { while server.living() < 3 { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    until("both queues are empty", || (server.living() == 1).then_some(()));
    server.vacate(&other);
}
