//! What rules 13 to 18 refuse, and in which words.

use super::harness::{Answer, Server};
use serde_json::{Value, json};

const JSON: &str = "Content-Type: application/json";

async fn admin(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.admin(method, &format!("/v1/locks/{path}"), &[JSON], &body).await
}

fn says(answer: &Answer, code: &str, words: &str, what: &str) {
    assert_eq!(answer.code(), code, "{what}: {answer:?}");
    assert!(answer.detail().contains(words), "{what}: {}", answer.detail());
}

#[tokio::test]
async fn rule_15_what_cannot_be_withheld() {
    let server = Server::start().await;
    admin(&server, "PATCH", "two", &json!({"slots": ["a", "b"]})).await.ok();
    let held = server.take("two").await;
    assert_eq!(
        admin(&server, "POST", "two/withheld", &json!({"slots": ["a"]})).await.ok()["withheld"],
        0,
        "it is held"
    );
    for (body, words) in [
        (json!({"slots": ["a"]}), "withheld by an administrator already"),
        (json!({"slots": ["b", "b"]}), "b is named twice"),
        (json!({"slots": ["c"]}), "no slot c; it has a, b"),
        (json!({"slots": []}), "at least one permit"),
        (json!({"permits": 0}), "at least one permit"),
        (json!({"permits": 2}), "1 are left"),
        (json!({"permits": 1, "slots": ["b"]}), "permits or slots"),
        (json!({}), "permits or slots"),
        (json!({"permits": 1, "until_s": 0}), "until_s must be more than 0"),
        (json!({"permits": 1, "until_s": 9_999_999}), "at most 2592000 s"),
    ] {
        says(&admin(&server, "POST", "two/withheld", &body).await, "invalid", words, &body.to_string());
    }
    says(
        &admin(&server, "POST", "none/withheld", &json!({"permits": 1})).await,
        "unknown_lock",
        "does not exist",
        "none",
    );
    let lock = server.lock("two").await;
    assert_eq!(
        (&lock["withholdings"].as_array().unwrap().len(), &lock["free"]),
        (&1, &json!(1)),
        "nothing was changed: {lock}"
    );
    server.delete(&format!("/v1/tickets/{held}")).await.ok();
    let lock = server.lock("two").await;
    assert_eq!(lock["withholdings"][0]["slot_names"], json!(["a"]), "when it is back: {lock}");
}

#[tokio::test]
async fn rule_15_what_is_not_withheld_cannot_be_restored() {
    let server = Server::start().await;
    admin(&server, "PATCH", "two", &json!({"slots": ["a", "b"]})).await.ok();
    admin(&server, "POST", "two/withheld", &json!({"slots": ["a"]})).await.ok();
    for (query, code, words) in [
        ("two/withheld?slots=b", "invalid", "the slot b is not withheld"),
        ("two/withheld?slots=a,b", "invalid", "the slot b is not withheld"),
        ("two/withheld?slots=c", "invalid", "the slot c is not withheld"),
        ("two/withheld?slots=", "invalid", "is not a valid slot name"),
        ("two/withheld?number=5", "unknown_ticket", "no withholding of this number"),
        ("two/withheld?number=x", "invalid", "a whole number"),
        ("two/withheld?number=5&slots=a", "invalid", "exclude each other"),
        ("one/withheld?slots=a", "invalid", "the slot a is not withheld"),
        ("none/withheld", "unknown_lock", "does not exist"),
        ("job-1/withheld", "unknown_lock", "does not exist"),
    ] {
        says(&admin(&server, "DELETE", query, &Value::Null).await, code, words, query);
    }
    assert_eq!(server.lock("two").await["withheld"], 1, "half of a request restores nothing");
    let all = admin(&server, "DELETE", "two/withheld?slots=a,a", &Value::Null).await.ok();
    assert_eq!(all["withheld"], 0);
    // All of nothing is done already.
    assert_eq!(admin(&server, "DELETE", "two/withheld", &Value::Null).await.ok()["withheld"], 0);
}

#[tokio::test]
async fn rule_16_a_cap_is_named_where_permits_are_free() {
    let server = Server::start().await;
    admin(&server, "PATCH", "two", &json!({"size": 4, "max_per_owner": 2})).await.ok();
    let ask = async |body: Value| server.post("/v1/locks/two/tickets", &body.to_string()).await;
    let holder = ask(json!({"permits": 2})).await.id();
    let cap = "an owner may have 2 at a time";
    says(&ask(json!({})).await, "busy", "not enough is free now: held by", "at the cap");
    says(&ask(json!({})).await, "busy", &format!("2 of 4 free, {cap}"), "at the cap");
    let waiter = ask(json!({"permits": 2, "queue": true})).await.id();
    // A smaller cap ends who asks for more, and leaves who holds.
    let refused = admin(&server, "PATCH", "two", &json!({"max_per_owner": 1})).await;
    says(&refused, "would_end_tickets", "1 tickets would end", "smaller");
    admin(&server, "PATCH", "two?force=true&expect_tickets=1", &json!({"max_per_owner": 1})).await.ok();
    assert_eq!(server.get(&format!("/v1/tickets/{waiter}")).await.json()["ended_as"], "oversized");
    assert_eq!(server.get(&format!("/v1/tickets/{holder}")).await.ok()["state"], "held");
    says(&ask(json!({})).await, "busy", "an owner may have 1 at a time", "above the cap");
    admin(&server, "PATCH", "two", &json!({"max_per_owner": 3})).await.ok();
    assert_eq!(ask(json!({})).await.status, 201, "a larger one lets the third in");
    // Where nothing is free the cap is not what is in the way.
    admin(&server, "PATCH", "two", &json!({"size": 3})).await.ok();
    let full = ask(json!({})).await;
    says(&full, "busy", "no permit is free now", "full");
    assert!(!full.detail().contains("an owner"), "{}", full.detail());
}

#[tokio::test]
async fn rule_17_a_rest_is_bounded() {
    let server = Server::start().await;
    let id = server.take("one").await;
    for (query, words) in [("keep_s=-1", "from 0"), ("keep_s=x", "from 0")] {
        says(&server.delete(&format!("/v1/tickets/{id}?{query}")).await, "invalid", words, query);
    }
    assert_eq!(server.lock("one").await["in_use"], 1, "nothing was given back");
    // More than a lease of the lock may last is cut to that, however much it is: the permit has to come back.
    server.delete(&format!("/v1/tickets/{id}?keep_s=99999999")).await.ok();
    let left = server.lock("one").await["withholdings"][0]["ends_in_s"].as_f64().unwrap();
    assert!((3500.0..=3600.0).contains(&left), "{left}");
}

#[tokio::test]
async fn rule_18_a_bundle_is_superseded_by_one_of_the_same_locks_only() {
    let server = Server::start().await;
    let ask = async |body: Value| server.post("/v1/tickets", &body.to_string()).await;
    assert_eq!(ask(json!({"locks": {"one": 1, "two": 2}})).await.status, 201);
    let waits = ask(json!({"locks": {"one": 1, "two": 1}, "queue": true, "supersede": "main"})).await.id();
    let state = async |id: &str| server.get(&format!("/v1/tickets/{id}")).await.json();
    // One that waits for a part of it, and one that does not wait, leave it alone.
    let body = json!({"queue": true, "supersede": "main"}).to_string();
    assert_eq!(server.post("/v1/locks/one/tickets", &body).await.status, 202);
    assert_eq!(ask(json!({"locks": {"one": 1, "two": 1}, "supersede": "main"})).await.code(), "busy");
    assert_eq!(state(&waits).await["state"], "queued");
    let newer = ask(json!({"locks": {"two": 1, "one": 1}, "queue": true, "supersede": "main"})).await.json();
    let older = state(&waits).await;
    assert_eq!((&older["ended_as"], &older["tickets"][0]["superseded_by"]), (&json!("superseded"), &newer["number"]));
    says(&ask(json!({"locks": {"one": 1, "two": 1}, "supersede": ""})).await, "invalid", "1 to 200 bytes", "no word");
}
