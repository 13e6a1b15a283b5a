//! The stream of events: complete, resumable, bounded.

use super::harness::{Server, line, read, within};
use super::rights::{anonymous, bearer, key, settings};
use lockserver::access::Right;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// One message of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) data: Value,
}

/// Opens a stream and reads its head.
pub(super) async fn open(server: &Server, query: &str, last: Option<&str>) -> BufReader<TcpStream> {
    open_with(server, query, last, &[]).await
}

/// The same, with further headers.
pub(super) async fn open_with(server: &Server, query: &str, last: Option<&str>, more: &[&str]) -> BufReader<TcpStream> {
    let header = last.map(|id| format!("Last-Event-ID: {id}"));
    let headers: Vec<&str> = header.as_deref().into_iter().chain(more.iter().copied()).collect();
    let mut stream = server.open("GET", &format!("/v1/events{query}"), &headers, "").await;
    assert!(line(&mut stream).await.contains(" 200 "));
    while !line(&mut stream).await.is_empty() {}
    stream
}

/// The next message that is an event; the sizes of chunks are passed over.
pub(super) async fn next(stream: &mut BufReader<TcpStream>) -> Message {
    let mut message = Message { id: String::new(), kind: String::new(), data: Value::Null };
    loop {
        let text = line(stream).await;
        match text.split_once(": ") {
            Some(("id", id)) => message.id = id.to_owned(),
            Some(("event", kind)) => message.kind = kind.to_owned(),
            Some(("data", data)) => {
                message.data = serde_json::from_str(data).unwrap();
                return message;
            }
            _ => {}
        }
    }
}

async fn kinds(stream: &mut BufReader<TcpStream>, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(next(stream).await.kind);
    }
    kinds
}

#[tokio::test]
async fn every_change_and_nothing_twice() {
    let server = Server::start().await;
    let before = server.lock("one").await["as_of"].as_str().unwrap().to_owned();
    let mut stream = open(&server, "", Some(&before)).await;
    let id = server.take("one").await;
    let first = next(&mut stream).await;
    assert_eq!((first.kind.as_str(), &first.data["lock"]), ("queued", &"one".into()));
    assert_eq!(kinds(&mut stream, 2).await, ["granted", "held"]);
    // What the listing shows is not told again after its `as_of`.
    let as_of = server.lock("one").await["as_of"].as_str().unwrap().to_owned();
    let mut later = open(&server, "", Some(&as_of)).await;
    server.delete(&format!("/v1/tickets/{id}")).await.ok();
    let ended = next(&mut later).await;
    assert_eq!((ended.kind.as_str(), &ended.data["ended_as"]), ("ended", &"released".into()));
    assert!(ended.data["held_s"].is_number() && !ended.data.to_string().contains(&id));
    assert_eq!(next(&mut stream).await, ended);
    let mut resumed = open(&server, "", Some(&first.id)).await;
    assert_eq!(kinds(&mut resumed, 3).await, ["granted", "held", "ended"]);
}

#[tokio::test]
async fn who_changed_what_from_what_to_what() {
    let server = Server::start().await;
    let mut stream = open(&server, "?lock=two", None).await;
    server.admin("PATCH", "/v1/locks/two", &[], r#"{"size": 3, "max_hold_time_s": 90.5}"#).await.ok();
    let changed = next(&mut stream).await.data;
    let setting = |name: &str, from: Value, to: Value| json!({"setting": name, "from": from, "to": to});
    let wanted = [setting("size", 2.into(), 3.into()), setting("max_hold_time_s", Value::Null, json!(90.5))];
    assert_eq!(changed["changes"], json!(wanted), "{changed}");
    let by = changed["by"].as_str().unwrap().to_owned();
    assert!(by.starts_with("uid:"), "{changed}");
    server.admin("PATCH", "/v1/locks/two", &[], r#"{"slots": ["a", "b"]}"#).await.ok();
    assert_eq!(next(&mut stream).await.data["changes"], json!([setting("slots", 3.into(), "a, b".into())]));
    let pause = r#"{"paused": true, "reason": "firmware", "until_s": 3600}"#;
    server.admin("PATCH", "/v1/locks/two", &[], pause).await.ok();
    let paused = next(&mut stream).await.data;
    assert_eq!(paused["changes"], json!([setting("paused", false.into(), true.into())]));
    assert_eq!((paused["reason"].as_str(), paused["until"].is_string()), (Some("firmware"), true), "{paused}");
    server.admin("PATCH", "/v1/locks/two", &[], r#"{"paused": false}"#).await.ok();
    assert_eq!(next(&mut stream).await.data["changes"], json!([setting("paused", true.into(), false.into())]));
    // What clients do themselves has no author but them.
    let id = server.take("two").await;
    let queued = next(&mut stream).await.data;
    assert_eq!((&queued["by"], queued["from"].is_string()), (&Value::Null, true), "{queued}");
    let number = server.get(&format!("/v1/tickets/{id}")).await.json()["number"].clone();
    server.admin("DELETE", &format!("/v1/locks/two/tickets/{number}?reason=gone"), &[], "").await.ok();
    let ended = loop {
        let message = next(&mut stream).await;
        if message.kind == "ended" {
            break message.data;
        }
    };
    assert_eq!((ended["by"].as_str(), ended["reason"].as_str()), (Some(by.as_str()), Some("gone")), "{ended}");
    let history = server.get("/v1/locks/two/history").await.json();
    assert_eq!(history["events"][1]["changes"], json!(wanted), "after its making, and it is remembered");
}

#[tokio::test]
async fn a_filter_by_lock() {
    let server = Server::start().await;
    let mut one = open(&server, "?lock=one", None).await;
    let mut jobs = open(&server, "?lock=job-*", None).await;
    assert!(line(&mut one).await.len() <= 4, "the size of a chunk");
    assert_eq!(line(&mut one).await, "retry: 2000");
    server.take("two").await;
    server.take("job-7").await;
    server.take("one").await;
    assert_eq!(next(&mut one).await.data["lock"], "one");
    let first = next(&mut jobs).await;
    assert_eq!((first.kind.as_str(), &first.data["lock"]), ("lock_created", &"job-7".into()));
}

#[tokio::test]
async fn a_heartbeat_as_often_as_it_is_wanted() {
    let server = Server::start().await;
    for wrong in ["0", "16", "x", "1.5", "", "-1"] {
        assert_eq!(server.get(&format!("/v1/events?heartbeat_s={wrong}")).await.code(), "invalid", "{wrong:?}");
    }
    let began = std::time::Instant::now();
    let mut stream = open(&server, "?lock=one&heartbeat_s=1", None).await;
    let mut beats = 0;
    while beats < 2 {
        beats += u32::from(line(&mut stream).await.starts_with(": "));
    }
    let took = began.elapsed().as_secs_f64();
    assert!((1.9..15.0).contains(&took), "two beats after {took} s");
}

#[tokio::test]
async fn one_lock_that_may_not_be_seen_is_refused() {
    let may = |locks: &[&str]| settings(vec![key("ci", &[Right::Observe], locks)], anonymous(&[]));
    let server = Server::start_with(may(&["one", "job-*"])).await;
    let bearer = bearer("ci");
    for (lock, status) in [("one", 200), ("job-7", 200), ("two", 403), ("nothing", 403)] {
        let lock_read = server.call("GET", &format!("/v1/locks/{lock}"), &[&bearer], "").await;
        assert_eq!(lock_read.status, status, "{lock_read:?}");
        let path = format!("/v1/events?lock={lock}");
        let mut stream = server.open("GET", &path, &[&bearer], "").await;
        assert!(line(&mut stream).await.contains(&format!(" {status} ")), "{lock}");
        assert_eq!(server.get(&path).await.code(), "unauthorized", "{lock}");
    }
    for pattern in ["?lock=two*", "?lock=*", ""] {
        let mut stream = server.open("GET", &format!("/v1/events{pattern}"), &[&bearer], "").await;
        assert!(line(&mut stream).await.contains(" 200 "), "{pattern}");
    }
    // The right is taken away while the stream is open: it ends, and the next one is refused.
    let path = "/v1/events?lock=one";
    let mut stream = server.open("GET", path, &[&bearer], "").await;
    assert!(line(&mut stream).await.contains(" 200 "));
    server.reload(may(&["two"]));
    within(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new())).await.unwrap();
    let refused = server.call("GET", path, &[&bearer], "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
}

#[tokio::test]
async fn what_cannot_be_resumed_is_reset() {
    let server = Server::start().await;
    for unknown in ["nonsense", "7-1", "0-0"] {
        let mut stream = open(&server, "", Some(unknown)).await;
        let reset = next(&mut stream).await;
        assert_eq!((reset.kind.as_str(), &reset.data["as_of"]), ("reset", &reset.id.clone().into()));
        assert_eq!(server.lock("one").await["as_of"], reset.id);
    }
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open(&server, "", None).await);
    }
    let refused = server.get("/v1/events").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "limit_reached"));
    assert!(refused.header("retry-after").is_some());
    // A client that goes makes room at once.
    drop(streams.pop());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let mut stream = server.open("GET", "/v1/events", &[], "").await;
        if line(&mut stream).await.contains(" 200 ") {
            streams.push(stream);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no room again");
    }
    server.stop();
    let last = read(streams.remove(0));
    // Its head was read before; what is left is the end of the body.
    tokio::io::AsyncReadExt::read_to_end(&mut streams.remove(0), &mut Vec::new()).await.unwrap();
    drop(last);
}
