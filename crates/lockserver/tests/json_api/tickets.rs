//! Tickets in the hands of their makers: asked for, waited for, renewed, released, lost.

use super::harness::{Server, read, redact};
use serde_json::{Value, json};

const ONE: &str = "/v1/locks/one/tickets";

fn held() -> Value {
    json!({
        "id": "<id>", "number": "<number>",
        "locks": {"one": {"permits": 1, "slots": [0], "slot_ranges": "0", "slot_names": []}},
        "lock": "one", "state": "held", "permits": 1, "slots": [0],
        "slot_ranges": "0", "slot_names": [], "token": "<token>", "ahead": 0, "dormant": false, "priority": 0, "info": "backup", "owner": null,
        "from": "127.0.0.1", "created_at": "<created_at>", "granted_at": "<granted_at>", "held_at": "<held_at>",
        "ended_at": null, "expires_at": "<expires_at>", "expires_in_s": "<expires_in_s>", "ttl_s": 120,
        "ended_as": null, "reason": null,
    })
}

#[tokio::test]
async fn held_renewed_released() {
    let server = Server::start().await;
    let answer = server.post(ONE, r#"{"info": "backup", "ttl_s": 120}"#).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(redact(answer.json()), held());
    let path = format!("/v1/tickets/{}", answer.id());
    assert_eq!(answer.header("location"), Some(path.as_str()));

    assert_eq!(redact(server.get(&path).await.ok()), held());
    assert_eq!(redact(server.post(&format!("{path}/renew"), "").await.ok()), held());
    assert_eq!(server.post(&format!("{path}/renew"), r#"{"ttl_s": 0.5}"#).await.code(), "invalid");
    assert_eq!(server.post(&format!("{path}/renew"), r#"{"ttl_s": 1.5}"#).await.ok()["ttl_s"], 1.5);
    // More than the lock's max_ttl is cut to it, and the answer says so.
    assert_eq!(server.post(&format!("{path}/renew"), r#"{"ttl_s": 100000}"#).await.ok()["ttl_s"], 3600);

    let released = server.delete(&path).await.ok();
    assert_eq!(released["released"], true);
    assert_eq!(released["ticket"]["ended_as"], "released");
    assert_eq!(server.delete(&path).await.ok(), json!({"released": false, "ticket": null}));
    let gone = server.post(&format!("{path}/renew"), "").await;
    assert_eq!(gone.code(), "gone");
    assert_eq!(gone.json()["ended_as"], "released");
    // What is read of a ticket that has ended is no success either: `curl -f` goes on only while it lives.
    for gone in [server.get(&path).await, server.get(&format!("{path}?wait_s=5")).await] {
        assert_eq!((gone.status, gone.code().as_str()), (410, "gone"));
        assert_eq!(gone.json()["ended_as"], "released");
        assert_eq!(gone.json()["tickets"][0]["state"], "ended");
        assert_eq!(gone.json()["tickets"][0]["id"], Value::Null);
    }
}

#[tokio::test]
async fn a_ticket_tells_when_it_ends_although_it_is_renewed() {
    let server = Server::start().await;
    let answer = server.post(ONE, r#"{"ttl_s": 120, "max_hold_s": 30}"#).await;
    let left = |ticket: &Value| ticket["expires_in_s"].as_f64().unwrap();
    let ticket = answer.json();
    assert_eq!((left(&ticket) <= 30.0, ticket["ttl_s"].as_f64()), (true, Some(120.0)), "{ticket}");
    let path = format!("/v1/tickets/{}", answer.id());
    let renewed = server.post(&format!("{path}/renew"), "").await.ok();
    assert!(left(&renewed) <= 30.0, "{renewed}");
    // The lease is over first.
    let renewed = server.post(&format!("{path}/renew"), r#"{"ttl_s": 5}"#).await.ok();
    assert!(left(&renewed) <= 5.0, "{renewed}");
    assert!(left(&server.lock("one").await["holders"][0]) <= 5.0);
}

#[tokio::test]
async fn what_is_not_free_leaves_nothing_behind() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let busy = server.post(ONE, "").await;
    assert_eq!((busy.status, busy.code().as_str()), (409, "busy"));
    assert_eq!(busy.json()["retryable"], true);
    let number = server.lock("one").await["holders"][0]["number"].clone();
    let holder = format!("held by #{number} ");
    assert!(busy.detail().starts_with(&format!("no permit is free now: {holder}")), "{busy:?}");
    assert!(busy.detail().ends_with("; ask again later, or say how long to wait: {\"wait_s\": 30}"), "{busy:?}");
    let timed_out = server.post(ONE, r#"{"wait_s": 0.05}"#).await;
    assert_eq!((timed_out.status, timed_out.code().as_str()), (409, "timed_out"));
    assert!(timed_out.detail().contains(&format!("wanted to wait: {holder}")), "{timed_out:?}");
    assert_eq!(server.lock("one").await["queued"], 0);
    assert_eq!(server.post(ONE, r#"{"permits": 2}"#).await.code(), "too_many_permits");
    assert_eq!(server.post("/v1/locks/nope/tickets", "").await.code(), "unknown_lock");
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    assert_eq!(server.lock("one").await["free"], 1);
}

#[tokio::test]
async fn a_place_in_the_queue_is_kept_if_asked_for() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let answer = server.post(ONE, r#"{"queue": true, "info": "b"}"#).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("retry-after"), Some("1"));
    let path = answer.header("location").unwrap().to_owned();
    assert_eq!((&answer.json()["state"], &answer.json()["ahead"]), (&json!("queued"), &json!(0)));
    // Also after a wait on the server.
    let second = server.post(ONE, r#"{"queue": true, "wait_s": 0.05, "info": "c"}"#).await;
    assert_eq!((second.status, &second.json()["ahead"]), (202, &json!(1)));

    let waiting = server.open("GET", &format!("{path}?wait_s=60"), &[], "").await;
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    let ticket = read(waiting).await.ok();
    assert_eq!(ticket["state"], "held");
    // Somebody else's turn is not awaited: the ticket is not queued any more.
    assert_eq!(server.get(&format!("{path}?wait_s=60")).await.ok()["state"], "held");
    let cancelled = server.delete(second.header("location").unwrap()).await.ok();
    assert_eq!(cancelled["ticket"]["ended_as"], "cancelled");
}

#[tokio::test]
async fn a_request_waits_on_the_server() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let waiting = server.open("POST", ONE, &[], r#"{"wait_s": 60}"#).await;
    server.until("one", "it queues", |lock| lock["queued"] == 1).await;
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    assert_eq!(read(waiting).await.status, 201);
}

#[tokio::test]
async fn who_hangs_up_leaves_nothing_behind() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let waiting = server.open("POST", ONE, &[], r#"{"wait_s": 60}"#).await;
    server.until("one", "it queues", |lock| lock["queued"] == 1).await;
    drop(waiting);
    server.until("one", "it is gone", |lock| lock["queued"] == 0).await;
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    assert_eq!(server.lock("one").await["free"], 1);
}

#[tokio::test]
async fn a_request_id_finds_its_ticket_again() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let body = r#"{"wait_s": 60, "request_id": "0123456789abcdef"}"#;
    let waiting = server.open("POST", ONE, &[], body).await;
    let before = server.until("one", "it queues", |lock| lock["queued"] == 1).await;
    drop(waiting);
    server.until("one", "it is dormant in its place", |lock| lock["queue"][0]["dormant"] == true).await;
    let again = server.open("POST", ONE, &[], body).await;
    let after = server.until("one", "it is dormant no longer", |lock| lock["queue"][0]["dormant"] == false).await;
    assert_eq!(before["queue"][0]["number"], after["queue"][0]["number"]);
    assert_eq!(after["queued"], 1);
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    let held = read(again).await;
    assert_eq!(held.status, 201);

    // The answer was lost, say: it is given once more.
    let once_more = server.post(ONE, body).await;
    assert_eq!((once_more.status, once_more.id()), (201, held.id()));
    let other = server.post(ONE, r#"{"permits": "all", "request_id": "0123456789abcdef"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (422, "request_id_reused"));
    server.delete(&format!("{ONE}?request_id=0123456789abcdef")).await.ok();
    let late = server.post(ONE, body).await;
    assert_eq!((late.status, late.code().as_str()), (410, "gone"));
    assert_eq!(late.json()["ended_as"], "released");

    // One that is ended before it arrives takes nothing.
    let never = server.delete(&format!("{ONE}?request_id=fedcba9876543210")).await.ok();
    assert_eq!(never, json!({"released": false, "ticket": null}));
    let late = server.post(ONE, r#"{"request_id": "fedcba9876543210"}"#).await;
    assert_eq!((late.code().as_str(), &late.json()["ended_as"]), ("gone", &json!("cancelled")));
    assert_eq!(server.lock("one").await["free"], 1);
}

#[tokio::test]
async fn the_answer_to_a_request_id_is_the_last_word() {
    let server = Server::start().await;
    let first = server.take("one").await;
    let body = r#"{"wait_s": 0.05, "request_id": "0123456789abcdef"}"#;
    let timed_out = server.post(ONE, body).await;
    assert_eq!((timed_out.code().as_str(), &timed_out.json()["retryable"]), ("timed_out", &json!(false)));
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    assert_eq!(server.post(ONE, body).await.code(), "gone");
}

#[tokio::test]
async fn a_stop_answers_who_waits() {
    let server = Server::start().await;
    let _first = server.take("one").await;
    let plain = server.open("POST", ONE, &[], r#"{"wait_s": 60}"#).await;
    let repeatable = server.open("POST", ONE, &[], r#"{"wait_s": 60, "request_id": "0123456789abcdef"}"#).await;
    let mut queued = server.post(ONE, r#"{"queue": true}"#).await.json();
    let path = format!("/v1/tickets/{}?wait_s=60", queued["id"].take().as_str().unwrap());
    let reading = server.open("GET", &path, &[], "").await;
    server
        .until("one", "all wait", |lock| {
            // Nobody who waits has a lease that runs.
            lock["queued"] == 3 && lock["queue"].as_array().unwrap().iter().all(|one| one["expires_in_s"].is_null())
        })
        .await;
    server.stop();
    let plain = read(plain).await;
    assert_eq!((plain.code().as_str(), plain.header("retry-after")), ("shutting_down", Some("1")));
    assert!(plain.json()["may_have_taken_effect"].is_null());
    let repeatable = read(repeatable).await;
    assert_eq!(repeatable.code(), "shutting_down");
    assert_eq!(repeatable.json()["may_have_taken_effect"], true);
    assert_eq!(read(reading).await.ok()["state"], "queued");
}

#[tokio::test]
async fn ones_own_tickets() {
    let server = Server::start().await;
    server.take("one").await;
    server.take("two").await;
    let tickets = server.get("/v1/tickets?mine").await.ok();
    let locks: Vec<&Value> = tickets["tickets"].as_array().unwrap().iter().map(|one| &one["lock"]).collect();
    assert_eq!(locks, ["one", "two"]);
    assert!(!tickets.to_string().contains("\"id\""));
    assert_eq!(server.get("/v1/tickets").await.code(), "invalid");
    // The administrator is somebody else.
    assert_eq!(server.admin("GET", "/v1/tickets?mine", &[], "").await.ok(), json!({"tickets": []}));
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_passed_over() {
    let server = Server::start().await;
    let answer = server.post(ONE, "\u{feff}{\"info\": \"from an editor\"}").await;
    assert_eq!((answer.status, answer.json()["info"].as_str()), (201, Some("from an editor")));
    server.delete(&format!("/v1/tickets/{}", answer.id())).await.ok();
    let info = "\u{feff}{\"ID\": \"one\", \"Operation\": \"apply\"}";
    assert_eq!(server.call("LOCK", "/v1/terraform/one", &[], info).await.status, 200);
    assert_eq!(server.call("UNLOCK", "/v1/terraform/one", &[], info).await.status, 200);
    let wanted = "\u{feff}{\"client_params\": {\"id\": \"node\", \"group\": \"one\"}}";
    let reboot = server.call("POST", "/v1/pre-reboot", &["fleet-lock-protocol: true"], wanted).await;
    assert!(!reboot.body.contains("bad_request"), "{reboot:?}");
}
