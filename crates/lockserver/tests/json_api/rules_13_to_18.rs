//! What rules 13 to 18 look like from outside. What they decide is tested in `lock-core`.

use super::harness::{Server, read};
use serde_json::{Value, json};

async fn make(server: &Server, lock: &str, settings: &Value) -> Value {
    let answer = server.admin("PUT", &format!("/v1/locks/{lock}"), &[JSON], &settings.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn rule_16_a_cap_passes_over_its_owner_only() {
    let server = Server::start().await;
    let made = make(&server, "capped", &json!({"size": 2, "max_per_owner": 1})).await;
    assert_eq!(made["settings"]["max_per_owner"], 1);
    let tickets = "/v1/locks/capped/tickets";
    let too_many = server.post(tickets, r#"{"permits": 2}"#).await;
    assert_eq!((too_many.status, too_many.code().as_str()), (422, "too_many_permits"));
    assert!(too_many.detail().contains("one owner may have 1"), "{}", too_many.detail());
    assert_eq!(server.post(tickets, "").await.status, 201);
    assert_eq!(server.post(tickets, r#"{"queue": true}"#).await.status, 202, "one is free, and not for this owner");
    assert_eq!(server.post(tickets, "").await.code(), "busy");
    // Whoever comes over the socket is somebody else, and behind.
    assert_eq!(server.admin("POST", tickets, &[JSON], "{}").await.status, 201);
    let changed =
        server.admin("PATCH", "/v1/locks/capped", &[JSON], r#"{"max_per_owner": null, "size": 3}"#).await.ok();
    assert_eq!((&changed["settings"]["max_per_owner"], &changed["in_use"]), (&Value::Null, &json!(3)));
    let refused = server.admin("PATCH", "/v1/locks/capped", &[JSON], r#"{"max_per_owner": 0}"#).await;
    assert_eq!(refused.code(), "invalid");
}

#[tokio::test]
async fn rule_17_permits_rest_until_they_may_be_given_again() {
    let server = Server::start().await;
    let made = make(&server, "resting", &json!({"size": 1, "min_hold_time_s": 3600})).await;
    assert_eq!(made["settings"]["min_hold_time_s"], 3600);
    let id = server.take("resting").await;
    let number = server.lock("resting").await["holders"][0]["number"].clone();
    server.delete(&format!("/v1/tickets/{id}")).await.ok();
    let lock = server.lock("resting").await;
    let rest = &lock["withholdings"][0];
    assert_eq!((&lock["withheld"], &rest["cause"]), (&json!(1), &json!("cooldown")), "{lock}");
    assert_eq!((&rest["number"], &rest["ended_as"]), (&number, &json!("released")));
    assert!(rest["ends_in_s"].as_f64().unwrap() > 3500.0, "{rest}");
    assert_eq!(server.post("/v1/locks/resting/tickets", "").await.code(), "busy");
    server.admin("DELETE", "/v1/locks/resting/withheld", &[], "").await.ok();
    let changed = server.admin("PATCH", "/v1/locks/resting", &[JSON], r#"{"min_hold_time_s": null}"#).await.ok();
    assert_eq!(changed["settings"]["min_hold_time_s"], 0);
    let id = server.take("resting").await;
    server.delete(&format!("/v1/tickets/{id}")).await.ok();
    assert_eq!(server.lock("resting").await["free"], 1);
}

#[tokio::test]
async fn rule_17_a_release_may_ask_for_a_rest() {
    let server = Server::start().await;
    let id = server.take("two").await;
    for wrong in ["-1", "x", "", "1e99"] {
        assert_eq!(server.delete(&format!("/v1/tickets/{id}?keep_s={wrong}")).await.code(), "invalid", "{wrong}");
    }
    assert_eq!(server.lock("two").await["holding"], 1, "what is refused releases nothing");
    let ends_in = |lock: &Value, at: usize| lock["withholdings"][at]["ends_in_s"].as_f64().unwrap();
    server.delete(&format!("/v1/tickets/{id}?keep_s=59.5")).await.ok();
    let lock = server.lock("two").await;
    assert!(ends_in(&lock, 0) > 50.0 && ends_in(&lock, 0) <= 59.5, "{lock}");
    // More than the lock's longest lease is cut to it. It can be released by its request, too.
    let request = "0123456789abcdef";
    server.post("/v1/locks/two/tickets", &json!({"request_id": request}).to_string()).await;
    server.delete(&format!("/v1/locks/two/tickets?request_id={request}&keep_s=100000")).await.ok();
    let lock = server.lock("two").await;
    assert!(ends_in(&lock, 1) > 3500.0 && ends_in(&lock, 1) <= 3600.0, "{lock}");
}

#[tokio::test]
async fn rule_18_who_is_superseded_hears_by_whom() {
    let server = Server::start().await;
    let holder = server.take("one").await;
    let tickets = "/v1/locks/one/tickets";
    for wrong in ["", &"x".repeat(201), "a\nb"] {
        let body = json!({"queue": true, "supersede": wrong}).to_string();
        assert_eq!(server.post(tickets, &body).await.code(), "invalid", "{wrong:?}");
    }
    let body = r#"{"queue": true, "supersede": "main", "info": "commit 1"}"#;
    let first = server.post(tickets, body).await;
    assert_eq!((first.status, &first.json()["supersede"]), (202, &json!("main")));
    let waiting = server.open("GET", &format!("/v1/tickets/{}?wait_s=60", first.id()), &[], "").await;
    let other = server.post(tickets, r#"{"queue": true, "supersede": "other"}"#).await;
    server.until("one", "it waits in its request", |lock| lock["queue"][0]["expires_in_s"].is_null()).await;
    let newer = server.post(tickets, body).await.json();
    let told = read(waiting).await;
    assert_eq!((told.status, told.code().as_str()), (410, "gone"));
    let (problem, number) = (told.json(), newer["number"].as_u64().unwrap());
    assert_eq!(problem["ended_as"], "superseded");
    assert_eq!(problem["tickets"][0]["superseded_by"], number);
    assert!(told.detail().ends_with(&format!("ticket {number} supersedes it")), "{}", told.detail());
    let lock = server.lock("one").await;
    let numbers: Vec<&Value> = lock["queue"].as_array().unwrap().iter().map(|ticket| &ticket["number"]).collect();
    assert_eq!(numbers, [&other.json()["number"], &newer["number"]]);
    assert_eq!((&lock["queue"][1]["supersede"], &lock["statistics"]["superseded"]), (&json!("main"), &json!(1)));
    assert_eq!(lock["holding"], 1, "holders are never touched");
    server.delete(&format!("/v1/tickets/{holder}")).await.ok();
}
