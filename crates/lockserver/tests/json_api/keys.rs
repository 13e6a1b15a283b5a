//! What a key is good for: whose tickets, which locks, how high, how long; and who guesses.

use super::harness::{Server, line, read, within};
use super::rights::{GROUP, QUERY, anonymous, ask, bearer, key, keys, secret, settings};
use lockserver::access::{Grants, Key, Right};
use std::time::{Duration, Instant};

/// `Authorization: Basic` as clients make it of a URL.
fn basic(name: &str, secret: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in format!("{name}:{secret}").as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for index in 0..=three.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * index) & 63) as usize]));
        }
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    format!("Authorization: Basic {text}")
}

#[tokio::test]
async fn a_key_in_a_url_is_a_key() {
    let server = Server::start_with(keys()).await;
    let ask =
        async |header: String| server.call("POST", "/v1/locks/one/tickets", &[&header], "{\"queue\": true}").await;
    assert!(ask(basic("user", &secret("user"))).await.status < 300);
    assert!(ask(basic("", &secret("user"))).await.status < 300);
    for wrong in [
        basic("admin", &secret("user")),
        basic("user", "wrong"),
        basic("user", ""),
        "Authorization: Negotiate x".into(),
    ] {
        assert_eq!(ask(wrong.clone()).await.status, 401, "{wrong}");
    }
    let ticket = ask(bearer("user")).await.json();
    assert_eq!(ticket["owner"], "user");
}

#[tokio::test]
async fn a_ticket_is_used_by_its_key_only() {
    let keys = vec![
        key("ci", &[Right::Use], &["*"]),
        key("other", &[Right::Use, Right::Observe], &["*"]),
        key("ops", &[Right::Admin], &["*"]),
        key("half", &[Right::Admin], &["two"]),
    ];
    let server = Server::start_with(settings(keys, anonymous(&[Right::Use, Right::Observe]))).await;
    let by = async |name: Option<&str>, method: &str, path: &str| {
        let header = name.map(bearer);
        let headers: Vec<&str> = header.as_deref().into_iter().collect();
        server.call(method, path, &headers, "").await
    };
    let made = by(Some("ci"), "POST", "/v1/locks/one/tickets").await;
    let (id, number) = (made.id(), made.json()["number"].clone());
    for stranger in [None, Some("other"), Some("half")] {
        for (method, rest) in [("GET", ""), ("POST", "/renew"), ("DELETE", "")] {
            let answer = by(stranger, method, &format!("/v1/tickets/{id}{rest}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "unknown_ticket"), "{stranger:?} {method}");
        }
        let revoked = by(stranger, "DELETE", &format!("/v1/locks/one/tickets/{number}")).await;
        assert!([401, 403].contains(&revoked.status), "{stranger:?}: {revoked:?}");
    }
    let mine = by(Some("ci"), "GET", "/v1/tickets?mine").await.ok();
    assert_eq!(mine["tickets"][0]["number"], number);
    assert_eq!(by(Some("other"), "GET", "/v1/tickets?mine").await.ok()["tickets"].as_array().unwrap().len(), 0);
    assert_eq!(by(Some("ops"), "GET", &format!("/v1/tickets/{id}")).await.ok()["state"], "held");
    assert_eq!(by(Some("ci"), "DELETE", &format!("/v1/locks/one/tickets/{number}")).await.ok()["ended_as"], "revoked");

    // A ticket without a key needs its id only, with any key.
    let open = by(None, "POST", "/v1/locks/one/tickets").await.id();
    assert_eq!(by(Some("other"), "DELETE", &format!("/v1/tickets/{open}")).await.status, 200);
}

#[tokio::test]
async fn an_observer_of_some_locks_sees_those_and_ends_nothing() {
    let keys = vec![key("ci", &[Right::Use], &["*"]), key("watcher", &[Right::Observe], &["job-*"])];
    let server = Server::start_with(settings(keys, anonymous(&[]))).await;
    let take = async |lock: &str| {
        let answer = server.call("POST", &format!("/v1/locks/{lock}/tickets"), &[&bearer("ci")], "").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    };
    let mut events = server.open("GET", "/v1/events", &[&bearer("watcher")], "").await;
    let until = async |events: &mut _, begin: &str| loop {
        let line = line(events).await;
        assert!(!line.contains("\"one\""), "{line}");
        if line.starts_with(begin) {
            return line;
        }
    };
    until(&mut events, "id: ").await;
    let held = [take("one").await, take("job-a").await];
    assert!(until(&mut events, "data: ").await.contains("job-a"));

    let watch = async |method: &str, path: &str| server.call(method, path, &[&bearer("watcher")], "").await;
    let locks = watch("GET", "/v1/locks").await.ok();
    let names: Vec<&str> =
        locks["locks"].as_array().unwrap().iter().map(|lock| lock["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["job-a"]);
    let metrics = watch("GET", "/metrics").await.body;
    assert!(metrics.contains("lock=\"job-*\"") && !metrics.contains("lock=\"one\""), "{metrics}");
    let page = watch("GET", "/").await;
    assert!(page.body.contains("job-a") && !page.body.contains("\"one\""), "{page:?}");
    assert_eq!(watch("GET", "/v1/locks/job-a").await.ok()["holding"], 1);
    for path in ["/v1/locks/one", "/v1/locks/nope", "/v1/locks/one/verify?token=1"] {
        let answer = watch("GET", path).await;
        assert_eq!((answer.status, answer.header("etag")), (403, None), "{path}: there or not, it does not tell");
    }
    for ticket in &held {
        let (id, number) = (ticket.id(), ticket.json()["number"].clone());
        let lock = ticket.json()["lock"].as_str().unwrap().to_owned();
        for (method, path) in [
            ("DELETE", format!("/v1/tickets/{id}")),
            ("POST", format!("/v1/tickets/{id}/renew")),
            ("GET", format!("/v1/tickets/{id}")),
            ("DELETE", format!("/v1/locks/{lock}/tickets/{number}")),
            ("DELETE", format!("/v1/locks/{lock}/tickets?request_id=0123456789abcdef")),
            ("DELETE", format!("/v1/locks/{lock}?force")),
            ("UNLOCK", format!("/v1/terraform/{lock}")),
        ] {
            assert_eq!(watch(method, &path).await.status, 403, "{method} {path}");
        }
        let again = server.call("GET", &format!("/v1/tickets/{id}"), &[&bearer("ci")], "").await.ok();
        assert_eq!(again["state"], "held");
    }
}

#[tokio::test]
async fn an_administrator_of_some_locks() {
    let server =
        Server::start_with(settings(vec![key("half", &[Right::Admin], &["job-*"])], anonymous(&[Right::Use]))).await;
    let half = async |method: &str, path: &str, body: &str| server.call(method, path, &[&bearer("half")], body).await;
    assert_eq!(half("PUT", "/v1/locks/job-x", "{\"size\": 3}").await.status, 201);
    assert_eq!(half("PUT", "/v1/locks/x", "{\"size\": 3}").await.status, 403);
    let holder = server.take("job-x").await;
    assert_eq!(half("GET", &format!("/v1/tickets/{holder}"), "").await.status, 200, "one without a key, by its id");
    assert_eq!(half("DELETE", "/v1/locks/job-x?force", "").await.status, 204);
    assert_eq!(half("POST", "/v1/reload", "").await.status, 403, "a reload is about every lock");
}

#[tokio::test]
async fn a_path_means_the_same_to_the_gate_and_to_the_handler() {
    let server = Server::start_with(settings(vec![key("ci", &[Right::Use], &["job-*"])], anonymous(&[]))).await;
    for (path, status) in [
        ("/v1/terraform/job-1", 200),
        ("/v1/terraform/job%2D2", 200),
        ("/v1/terraform/%6Aob-3", 200),
        ("/v1/terraform/one", 403),
        ("/v1/terraform/%6Fne", 403),
        ("/v1/terraform/%zz", 400),
        ("/v1/terraform/a%2Fb", 400),
        ("/v1/terraform/%256Fne", 403),
    ] {
        let answer = server.call("LOCK", path, &[&bearer("ci")], "{\"ID\": \"x\"}").await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn priorities_have_a_bound() {
    let server = Server::start_with(keys()).await;
    let ask = async |body: &str| server.call("POST", "/v1/locks/two/tickets", &[&bearer("user")], body).await;
    let refused = ask("{\"priority\": 1}").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
    assert!(refused.detail().contains("MAX_PRIORITY"), "{refused:?}");
    assert_eq!(ask("{\"priority\": 0}").await.status, 201);
    assert_eq!(ask("{\"priority\": -5}").await.status, 201);
}

#[tokio::test]
async fn no_request_is_above_the_bound_of_its_key() {
    let low = Key {
        grants: Grants { max_priority: -5, ..key("low", &[Right::Use], &["*"]).grants },
        ..key("low", &[], &["*"])
    };
    let server = Server::start_with(settings(vec![low], anonymous(&[Right::Observe]))).await;
    let fleetlock = [bearer("low"), "fleet-lock-protocol: true".to_owned()];
    let group = GROUP.replace("\"one\"", "\"x\"");
    assert_eq!(server.call("PUT", "/v1/locks/fleetlock-x", &[], "{\"size\": 1}").await.status, 401);
    assert_eq!(server.admin("PUT", "/v1/locks/fleetlock-x", &[], "{\"size\": 1}").await.status, 201);
    let headers: Vec<&str> = fleetlock.iter().map(String::as_str).collect();
    assert_eq!(server.call("POST", "/v1/pre-reboot", &headers, &group).await.status, 200);
    assert_eq!(server.call("LOCK", "/v1/terraform/two", &headers, "{\"ID\": \"x\"}").await.status, 200);
    assert_eq!(server.call("POST", "/RPC2", &headers, QUERY).await.status, 200);
    assert_eq!(server.call("POST", "/v1/locks/job-1/tickets", &headers, "").await.status, 201);
    assert_eq!(server.call("POST", "/v1/locks/job-2/tickets", &headers, "{\"priority\": -4}").await.status, 403);
    for lock in server.get("/v1/locks").await.ok()["locks"].as_array().unwrap() {
        for ticket in lock["holders"].as_array().unwrap().iter().chain(lock["queue"].as_array().unwrap()) {
            assert_eq!(ticket["priority"], -5, "{ticket}");
        }
    }
}

#[tokio::test]
async fn who_waits_is_sent_away_when_its_key_goes() {
    let both = || vec![key("ci", &[Right::Use], &["*"]), key("ops", &[Right::Use, Right::Observe], &["*"])];
    let server = Server::start_with(settings(both(), anonymous(&[]))).await;
    let held = server.call("POST", "/v1/locks/one/tickets", &[&bearer("ops")], "").await.id();
    let by_ci = bearer("ci");
    let waiting = server.open("POST", "/v1/locks/one/tickets", &[&by_ci], "{\"wait_s\": 60}").await;
    let queued = server.call("POST", "/v1/locks/one/tickets", &[&by_ci], "{\"queue\": true}").await.id();
    let reading = server.open("GET", &format!("/v1/tickets/{queued}?wait_s=60"), &[&by_ci], "").await;
    let by_ops = bearer("ops");
    let look = async || server.call("GET", "/v1/locks/one", &[&by_ops], "").await.ok();
    while look().await["queued"] != 2 {}
    // What changes for others changes nothing for who waits.
    let mut more = both();
    more.push(key("new", &[Right::Use], &["*"]));
    server.reload(settings(more, anonymous(&[])));
    assert_eq!(look().await["queued"], 2);
    server.reload(settings(vec![key("ops", &[Right::Use, Right::Observe], &["*"])], anonymous(&[])));
    assert_eq!(read(waiting).await.status, 401);
    assert_eq!(read(reading).await.status, 401);
    while look().await["queued"] != 1 {}
    assert_eq!(server.call("DELETE", &format!("/v1/tickets/{held}"), &[&by_ops], "").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_is_for_administrators() {
    let server = Server::start_with(keys()).await;
    let status = async |name: &str| server.call("GET", "/v1/status", &[&bearer(name)], "").await.ok();
    let (observer, admin) = (status("observer").await, status("admin").await);
    assert_eq!(admin["warnings"][0], "mind the gap");
    assert_eq!(admin["configuration"]["files"][0], "test.conf");
    assert!(observer["warnings"].as_array().unwrap().is_empty(), "{observer}");
    assert!(observer["configuration"]["files"].as_array().unwrap().is_empty(), "{observer}");
    assert_eq!(Server::start().await.get("/v1/status").await.ok()["warnings"][0], "mind the gap");
}

#[tokio::test]
async fn an_event_stream_ends_when_rights_change() {
    let server = Server::start_with(keys()).await;
    let mut events = server.open("GET", "/v1/events", &[&bearer("observer")], "").await;
    while !line(&mut events).await.starts_with("id: ") {}
    // The same keys again change nothing, so what comes next is an event.
    server.reload(keys());
    server.call("POST", "/v1/locks/one/tickets", &[&bearer("user")], "").await;
    while !line(&mut events).await.starts_with("data: ") {}
    server.reload(settings(vec![key("user", &[Right::Use], &["*"])], anonymous(&[])));
    let rest = read_to_end(&mut events).await;
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ended in order: {rest:?}");
    let refused = server.call("GET", "/v1/events", &[&bearer("observer")], "").await;
    assert_eq!(refused.status, 401);
}

async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    within(tokio::io::AsyncReadExt::read_to_string(stream, &mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn who_guesses_is_slowed_and_who_knows_is_not() {
    let server = Server::start_with(keys()).await;
    let first = Instant::now();
    for _ in 0..10 {
        assert_eq!(ask(&server, "GET", "/v1/locks", "", Some("nobody")).await.0, 401);
    }
    // The next answers are kept back. One a second is not, counted from the first on, so two of them are asked for.
    let begin = Instant::now();
    let slow = async {
        for _ in 0..3 {
            let answer = server.call("GET", "/v1/locks", &[&bearer("nobody")], "").await;
            assert_eq!((answer.status, answer.header("connection")), (401, Some("close")), "{answer:?}");
        }
    };
    let quick = async {
        let mut asked = 0;
        while begin.elapsed() < Duration::from_millis(500) {
            assert_eq!(ask(&server, "GET", "/v1/locks", "", Some("observer")).await.0, 200);
            asked += 1;
        }
        asked
    };
    let (_, asked) = tokio::join!(slow, quick);
    assert!(first.elapsed() >= Duration::from_secs(1), "{:?}", first.elapsed());
    assert!(asked >= 1, "the right key was served meanwhile, {asked} times");
}
