//! What the page is fed from: the past of locks, their numbers, what one may do; and the documents that have no data.

use super::harness::{Server, line};
use lockserver::access::{Access, Digest, Grants, Key, KeyName, Patterns, Right, parse_pattern};
use lockserver::http::AuthSettings;
use serde_json::{Value, json};

const BROWSER: [&str; 2] = ["User-Agent: Mozilla/5.0", "Accept: text/html,application/xhtml+xml,*/*;q=0.8"];

#[tokio::test]
async fn the_past_of_a_lock() {
    let server = Server::start().await;
    let first = server.take("two").await;
    let second = server.take("two").await;
    server.post("/v1/locks/two/tickets", r#"{"queue": true, "info": "later"}"#).await;
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let past = loop {
        let past = server.get("/v1/locks/two/history").await.ok();
        if past["hour"]["in_use_max"] == json!([2]) {
            break past;
        }
        // Its first look may have been before the tickets, or a new step may have begun.
        if past["hour"]["in_use_max"].as_array().is_some_and(|steps| steps.contains(&json!(2))) {
            break past;
        }
        assert!(std::time::Instant::now() < deadline, "{past}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(
        (&past["lock"], &past["hour"]["step_s"], &past["day"]["step_s"]),
        (&json!("two"), &json!(10), &json!(300))
    );
    assert_eq!(past["hour"]["waits"]["count"], 3);
    assert_eq!(past["hour"]["holds"]["count"], 1);
    let kinds: Vec<&str> = past["events"].as_array().unwrap().iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "queued").count(), 3, "{kinds:?}");
    assert!(past["events"].as_array().unwrap().iter().all(|one| one["lock"] == "two"));
    // A lock of which nothing is known has an empty past; no lock has none.
    assert_eq!(server.get("/v1/locks/job-never/history").await.ok()["hour"]["size"], json!([]));
    assert_eq!(server.get("/v1/locks/nothing/history").await.code(), "unknown_lock");
    drop(second);
}

#[tokio::test]
async fn listings_as_long_as_they_are_wanted() {
    let server = Server::start().await;
    server.take("one").await;
    server.post("/v1/locks/one/tickets", r#"{"queue": true}"#).await;
    for path in ["/v1/locks?tickets=0", "/v1/locks"] {
        let locks = server.get(path).await.ok();
        let one = locks["locks"].as_array().unwrap().iter().find(|lock| lock["name"] == "one").unwrap().clone();
        let listed = if path.ends_with('0') { 0 } else { 1 };
        assert_eq!(one["holders"].as_array().unwrap().len(), listed, "{path}");
        assert_eq!((one["holding"].as_u64(), one["queued"].as_u64()), (Some(1), Some(1)));
        assert!(one["waiting_since"].is_string() && one["holding_since"].is_string() && one["granted"] == 0, "{one}");
    }
    assert_eq!(server.get("/v1/locks/one?tickets=0").await.ok()["queue"], json!([]));
    assert_eq!(server.get("/v1/locks?tickets=1001").await.code(), "invalid");
    assert_eq!(server.get("/v1/locks?tickets=x").await.code(), "invalid");
}

#[tokio::test]
async fn what_is_usual_tells_how_long_one_more_would_wait() {
    let server = Server::start().await;
    assert_eq!(server.lock("one").await["expected_wait_s"], 0, "it is free");
    for _ in 0..5 {
        let held = server.take("one").await;
        assert_eq!(server.lock("one").await["expected_wait_s"], Value::Null, "too few have given it back yet");
        server.delete(&format!("/v1/tickets/{held}")).await.ok();
    }
    server.take("one").await;
    assert!(server.lock("one").await["expected_wait_s"].is_number());
    server.admin("PATCH", "/v1/locks/one", &["Content-Type: application/json"], r#"{"paused": true}"#).await.ok();
    assert_eq!(server.lock("one").await["expected_wait_s"], Value::Null, "nobody knows how long a pause lasts");
}

#[tokio::test]
async fn why_one_waits_is_said_in_the_same_words_everywhere() {
    let server = Server::start().await;
    let says = async |why: &str| {
        for path in ["/v1/locks/two", "/v1/locks/two?tickets=0"] {
            assert_eq!(server.get(path).await.ok()["why"], why, "{path}");
        }
        let page = server.call("GET", "/locks/two", &BROWSER, "").await.body;
        assert!(page.contains(&format!("<p class=\"why\">{why}</p>")), "{why} in {page}");
    };
    says("2 of 2 are free: the next one gets in at once.").await;
    server.take("two").await;
    server.post("/v1/locks/two/tickets", r#"{"queue": true, "permits": 2}"#).await;
    says("1 of 2 is free, and 1 waits: the first in line needs 2.").await;
    let pause = r#"{"paused": true, "reason": "firmware"}"#;
    server.admin("PATCH", "/v1/locks/two", &["Content-Type: application/json"], pause).await.ok();
    says("Paused by \u{2068}uid:0\u{2069}: nobody is let in. 1 waits. Reason: “\u{2068}firmware\u{2069}”.").await;
}

#[tokio::test]
async fn events_have_the_numbers_of_their_lock() {
    let server = Server::start().await;
    let mut events = server.open("GET", "/v1/events?lock=two", &[], "").await;
    while !line(&mut events).await.starts_with("id: ") {}
    server.take("two").await;
    let mut last = Value::Null;
    while last["kind"] != "held" {
        let text = line(&mut events).await;
        if let Some(data) = text.strip_prefix("data: ") {
            last = serde_json::from_str(data).unwrap();
            let usage = &last["usage"];
            assert_eq!(
                (&usage["size"], &usage["in_use"], &usage["free"], &usage["queued"]),
                (&json!(2), &json!(1), &json!(1), &json!(0))
            );
        }
    }
    server.admin("DELETE", "/v1/locks/two?force", &[], "").await;
    loop {
        let text = line(&mut events).await;
        if text.contains("\"lock_deleted\"") {
            assert!(!text.contains("\"usage\""), "{text}");
            break;
        }
    }
}

fn with_key() -> AuthSettings {
    let grants = Grants {
        rights: [Right::Observe, Right::Use].into_iter().collect(),
        locks: Patterns::new(vec![parse_pattern("job-*").unwrap(), parse_pattern("one").unwrap()]),
        max_priority: 0,
    };
    let key = Key { name: KeyName::new("ci").unwrap(), secrets: vec![Digest::of("lsk_ci")], grants };
    let nothing = Grants { rights: [].into_iter().collect(), ..Grants::open() };
    AuthSettings { access: Access::new(vec![key], nothing).unwrap(), ..AuthSettings::default() }
}

#[tokio::test]
async fn everybody_is_told_what_they_may() {
    let server = Server::start_with(with_key()).await;
    let you = server.call("GET", "/v1/status", &["Authorization: Bearer lsk_ci"], "").await.ok()["you"].clone();
    let expected = json!({"key": "ci", "from": "127.0.0.1", "rights": ["observe", "use"], "locks": ["job-*", "one"], "keys": true});
    assert_eq!(you, expected);
    let you = server.admin("GET", "/v1/status", &[], "").await.ok()["you"].clone();
    assert_eq!(
        (&you["key"], &you["rights"], &you["locks"]),
        (&Value::Null, &json!(["observe", "use", "admin"]), &json!(["*"]))
    );
    let open = Server::start().await.get("/v1/status").await.ok()["you"].clone();
    assert_eq!((&open["rights"], &open["keys"]), (&json!(["observe", "use"]), &json!(false)));
}

#[tokio::test]
async fn escapes_in_a_path_are_undone_once() {
    let server = Server::start_with(with_key()).await;
    let call = async |method: &str, path: &str| {
        server.call(method, path, &["Authorization: Bearer lsk_ci"], "{}").await.status
    };
    assert_eq!(call("GET", "/v1/locks/%6Fne").await, 200);
    // This is the lock "%6Fne", which the key is not for, in every protocol.
    for (method, path) in [
        ("GET", "/v1/locks/%256Fne"),
        ("POST", "/v1/locks/%256Fne/tickets"),
        ("LOCK", "/v1/terraform/%256Fne"),
        ("GET", "/locks/%256Fne"),
    ] {
        assert_eq!(call(method, path).await, 403, "{method} {path}");
    }
    let open = Server::start().await;
    assert_eq!(open.get("/v1/locks/job-50%25").await.ok()["name"], "job-50%");
}

#[tokio::test]
async fn a_browser_is_asked_for_a_key_by_the_page_and_others_by_basic() {
    let server = Server::start_with(with_key()).await;
    for path in ["/", "/locks/one", "/locks/two", "/locks/nothing"] {
        let asked = server.call("GET", path, &BROWSER, "").await;
        assert_eq!(
            (asked.status, asked.header("www-authenticate")),
            (401, Some("Bearer realm=\"lockserver\"")),
            "{path}"
        );
        assert!(
            asked.body.contains("/main.js")
                && asked.header("content-security-policy").unwrap().contains("script-src 'self'")
        );
        assert!(!asked.body.contains("mind the gap"), "warnings are for those who may look");
        let other = server.get(path).await;
        assert_eq!(other.status, 401);
        assert!(other.header("www-authenticate").unwrap().starts_with("Basic"), "{other:?}");
        assert_eq!(other.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let mine = ["User-Agent: Mozilla/5.0", "Accept: text/html", "Authorization: Bearer lsk_ci"];
    let page = server.call("GET", "/", &mine, "").await;
    assert!(page.status == 200 && page.body.contains(">one<") && !page.body.contains(">two<"), "{page:?}");
    assert_eq!(server.call("GET", "/locks/one", &mine, "").await.status, 200);
    let denied = server.call("GET", "/locks/two", &mine, "").await;
    assert_eq!((denied.status, denied.header("www-authenticate")), (403, None));
    let wrong = server.call("GET", "/", &[BROWSER[0], BROWSER[1], "Authorization: Bearer lsk_no"], "").await;
    assert_eq!(wrong.status, 401);
}
