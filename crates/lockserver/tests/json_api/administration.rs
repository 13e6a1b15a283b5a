//! Locks as they are shown, and what administrators do to them.

use super::harness::{Server, redact};
use serde_json::{Value, json};

#[tokio::test]
async fn a_lock_is_shown_without_ids() {
    let server = Server::start().await;
    let holder = server.take("two").await;
    let waiting = server.post("/v1/locks/two/tickets", r#"{"permits": "all", "queue": true}"#).await.id();
    let answer = server.get("/v1/locks/two").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let lock = answer.ok();
    assert_eq!(answer.header("etag"), Some(format!("\"{}\"", lock["revision"]).as_str()));
    let ticket = |state: &str, permits: Value, slots: Value, held: bool| {
        let or_null = |name: &str| if held { json!(format!("<{name}>")) } else { Value::Null };
        let ranges = if held { "0" } else { "" };
        json!({
            "number": "<number>",
            "locks": {"two": {"permits": permits, "slots": slots, "slot_ranges": ranges, "slot_names": []}},
            "lock": "two", "state": state, "permits": permits, "slots": slots,
            "slot_ranges": ranges, "slot_names": [], "token": or_null("token"), "ahead": 0, "dormant": false, "priority": 0, "info": "", "owner": null,
            "from": "127.0.0.1", "created_at": "<created_at>", "granted_at": or_null("granted_at"),
            "held_at": or_null("held_at"), "ended_at": null, "expires_at": "<expires_at>",
            "expires_in_s": "<expires_in_s>", "ttl_s": if held { 300 } else { 60 }, "ended_as": null, "reason": null,
        })
    };
    let expected = json!({
        "name": "two", "size": 2, "free": 1, "in_use": 1, "granted": 0, "withheld": 0, "holding": 1, "queued": 1,
        "waiting_since": "<waiting_since>", "holding_since": "<holding_since>", "expected_wait_s": null,
        "why": "1 of 2 is free, and 1 waits: the first in line needs all.", "paused": false,
        "pause_reason": null, "paused_by": null, "pause_ends_in_s": null, "retiring": false, "template": null,
        "settings": {
            "size": 2, "pick": "first", "grace_time_s": 10, "expiration_time_s": 300, "max_lock_time_s": 300, "max_hold_time_s": null,
            "max_ttl_s": null, "lock_delay_s": 0, "max_queue": 100_000, "max_per_owner": null, "min_hold_time_s": 0,
            "description": "",
        },
        "overridden": [], "configuration": [], "revision": "<revision>",
        "holders": [ticket("held", json!(1), json!([0]), true)],
        "queue": [ticket("queued", json!("all"), json!([]), false)],
        "withholdings": [],
        "statistics": {
            "queries": 2, "grants": 1, "got": 1, "lapsed": 0, "released": 0, "cancelled": 0, "expired": 0,
            "superseded": 0, "lost": 0, "overdue": 0, "revoked": 0, "oversized": 0, "lock_deleted": 0,
        },
        "as_of": "<as_of>",
    });
    assert_eq!(redact(lock), expected);

    // Nothing that anybody may read names an id.
    for path in ["/v1/locks", "/v1/locks/two", "/v1/status", "/v1/tickets?mine"] {
        let text = server.get(path).await.body;
        assert!(!text.contains(&holder) && !text.contains(&waiting), "{path}: {text}");
    }
    let names: Vec<Value> = server.get("/v1/locks").await.ok()["locks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lock| lock["name"].clone())
        .collect();
    assert_eq!(names, ["one", "two"]);
}

#[tokio::test]
async fn null_in_a_patch_is_the_default() {
    let server = Server::start().await;
    let patch = async |body: &str| server.admin("PATCH", "/v1/locks/one", &["If-Match: *"], body).await;
    let set = r#"{"description": "x", "grace_time_s": 5, "lock_delay_s": 7, "max_queue": 3, "max_hold_time_s": 9}"#;
    assert_eq!(patch(set).await.ok()["settings"]["max_queue"], 3);
    let null = r#"{"description": null, "grace_time_s": null, "lock_delay_s": null, "max_queue": null, "max_hold_time_s": null}"#;
    let settings = patch(null).await.ok()["settings"].clone();
    assert_eq!(
        settings,
        json!({
            "size": 1, "pick": "first", "grace_time_s": 10, "expiration_time_s": 300, "max_lock_time_s": 300, "max_hold_time_s": null,
            "max_ttl_s": null, "lock_delay_s": 0, "max_queue": 100_000, "max_per_owner": null, "min_hold_time_s": 0,
            "description": "",
        })
    );
    for impossible in [r#"{"size": null}"#, r#"{"slots": null}"#, r#"{"paused": null}"#] {
        assert_eq!(patch(impossible).await.code(), "invalid", "{impossible}");
    }
}

#[tokio::test]
async fn names_are_decoded_once() {
    let server = Server::start().await;
    for (path, name) in [("50%25", "50%"), ("%2541", "%41"), ("gr%C3%B6%C3%9Fe%20a+b", "größe a+b")] {
        let path = format!("/v1/locks/{path}");
        assert_eq!(server.admin("PUT", &path, &[], "{\"size\": 1}").await.status, 201);
        assert_eq!(server.get(&path).await.ok()["name"], name);
    }
}

#[tokio::test]
async fn a_template_is_shown_and_nothing_made() {
    let server = Server::start().await;
    let lock = server.lock("job-1").await;
    assert_eq!((&lock["template"], &lock["size"], &lock["free"]), (&json!("job-*"), &json!(1), &json!(1)));
    assert_eq!(server.get("/v1/locks").await.ok()["locks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn locks_are_made_changed_and_deleted() {
    let server = Server::start().await;
    let put =
        |headers: &'static [&'static str], body: &'static str| server.admin("PUT", "/v1/locks/new", headers, body);
    assert_eq!(put(&[], "{}").await.code(), "invalid");
    assert_eq!(put(&[], r#"{"size": 0}"#).await.code(), "invalid");
    assert_eq!(put(&[], r#"{"size": 1, "slots": ["a"]}"#).await.code(), "invalid");
    let made =
        put(&["If-None-Match: *"], r#"{"slots": ["red", "green"], "max_hold_time_s": 0, "lock_delay_s": 60}"#).await;
    assert_eq!(made.status, 201, "{made:?}");
    let lock = made.json();
    assert_eq!((&lock["size"], &lock["settings"]["slots"]), (&json!(2), &json!(["red", "green"])));
    assert_eq!(lock["settings"]["max_hold_time_s"], Value::Null, "zero is never");
    assert_eq!(put(&["If-None-Match: *"], r#"{"size": 1}"#).await.code(), "lock_exists");
    let replaced = put(&[], r#"{"size": 3, "lock_delay_s": 60}"#).await;
    assert_eq!(replaced.status, 200, "{replaced:?}");

    let etag = replaced.header("etag").unwrap().to_owned();
    let if_match = format!("If-Match: {etag}");
    let patch = |headers: Vec<String>, body: &'static str| {
        let server = &server;
        async move {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            server.admin("PATCH", "/v1/locks/new", &headers, body).await
        }
    };
    let pause = r#"{"paused": true, "reason": "night", "until_s": 3600, "max_ttl_s": null}"#;
    let paused = patch(vec![if_match.clone()], pause).await.ok();
    assert_eq!(
        (&paused["paused"], &paused["pause_reason"], &paused["size"]),
        (&json!(true), &json!("night"), &json!(3))
    );
    assert!(paused["pause_ends_in_s"].as_f64().unwrap() > 3000.0);
    let by = paused["paused_by"].as_str().unwrap();
    assert!(paused["why"].as_str().unwrap().starts_with(&format!("Paused by \u{2068}{by}\u{2069} for ")), "{paused}");
    let busy = server.post("/v1/locks/new/tickets", "{}").await;
    assert_eq!(busy.code(), "busy");
    let told = busy.detail();
    let begin = format!("the lock is paused by {by} for another ");
    assert!(told.starts_with(&begin) && told.contains(": night; ask again later"), "{told}");
    let late = server.post("/v1/locks/new/tickets", r#"{"wait_s": 0.1}"#).await;
    assert_eq!(late.code(), "timed_out");
    let told = late.detail();
    assert!(told.contains(&format!(": {begin}")) && told.ends_with(": night"), "{told}");
    let late = server.post("/v1/tickets", r#"{"locks": {"new": 1, "one": 1}, "wait_s": 0.1}"#).await;
    let told = late.detail();
    assert!(told.contains(&format!(": \"new\": {begin}")) && told.ends_with(": night"), "of several, which: {told}");
    let changed = patch(vec![if_match], r#"{"size": 4}"#).await;
    assert_eq!((changed.status, changed.code().as_str()), (412, "lock_changed"));
    assert_eq!(patch(vec!["If-Match: 3".into()], "{}").await.code(), "invalid");
    assert_eq!(patch(vec![], r#"{"reason": "x"}"#).await.code(), "invalid");
    assert_eq!(patch(vec![], r#"{"size": null}"#).await.code(), "invalid");
    assert_eq!(patch(vec![], r#"{"paused": false}"#).await.ok()["paused"], false);

    server.take("new").await;
    let waiting = server.post("/v1/locks/new/tickets", r#"{"permits": 3, "queue": true}"#).await;
    let refused = patch(vec![], r#"{"size": 2}"#).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "would_end_tickets"));
    assert_eq!(refused.json()["would_end"], 1);
    assert_eq!(refused.json()["tickets"][0]["number"], waiting.json()["number"]);
    assert!(!refused.body.contains(&waiting.id()));
    let delete = |query: &'static str| {
        let server = &server;
        async move { server.admin("DELETE", &format!("/v1/locks/new{query}"), &[], "").await }
    };
    assert_eq!(delete("").await.code(), "would_end_tickets");
    assert_eq!(delete("?force=true&expect_tickets=1").await.code(), "would_end_tickets");
    let deleted = delete("?force=true&expect_tickets=2").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(delete("").await.code(), "unknown_lock");
    let withheld = put(&[], r#"{"size": 1}"#).await;
    assert_eq!(withheld.code(), "name_withheld");
    assert!(withheld.header("retry-after").is_some());
}

#[tokio::test]
async fn tickets_are_revoked_and_permits_restored() {
    let server = Server::start().await;
    server.admin("PATCH", "/v1/locks/one", &[], r#"{"lock_delay_s": 3600}"#).await.ok();
    let id = server.take("one").await;
    let ticket = server.get(&format!("/v1/tickets/{id}")).await.ok();
    let verify = format!("/v1/locks/one/verify?token={}", ticket["token"]);
    assert_eq!(server.get(&verify).await.ok()["number"], ticket["number"]);

    let path = format!("/v1/locks/one/tickets/{}?reason=host+is%20gone", ticket["number"]);
    assert_eq!(server.delete(&path).await.code(), "not_allowed");
    let ended = server.admin("DELETE", &path, &[], "").await.ok();
    assert_eq!((&ended["ended_as"], &ended["reason"]), (&json!("revoked"), &json!("host is gone")));
    assert!(ended["id"].is_null());
    assert_eq!(server.admin("DELETE", &path, &[], "").await.code(), "unknown_ticket");
    assert_eq!(server.get(&verify).await.code(), "not_a_holder");
    let gone = server.delete(&format!("/v1/tickets/{id}")).await;
    let told = gone.json()["tickets"][0].clone();
    assert_eq!((gone.code().as_str(), &told["reason"]), ("gone", &json!("host is gone")));
    assert_eq!(told["ended_by"], ended["ended_by"]);
    let by = ended["ended_by"].as_str().unwrap();
    assert!(gone.detail().ends_with(&format!("revoked by {by}: host is gone")), "{gone:?}");

    let withheld = server.lock("one").await;
    assert_eq!((&withheld["free"], &withheld["withheld"]), (&json!(0), &json!(1)));
    assert_eq!(withheld["withholdings"][0]["number"], ticket["number"]);
    assert!(withheld["withholdings"][0]["ends_in_s"].as_f64().unwrap() > 3000.0);
    let open = format!("/v1/locks/one/withheld?number={}", ticket["number"]);
    assert_eq!(server.admin("DELETE", &open, &[], "").await.ok()["free"], 1);
    assert_eq!(server.admin("DELETE", &open, &[], "").await.code(), "unknown_ticket");
    assert_eq!(server.admin("DELETE", "/v1/locks/one/withheld", &[], "").await.ok()["withheld"], 0);
}

#[tokio::test]
async fn a_ticket_that_has_moved_on_is_left_alone() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let waiting = server.post("/v1/locks/one/tickets", r#"{"queue": true}"#).await;
    assert_eq!(waiting.status, 202, "{waiting:?}");
    let (id, number) = (waiting.id(), waiting.json()["number"].clone());
    let revoke = async |state: &str| {
        let path = format!("/v1/locks/one/tickets/{number}?reason=enough&state={state}");
        server.admin("DELETE", &path, &[], "").await
    };
    assert_eq!(revoke("ended").await.code(), "invalid");
    assert_eq!(revoke("").await.code(), "invalid");
    assert_eq!(revoke("held").await.code(), "ticket_changed");
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    let refused = revoke("queued").await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "ticket_changed"));
    let problem = refused.json();
    assert_eq!((&problem["retryable"], &problem["tickets"][0]["number"]), (&json!(false), &number));
    assert_eq!(problem["tickets"][0]["state"], "granted");
    assert!(!refused.body.contains(&id) && refused.detail().contains("granted now"), "{refused:?}");
    assert_eq!(server.get(&format!("/v1/tickets/{id}")).await.ok()["state"], "held", "nothing was done");
    assert_eq!(revoke("held").await.ok()["ended_as"], "revoked");
    assert_eq!(revoke("held").await.code(), "unknown_ticket");
}

#[tokio::test]
async fn administrators_are_known_by_their_user() {
    let server = Server::start().await;
    let answer = server.admin("POST", "/v1/locks/one/tickets", &[], "").await;
    assert_eq!(answer.status, 201);
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&server.admin).unwrap());
    assert_eq!(answer.json()["from"], format!("uid:{own}"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server.admin).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660);
    // A waiter there that hangs up is noticed as well.
    let gone = tokio::net::UnixStream::connect(&server.admin).await.unwrap();
    let body = r#"{"wait_s": 60}"#;
    let request = format!(
        "POST /v1/locks/one/tickets HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    gone.try_write(request.as_bytes()).unwrap();
    server.until("one", "it queues", |lock| lock["queued"] == 1).await;
    drop(gone);
    server.until("one", "it is gone", |lock| lock["queued"] == 0).await;
}

#[tokio::test]
async fn status_and_reload() {
    let mut server = Server::start().await;
    let mut status = server.get("/v1/status").await.ok();
    assert_eq!(status["limits"]["wait_s"], 60);
    status["limits"].take();
    status["uptime_s"].take();
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"), "uptime_s": null, "role": "leader", "leader": null, "standbys": [], "store": "memory",
        "ready": true, "trouble": null, "configuration": {"files": ["test.conf"], "loaded_at": "then", "refused": null},
        "warnings": ["mind the gap"],
        "you": {"key": null, "from": "127.0.0.1", "rights": ["observe", "use"], "locks": ["*"], "keys": false}, "limits": null,
    });
    assert_eq!(status, expected);

    let (done, refused) = tokio::sync::oneshot::channel::<()>();
    let mut reloads = std::mem::replace(&mut server.reloads, tokio::sync::mpsc::channel(1).1);
    tokio::spawn(async move {
        let reloaded = lock_api::Reloaded { created: vec!["x".into()], ..Default::default() };
        reloads.recv().await.unwrap().send(Ok(reloaded)).unwrap();
        reloads.recv().await.unwrap().send(Err("line 3: SIZE=many is no number".into())).unwrap();
        done.send(()).unwrap();
    });
    let reloaded = server.admin("POST", "/v1/reload", &[], "").await.ok();
    let expected = json!({"created": ["x"], "changed": [], "retired": [], "refused": [], "warnings": []});
    assert_eq!(reloaded, expected);
    let answer = server.admin("POST", "/v1/reload", &[], "").await;
    assert_eq!(
        (answer.code().as_str(), answer.detail().as_str()),
        ("configuration_refused", "line 3: SIZE=many is no number")
    );
    refused.await.unwrap();
}
