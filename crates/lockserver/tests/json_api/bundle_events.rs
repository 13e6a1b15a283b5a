//! What the stream of events tells of tickets for several locks, and of withheld permits.

use super::events::{Message, next, open, open_with};
use super::harness::{Answer, Server};
use super::rights::{anonymous, bearer, key, settings};
use lockserver::access::Right;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// `kind lock number` of so many messages.
async fn told(stream: &mut BufReader<TcpStream>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..count {
        let Message { kind, data, .. } = next(stream).await;
        told.push(format!("{kind} {} {}", data["lock"].as_str().unwrap(), data["number"]));
    }
    told
}

async fn take_both(server: &Server, headers: &[&str]) -> Answer {
    let body = r#"{"locks": {"one": 1, "two": 2}, "info": "both"}"#;
    let made = server.call("POST", "/v1/tickets", headers, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made
}

#[tokio::test]
async fn a_bundle_has_an_event_for_each_of_its_locks() {
    let server = Server::start().await;
    let mut all = open(&server, "", None).await;
    let mut two = open(&server, "?lock=two", None).await;
    let made = take_both(&server, &[]).await;
    let number = made.json()["number"].clone();
    let of = |kinds: &[&str], locks: &[&str]| -> Vec<String> {
        kinds.iter().flat_map(|kind| locks.iter().map(move |lock| format!("{kind} {lock}"))).collect()
    };
    let with_number = |texts: Vec<String>| texts.iter().map(|text| format!("{text} {number}")).collect::<Vec<_>>();
    let begin = ["queued", "granted", "held"];
    assert_eq!(told(&mut all, 6).await, with_number(of(&begin, &["one", "two"])));
    assert_eq!(told(&mut two, 3).await, with_number(of(&begin, &["two"])));
    server.delete(&format!("/v1/tickets/{}", made.id())).await.ok();
    let mut ends = Vec::new();
    for lock in ["one", "two"] {
        let ended = next(&mut all).await;
        assert_eq!((ended.kind.as_str(), &ended.data["lock"], &ended.data["number"]), ("ended", &json!(lock), &number));
        assert_eq!((&ended.data["ended_as"], &ended.data["info"]), (&json!("released"), &json!("both")));
        // Each has the numbers of its own lock.
        let size = if lock == "one" { 1 } else { 2 };
        assert_eq!((&ended.data["usage"]["size"], &ended.data["usage"]["free"]), (&json!(size), &json!(size)));
        assert!(!ended.data.to_string().contains(&made.id()));
        ends.push(ended);
    }
    assert_eq!(next(&mut two).await, ends[1], "the same event in both streams");
}

#[tokio::test]
async fn a_stream_resumes_between_the_events_of_one_bundle() {
    let server = Server::start().await;
    let mut stream = open(&server, "", None).await;
    let made = take_both(&server, &[]).await;
    let number = &made.json()["number"];
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(next(&mut stream).await);
    }
    for place in 0..seen.len() - 1 {
        let mut resumed = open(&server, "", Some(&seen[place].id)).await;
        for later in &seen[place + 1..] {
            assert_eq!(&next(&mut resumed).await, later, "after {place}");
        }
    }
    // With a filter the id moves over the events of the other lock, and none of its own is lost.
    let granted_one = &seen[2];
    assert_eq!((granted_one.kind.as_str(), &granted_one.data["lock"]), ("granted", &json!("one")));
    let mut two = open(&server, "?lock=two", Some(&granted_one.id)).await;
    assert_eq!(told(&mut two, 2).await, [format!("granted two {number}"), format!("held two {number}")]);
}

#[tokio::test]
async fn a_key_that_sees_one_of_the_locks_is_told_of_that_one() {
    let keys = vec![
        key("maker", &[Right::Use], &["*"]),
        key("watcher", &[Right::Observe], &["two"]),
        key("admin", &Right::ALL, &["*"]),
    ];
    let server = Server::start_with(settings(keys, anonymous(&[]))).await;
    let (maker, watcher) = (bearer("maker"), bearer("watcher"));
    let mut all = open_with(&server, "", None, &[&bearer("admin")]).await;
    let mut some = open_with(&server, "", None, &[&watcher]).await;
    let made = take_both(&server, &[&maker]).await;
    let number = &made.json()["number"];
    let of_two = ["queued two", "granted two", "held two"].map(|text| format!("{text} {number}"));
    assert_eq!(told(&mut some, 3).await, of_two);
    let first = next(&mut all).await;
    assert_eq!((first.kind.as_str(), &first.data["lock"]), ("queued", &json!("one")));
    // Resumed after an event of a lock that it may not see, it is told what it may.
    let mut resumed = open_with(&server, "", Some(&first.id), &[&watcher]).await;
    let event = next(&mut resumed).await;
    assert_eq!((event.kind.as_str(), &event.data["lock"]), ("queued", &json!("two")));
    assert!(!event.data.to_string().contains("\"one\""), "{}", event.data);
    let refused = server.call("GET", "/v1/events?lock=one", &[&watcher], "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
    // Neither does the end of it name the other lock.
    server.call("DELETE", &format!("/v1/tickets/{}", made.id()), &[&maker], "").await.ok();
    let ended = next(&mut some).await;
    assert_eq!((ended.kind.as_str(), &ended.data["lock"]), ("ended", &json!("two")));
    assert!(!ended.data.to_string().contains("\"one\""), "{}", ended.data);
}

/// The next event about withheld permits, without what is always there.
async fn withheld(stream: &mut BufReader<TcpStream>) -> (String, Value) {
    loop {
        let Message { kind, mut data, .. } = next(stream).await;
        if kind.starts_with("permits_") {
            let fields = data.as_object_mut().unwrap();
            for name in ["kind", "at", "lock", "usage", "withholding"] {
                assert!(fields.remove(name).is_some(), "{name}: {fields:?}");
            }
            if let Some(until) = fields.get_mut("until") {
                assert!(until.as_str().unwrap().ends_with('Z'));
                *until = json!("then");
            }
            return (kind, data);
        }
    }
}

#[tokio::test]
async fn withheld_permits_are_told_with_their_cause() {
    let server = Server::start().await;
    let slots = r#"{"slots": ["a", "b"], "lock_delay_s": 600}"#;
    server.admin("PATCH", "/v1/locks/two", &[], slots).await.ok();
    let mut stream = open(&server, "?lock=two", None).await;
    let admin = async |method: &str, path: &str, body: &str| {
        server.admin(method, &format!("/v1/locks/two/{path}"), &["Content-Type: application/json"], body).await.ok()
    };
    let by = admin("POST", "withheld", r#"{"slots": ["b"], "reason": "no ping", "until_s": 600}"#).await;
    assert_eq!(by["withheld"], 1);
    let (kind, data) = withheld(&mut stream).await;
    let by = data["by"].as_str().unwrap().to_owned();
    assert!(by.starts_with("uid:"), "{data}");
    let of_admin = json!({"cause": "admin", "permits": 1, "slot_names": ["b"], "reason": "no ping", "by": by});
    let with_end = |mut data: Value| {
        data["until"] = json!("then");
        data
    };
    assert_eq!((kind.as_str(), data), ("permits_withheld", with_end(of_admin.clone())));
    admin("DELETE", "withheld", "").await;
    assert_eq!(withheld(&mut stream).await, ("permits_restored".to_owned(), of_admin));

    admin("PUT", "outside", r#"{"in_use": 1, "until_s": 600}"#).await;
    let outside = json!({"cause": "outside", "permits": 1, "by": by});
    assert_eq!(withheld(&mut stream).await, ("permits_withheld".to_owned(), with_end(outside)));
    admin("DELETE", "outside", "").await;
    let (kind, data) = withheld(&mut stream).await;
    assert_eq!(
        (kind.as_str(), &data["cause"], &data["slot_names"]),
        ("permits_restored", &json!("outside"), &json!(["a"]))
    );

    let broken = server.take("two").await;
    server.delete(&format!("/v1/tickets/{broken}?withhold=dust")).await.ok();
    let of = |cause: &str, ended_as: &str, slot: &str| json!({"cause": cause, "permits": 1, "slot_names": [slot], "ended_as": ended_as});
    let mut expected = of("broken", "released", "a");
    expected["reason"] = json!("dust");
    assert_eq!(withheld(&mut stream).await, ("permits_withheld".to_owned(), expected));
    let rests = server.take("two").await;
    server.delete(&format!("/v1/tickets/{rests}?keep_s=600")).await.ok();
    let (kind, data) = withheld(&mut stream).await;
    assert_eq!((kind.as_str(), data), ("permits_withheld", with_end(of("cooldown", "released", "b"))));
    admin("DELETE", "withheld", "").await;
    assert_eq!(withheld(&mut stream).await.0, "permits_restored");
    assert_eq!(withheld(&mut stream).await.0, "permits_restored");

    server.take("two").await;
    let number = server.lock("two").await["holders"][0]["number"].clone();
    admin("DELETE", &format!("tickets/{number}"), "").await;
    let mut expected = with_end(of("lost_holder", "revoked", "a"));
    expected["by"] = json!(by);
    let (kind, data) = withheld(&mut stream).await;
    assert_eq!((kind.as_str(), data), ("permits_withheld", expected));
}
