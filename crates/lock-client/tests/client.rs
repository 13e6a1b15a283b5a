//! The client against a lockserver with faults on demand.

use faults::{Fault, Faulty, Reply, Request, refusal, until};
use lock_client::api::{EndedAs, ErrorCode, LockPatch, LockSettings};
use lock_client::{AcquireOptions, BootTime, Client, Error, Guarded, Lost, Retry, Update};
use std::time::Duration;

const QUICK: Retry = Retry {
    rounds: 4,
    within: Duration::from_secs(5),
    first: Duration::from_millis(10),
    longest: Duration::from_millis(40),
};
const IN_TIME: Duration = Duration::from_secs(20);

fn client(server: &Faulty) -> Client {
    Client::builder().server(server.url()).retry(QUICK).build().unwrap()
}

fn options(wait: Option<Duration>, ttl_ms: u64) -> AcquireOptions {
    AcquireOptions { wait, ttl: Some(Duration::from_millis(ttl_ms)), ..AcquireOptions::default() }
}

fn makes(request: &Request) -> bool {
    request.method == "POST" && request.path.ends_with("/tickets")
}

#[tokio::test]
async fn takes_and_gives_back() {
    let server = Faulty::start();
    let client = client(&server);
    let held = client.acquire("a lock", &options(None, 60_000)).await.unwrap();
    assert_eq!(held.ticket().locks["a lock"].slots, [0]);
    assert!(client.verify("a lock", held.ticket().token.unwrap()).await.unwrap());
    assert!(!client.verify("a lock", 7).await.unwrap());
    let lock = client.lock("a lock").await.unwrap();
    assert_eq!((lock.name.as_str(), lock.holding), ("a lock", 1));
    held.release().await.unwrap();
    assert_eq!(server.living(), 0);
    assert!(server.requests().iter().any(|request| request.path == "/v1/locks/a%20lock/tickets"));
}

#[tokio::test]
async fn a_reload_tells_what_it_did() {
    let server = Faulty::start();
    let answer = r#"{"created":["a"],"changed":[],"retired":["b"],"refused":["c: full"],"warnings":["PORT: restart"]}"#;
    server.faults(move |_| Fault::Instead(Reply::Body(200, "application/json", answer.to_owned())));
    let told = client(&server).reload().await.unwrap();
    assert_eq!((told.created, told.retired), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!((told.refused, told.warnings), (vec!["c: full".to_owned()], vec!["PORT: restart".to_owned()]));
}

#[tokio::test]
async fn a_release_by_somebody_else_is_no_loss() {
    for release in [true, false] {
        let server = Faulty::start();
        let held = client(&server).acquire("a", &options(None, 1000)).await.unwrap();
        if release {
            server.vacate(held.id());
        } else {
            server.revoke_all("a");
        }
        let lost = tokio::time::timeout(IN_TIME, held.lost()).await.unwrap();
        assert_eq!(lost.is_release(), release, "{lost}");
    }
    assert!(!Lost::Unanswered.is_release());
}

#[tokio::test]
async fn over_a_unix_socket_and_with_a_key() {
    let server = Faulty::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    server.also_at(&path);
    let client = Client::builder().server(format!("unix:{}", path.display())).key("secret").build().unwrap();
    assert!(client.status().await.unwrap().ready);
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer secret"));
}

#[tokio::test]
async fn an_answer_lost_on_the_way_takes_no_second_permit() {
    for lost in ["POST", "DELETE", "renew"] {
        let server = Faulty::start();
        let mut cut = 0;
        server.faults(move |request| {
            let hit = request.method == lost || request.path.ends_with(lost);
            cut += i32::from(hit);
            if hit && cut <= 2 { Fault::LoseAnswer } else { Fault::None }
        });
        let client = client(&server);
        let held = client.acquire("a", &options(None, 60_000)).await.unwrap();
        assert_eq!(server.living(), 1, "{lost}");
        client.renew(held.id(), None).await.unwrap();
        held.release().await.unwrap();
        assert_eq!(server.living(), 0, "{lost}");
        let made: Vec<Request> = server.requests().into_iter().filter(makes).collect();
        assert!(made.windows(2).all(|pair| pair[0].body == pair[1].body), "the same request_id");
    }
}

#[tokio::test]
async fn what_is_given_up_is_cancelled() {
    let server = Faulty::start();
    let other = server.occupy("a");
    let client = client(&server);
    // A wait that is over.
    let begin = BootTime::now();
    let error = client.acquire("a", &options(Some(Duration::from_millis(300)), 60_000)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(BootTime::now().since(begin) >= Duration::from_millis(300));
    assert_eq!(server.living(), 1);
    // No wait.
    let error = client.acquire("a", &options(Some(Duration::ZERO), 60_000)).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Busy));
    assert_eq!(server.living(), 1);
    // A future that is dropped.
    let (asked, waiter) = (options(None, 60_000), client.clone());
    let task = tokio::spawn(async move { waiter.acquire("a", &asked).await.map(drop) });
    while server.living() < 2 {
        assert!(!task.is_finished());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(client.drain_background(IN_TIME).await);
    assert_eq!(server.living(), 1);
    // An answer that never came: nobody knows whether there is a ticket.
    server.vacate(&other);
    server.faults(|request| if makes(request) { Fault::LoseAnswer } else { Fault::None });
    let error = client.acquire("a", &options(None, 60_000)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { may_have_taken_effect: true, .. }), "{error}");
    assert_eq!(server.living(), 0);
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_wait_leaves_no_ticket() {
    for code in [ErrorCode::Unauthorized, ErrorCode::NotAllowed, ErrorCode::Invalid] {
        let server = Faulty::start();
        let _other = server.occupy("a");
        server.faults(move |request| if request.method == "GET" { Fault::Instead(refusal(code)) } else { Fault::None });
        let error = client(&server).acquire("a", &options(None, 60_000)).await.unwrap_err();
        assert_eq!((error.code(), server.living()), (Some(code), 1));
    }
    // The first answer is lost, and the second try is refused: the first made a ticket.
    let server = Faulty::start();
    let mut tries = 0;
    server.faults(move |request| {
        tries += u32::from(makes(request));
        match tries {
            _ if !makes(request) => Fault::None,
            1 => Fault::LoseAnswer,
            _ => Fault::Instead(refusal(ErrorCode::Unauthorized)),
        }
    });
    let error = client(&server).acquire("a", &options(None, 60_000)).await.unwrap_err();
    assert_eq!((error.code(), server.living()), (Some(ErrorCode::Unauthorized), 0));
}

#[tokio::test]
async fn a_key_that_was_narrowed_gives_back_what_it_waits_for() {
    for dropped in [false, true] {
        let server = Faulty::start();
        let _other = server.occupy("a");
        let mut narrowed = false;
        server.faults(move |request| {
            // From the first wait on the key may only end its own tickets.
            narrowed |= request.method == "GET";
            match request.method.as_str() {
                "GET" if dropped => Fault::Instead(Reply::Silence),
                "DELETE" if request.path.starts_with("/v1/tickets/") => Fault::None,
                _ if narrowed => Fault::Instead(refusal(ErrorCode::NotAllowed)),
                _ => Fault::None,
            }
        });
        let client = client(&server);
        let options = options(None, 60_000);
        if dropped {
            tokio::select! {
                outcome = client.acquire("a", &options) => panic!("{outcome:?}"),
                () = async {
                    while !server.requests().iter().any(|request| request.method == "GET") {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                } => {}
            }
            assert!(client.drain_background(IN_TIME).await);
        } else {
            let error = client.acquire("a", &options).await.unwrap_err();
            assert_eq!(error.code(), Some(ErrorCode::NotAllowed));
        }
        assert_eq!(server.living(), 1, "dropped: {dropped}");
    }
}

#[tokio::test]
async fn where_no_more_may_wait_the_place_is_kept() {
    let server = Faulty::start();
    let other = server.occupy("a");
    let client = client(&server);
    let mut refused = 0;
    server.faults(move |request| {
        refused += u32::from(request.query.contains("wait_s"));
        if request.query.contains("wait_s") && refused < 3 {
            Fault::Instead(refusal(ErrorCode::LimitReached))
        } else {
            Fault::None
        }
    });
    let options = options(None, 60_000);
    let waiting = client.acquire("a", &options);
    let vacate = async {
        while !server.requests().iter().any(|request| request.path.ends_with("/renew")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.vacate(&other);
    };
    let (held, ()) = tokio::join!(waiting, vacate);
    held.unwrap().release().await.unwrap();
    assert_eq!((server.living(), server.requests().iter().filter(|request| makes(request)).count()), (0, 1));
}

#[tokio::test]
async fn the_longest_hold_ends_before_the_lease() {
    for ttl in [Some(Duration::from_secs(60)), None] {
        let server = Faulty::start();
        let max_hold = Some(Duration::from_secs(1));
        let asked = AcquireOptions { ttl, max_hold, ..AcquireOptions::default() };
        let held = client(&server).acquire("a", &asked).await.unwrap();
        let lost = tokio::time::timeout(IN_TIME, held.lost()).await.unwrap();
        assert_eq!((lost, held.lease().ttl), (Lost::Overdue, ttl.or(Some(Duration::from_secs(300)))));
    }
}

#[tokio::test]
async fn waits_in_the_queue_for_its_turn() {
    let server = Faulty::start();
    let other = server.occupy("a");
    let client = client(&server);
    let mut places = Vec::new();
    let options = options(None, 60_000);
    let acquire = client.acquire_watched("a", &options, |ticket| {
        places.push(ticket.ahead);
        server.vacate(&other);
    });
    let held = acquire.await.unwrap();
    drop(held);
    assert!(client.drain_background(IN_TIME).await);
    assert_eq!((places, server.living()), (vec![0], 0), "dropped is released");
}

#[tokio::test]
async fn repeats_only_what_is_retryable() {
    let repeated = [ErrorCode::Overloaded, ErrorCode::ShuttingDown, ErrorCode::Unavailable];
    let refused = [
        ErrorCode::Invalid,
        ErrorCode::Unauthorized,
        ErrorCode::NotAllowed,
        ErrorCode::UnknownLock,
        ErrorCode::TooManyPermits,
        ErrorCode::LimitReached,
    ];
    for code in repeated.into_iter().chain(refused) {
        let server = Faulty::start();
        server.faults(move |request| if makes(request) { Fault::Instead(refusal(code)) } else { Fault::None });
        let error = client(&server).acquire("a", &options(None, 60_000)).await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        let tries = server.requests().iter().filter(|request| makes(request)).count();
        assert_eq!(tries, if repeated.contains(&code) { 4 } else { 1 }, "{code:?}");
    }
    // What must not be done twice is not sent twice unless it surely did nothing.
    for (reply, tries) in [(Reply::Cut, 1), (refusal(ErrorCode::Overloaded), 4)] {
        let server = Faulty::start();
        server.faults(move |_| Fault::Instead(reply.clone()));
        client(&server).create("a", &LockSettings::default()).await.unwrap_err();
        assert_eq!(server.requests().len(), tries);
    }
    let html = Faulty::start();
    html.faults(|_| Fault::Instead(Reply::Body(404, "text/html", "<html>".to_owned())));
    let error = client(&html).status().await.unwrap_err();
    assert!(matches!(error, Error::NotLockserver { .. }), "{error}");
}

#[tokio::test]
async fn several_servers_in_turn() {
    let (dead, ill, well) = (Faulty::start(), Faulty::start(), Faulty::start());
    dead.faults(|_| Fault::Instead(Reply::Cut));
    ill.faults(|_| Fault::Instead(refusal(ErrorCode::Unavailable)));
    let client = Client::builder().servers([dead.url(), ill.url(), well.url()]).retry(Retry::ONCE).build().unwrap();
    let held = client.acquire("a", &options(None, 60_000)).await.unwrap();
    held.release().await.unwrap();
    assert_eq!((dead.requests().len(), ill.requests().len()), (1, 1), "the one that answered is asked first");
    assert_eq!(well.requests().len(), 2);
    let nobody = Client::builder().server("http://127.0.0.1:1").retry(QUICK).build().unwrap();
    let error = nobody.status().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { may_have_taken_effect: false, .. }), "{error}");
}

#[tokio::test]
async fn a_holder_renews_itself_and_knows_its_deadline() {
    let server = Faulty::start();
    let client = client(&server);
    let (before, ttl) = (BootTime::now(), Duration::from_secs(3));
    let held = client.acquire("a", &options(None, 3000)).await.unwrap();
    let (first, after) = (held.lease().deadline.unwrap(), BootTime::now());
    // The server counts from its decision, and says in milliseconds how much is left when it answers.
    let passed = after.since(before) + Duration::from_millis(1);
    assert!(first >= before + ttl.saturating_sub(passed) && first <= after + ttl);
    let mut watch = held.watch();
    for _ in 0..3 {
        tokio::time::timeout(IN_TIME, watch.changed()).await.unwrap().unwrap();
        let lease = watch.borrow_and_update().clone();
        assert!(lease.deadline.unwrap() > first && lease.lost.is_none());
    }
    let ask = server.requests().iter().filter(|request| request.path.ends_with("/renew")).count();
    assert!(ask >= 3);
    server.revoke_all("a");
    let lost = tokio::time::timeout(IN_TIME, held.lost()).await.unwrap();
    let Lost::Ended(problem) = lost else { panic!("{lost}") };
    assert_eq!(problem.ended_as, Some(EndedAs::Revoked));
    assert_eq!(held.release().await.unwrap_err().code(), Some(ErrorCode::Gone));
}

#[tokio::test]
async fn without_answers_the_lease_is_lost_at_its_deadline() {
    let refused = [ErrorCode::Unavailable, ErrorCode::Unauthorized, ErrorCode::NotAllowed];
    let refused = refused.map(|code| (refusal(code), Some(code)));
    for (reply, code) in [(Reply::Silence, None), (Reply::Cut, None)].into_iter().chain(refused) {
        let server = Faulty::start();
        let client = Client::builder().server(server.url()).build().unwrap();
        let held = client.acquire("a", &options(None, 1000)).await.unwrap();
        let instead = reply.clone();
        server.faults(move |_| Fault::Instead(instead.clone()));
        let lost = tokio::time::timeout(IN_TIME, held.lost()).await.unwrap();
        match (&lost, code) {
            (Lost::Unanswered, None) => {}
            (Lost::Refused(problem), Some(code)) if problem.code == code => {
                assert!(lost.to_string().contains("refused to renew it: "), "{lost}");
            }
            _ => panic!("{reply:?}: {lost:?}"),
        }
        let deadline = held.lease().deadline.unwrap();
        let late = BootTime::now().since(deadline);
        assert!(BootTime::now() >= deadline && late < Duration::from_secs(5), "{late:?} after the deadline");
        let tries = server.requests().iter().filter(|request| request.path.ends_with("/renew")).count();
        assert!(tries >= 2, "tried again: {tries}");
        let _ = held.into_ticket();
    }
}

#[tokio::test]
async fn events_go_on_where_they_were() {
    let server = Faulty::start();
    let mut turn = 0;
    let stream = |text: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        Fault::Instead(Reply::Raw(format!("{head}{text}")))
    };
    let event = |kind: &str| format!(r#"{{"kind":"{kind}","at":"2026-01-01T00:00:00Z","lock":"a","number":5}}"#);
    let texts = [
        format!("id: 3-1\nevent: queued\ndata: {}\n\nid: 3-2\nevent: held\nda", event("queued")),
        format!("id: 3-2\nevent: held\ndata: {}\n\n: beat\nid: 3-4\n\n", event("of_the_future")),
        "event: reset\ndata: {}\n\n".to_owned(),
    ];
    server.faults(move |_| {
        turn += 1;
        match turn {
            2 => Fault::Instead(refusal(ErrorCode::Unavailable)),
            3 => stream(&texts[1]),
            1 => stream(&texts[0]),
            _ => stream(&texts[2]),
        }
    });
    let mut events = client(&server).events(Some("a"), Some("2-9"));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(match tokio::time::timeout(IN_TIME, events.next()).await.unwrap().unwrap() {
            Update::Event { id, event } => format!("{} {:?}", id.unwrap(), event.kind),
            Update::Reset => "reset".to_owned(),
        });
    }
    assert_eq!(seen, ["3-1 Queued", "3-2 Unknown", "reset"]);
    let asked: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.header("last-event-id").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(asked, ["2-9", "3-1", "3-1", "3-4"]);
    assert_eq!(server.requests()[0].parameter("lock"), Some("a"));
    server.faults(|_| Fault::Instead(refusal(ErrorCode::NotAllowed)));
    let error = tokio::time::timeout(IN_TIME, events.next()).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotAllowed));
    until("one more request", || (server.requests().len() == 5).then_some(()));
}

/// What every call of the client comes to.
async fn every_call(client: &Client) -> Vec<(&'static str, Result<(), Error>)> {
    let (settings, patch, guarded) = (LockSettings::default(), LockPatch::default(), Guarded::default());
    vec![
        ("locks", client.locks().await.map(drop)),
        ("lock", client.lock("a").await.map(drop)),
        ("status", client.status().await.map(drop)),
        ("my_tickets", client.my_tickets().await.map(drop)),
        ("ticket", client.ticket("id").await.map(drop)),
        ("verify", client.verify("a", 1).await.map(drop)),
        ("renew", client.renew("id", None).await.map(drop)),
        ("release", client.release("id").await),
        ("cancel", client.cancel("a", "request").await),
        ("revoke", client.revoke("a", 1, None).await),
        ("create", client.create("a", &settings).await.map(drop)),
        ("replace", client.replace("a", &settings, guarded).await.map(drop)),
        ("change", client.change("a", &patch, guarded).await.map(drop)),
        ("delete", client.delete("a", guarded).await),
        ("restore", client.restore("a", &lock_client::Restore::All).await),
        ("reload", client.reload().await.map(drop)),
        ("acquire", client.acquire("a", &AcquireOptions::default()).await.map(drop)),
        ("events", client.events(None, None).next().await.map(drop)),
    ]
}

#[tokio::test]
async fn what_answers_everything_confirms_nothing() {
    let server = Faulty::start();
    let client = client(&server);
    let replies = [
        (Reply::Body(200, "text/html", "<html>Log in</html>".to_owned()), &[][..]),
        (Reply::Body(200, "text/html", String::new()), &[]),
        (Reply::Body(200, "application/json", "{}".to_owned()), &[]),
        (Reply::Body(200, "application/json", r#"{"status":"ok"}"#.to_owned()), &[]),
        // To these it is an answer.
        (Reply::Body(204, "text/html", String::new()), &["delete", "restore"]),
    ];
    for (reply, answered) in replies {
        let instead = reply.clone();
        server.faults(move |_| Fault::Instead(instead.clone()));
        for (call, outcome) in every_call(&client).await {
            let doubted = matches!(outcome, Err(Error::NotLockserver { .. }));
            assert_eq!(doubted, !answered.contains(&call), "{call} to {reply:?}: {outcome:?}");
        }
    }
    // The answer to another question confirms nothing either.
    server.faults(|_| Fault::None);
    let held = client.acquire("a", &options(None, 60_000)).await.unwrap();
    let token = held.ticket().token.unwrap();
    let kept = Reply::json(200, held.ticket());
    server.faults(move |request| if request.method == "GET" { Fault::Instead(kept.clone()) } else { Fault::None });
    assert!(client.verify("a", token).await.unwrap());
    for (lock, token) in [("b", token), ("a", token + 1)] {
        let error = client.verify(lock, token).await.unwrap_err();
        assert!(matches!(error, Error::NotLockserver { .. }), "{error}");
    }
    held.release().await.unwrap();
}
