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
    // A client of the socket is another owner, and stands behind.
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

/// What is withheld, as `(cause, slots, awaited)`.
fn withheld(lock: &Value) -> Vec<(String, Value, Value)> {
    let all = lock["withholdings"].as_array().unwrap().iter();
    all.map(|one| (one["cause"].as_str().unwrap().to_owned(), one["slot_names"].clone(), one["awaited"].clone()))
        .collect()
}

#[tokio::test]
async fn rule_15_an_administrator_withholds_and_restores() {
    let server = Server::start().await;
    let path = "/v1/locks/two/withheld";
    let refused = server.post(path, r#"{"permits": 1}"#).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
    for wrong in
        ["{}", r#"{"permits": 1, "slots": ["a"]}"#, r#"{"permits": 0}"#, r#"{"permits": 3}"#, r#"{"slots": []}"#]
    {
        assert_eq!(server.admin("POST", path, &[JSON], wrong).await.code(), "invalid", "{wrong}");
    }
    let unknown = server.admin("POST", path, &[JSON], r#"{"slots": ["a"]}"#).await;
    assert!(unknown.detail().contains("its slots have no names"), "{}", unknown.detail());
    let holder = server.take("two").await;
    let wanted = r#"{"permits": 2, "reason": "inventory", "until_s": 3600}"#;
    let lock = server.admin("POST", path, &[JSON], wanted).await.ok();
    assert_eq!(
        (&lock["size"], &lock["free"], &lock["in_use"], &lock["withheld"]),
        (&json!(2), &json!(0), &json!(1), &json!(1))
    );
    let one = &lock["withholdings"][0];
    assert_eq!((&one["cause"], &one["reason"], &one["awaited"]), (&json!("admin"), &json!("inventory"), &json!(1)));
    assert!(one["ended_as"].is_null() && one["ends_in_s"].as_f64().unwrap() > 3500.0, "{one}");
    server.delete(&format!("/v1/tickets/{holder}")).await.ok();
    let lock = server.lock("two").await;
    assert_eq!((&lock["withheld"], &lock["withholdings"][0]["awaited"]), (&json!(2), &json!(0)), "it came back");
    let number = lock["withholdings"][0]["number"].as_u64().unwrap();
    assert_eq!(server.admin("DELETE", &format!("{path}?number={number}&slots=a"), &[], "").await.code(), "invalid");
    assert_eq!(server.admin("DELETE", &format!("{path}?number={number}"), &[], "").await.ok()["free"], 2);
}

#[tokio::test]
async fn rule_15_slots_are_withheld_by_their_names() {
    let server = Server::start().await;
    make(&server, "lab", &json!({"slots": ["x", "y", "z"]})).await;
    let path = "/v1/locks/lab/withheld";
    let unknown = server.admin("POST", path, &[JSON], r#"{"slots": ["w"]}"#).await;
    assert!(unknown.code() == "invalid" && unknown.detail().contains("it has x, y, z"), "{}", unknown.detail());
    let holder = server.take("lab").await;
    let lock = server.admin("POST", path, &[JSON], r#"{"slots": ["x", "y"], "reason": "no ping"}"#).await.ok();
    assert_eq!(withheld(&lock), [("admin".to_owned(), json!(["y"]), json!(0))]);
    assert_eq!(lock["withholdings"][0]["awaited_names"], json!(["x"]));
    assert!(lock["withholdings"][0]["ends_in_s"].is_null(), "until it is restored: {lock}");
    server.delete(&format!("/v1/tickets/{holder}")).await.ok();
    assert_eq!(server.post("/v1/locks/lab/tickets", "").await.json()["slot_names"], json!(["z"]));
    let lock = server.admin("DELETE", &format!("{path}?slots=x"), &[], "").await.ok();
    assert_eq!((withheld(&lock), &lock["free"]), (vec![("admin".to_owned(), json!(["y"]), json!(0))], &json!(1)));
    assert_eq!(
        server.admin("DELETE", &format!("{path}?slots=x"), &[], "").await.code(),
        "invalid",
        "it is not withheld"
    );
}

#[tokio::test]
async fn rule_15_a_holder_gives_back_what_is_broken() {
    let server = Server::start().await;
    let id = server.take("one").await;
    server.delete(&format!("/v1/tickets/{id}?withhold=no%20ping")).await.ok();
    let lock = server.lock("one").await;
    let one = &lock["withholdings"][0];
    assert_eq!((&one["cause"], &one["reason"], &one["ends_in_s"]), (&json!("broken"), &json!("no ping"), &Value::Null));
    assert_eq!(server.post("/v1/locks/one/tickets", "").await.code(), "busy");
    assert_eq!(server.admin("DELETE", "/v1/locks/one/withheld", &[], "").await.ok()["free"], 1);
}

#[tokio::test]
async fn rule_15_what_others_use_is_withheld_while_the_report_counts() {
    let server = Server::start().await;
    make(&server, "licence", &json!({"size": 10})).await;
    let path = "/v1/locks/licence/outside";
    let _ids = [server.take("licence").await, server.take("licence").await];
    assert_eq!(server.call("PUT", path, &[JSON], r#"{"in_use": 5, "until_s": 60}"#).await.code(), "not_allowed");
    for wrong in ["{}", r#"{"in_use": 5}"#, r#"{"in_use": -1, "until_s": 60}"#, r#"{"in_use": 5, "until_s": 0}"#] {
        assert_eq!(server.admin("PUT", path, &[JSON], wrong).await.code(), "invalid", "{wrong}");
    }
    let lock = server.admin("PUT", path, &[JSON], r#"{"in_use": 5, "until_s": 60}"#).await.ok();
    assert_eq!((&lock["withheld"], &lock["free"], &lock["outside"]["in_use"]), (&json!(3), &json!(5), &json!(5)));
    assert_eq!(lock["withholdings"][0]["cause"], "outside");
    assert!(
        lock["outside"]["ends_in_s"].as_f64().unwrap() > 50.0 && lock["outside"]["reported_at"].is_string(),
        "{lock}"
    );
    let lock = server.admin("PUT", path, &[JSON], r#"{"in_use": 2, "until_s": 1}"#).await.ok();
    assert_eq!((&lock["withheld"], &lock["free"]), (&json!(0), &json!(8)));
    let lock = server.admin("PUT", path, &[JSON], r#"{"in_use": 12, "until_s": 1}"#).await.ok();
    assert_eq!((&lock["withheld"], &lock["free"]), (&json!(8), &json!(0)), "no more than there are");
    // Nobody reports any more: better too few are withheld than all for ever, and it is said.
    let lock = server.until("licence", "the report is stale", |lock| lock["withheld"] == 0).await;
    assert_eq!((&lock["outside"]["in_use"], &lock["outside"]["ends_in_s"]), (&json!(12), &Value::Null));
    let events = server.get("/v1/locks/licence/history").await.ok()["events"].clone();
    let kinds: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"permits_withheld") && kinds.last() == Some(&"report_stale"), "{kinds:?}");
    assert!(server.admin("DELETE", path, &[], "").await.ok()["outside"].is_null());
}

#[tokio::test]
async fn rule_14_slots_by_name_and_by_tag() {
    let server = Server::start().await;
    let settings = json!({"slots": ["a", "b", "c"], "tags": {"a": ["fast"], "b": ["fast", "big"]}, "pick": "lru"});
    let made = make(&server, "gpu", &settings).await;
    for name in ["slots", "tags", "pick"] {
        assert_eq!(made["settings"][name], settings[name]);
    }
    let tickets = "/v1/locks/gpu/tickets";
    let ask = async |body: Value| server.post(tickets, &body.to_string()).await;
    for (wrong, code, words) in [
        (json!({"slots": ["a"], "tags": ["fast"]}), "invalid", "exclude each other"),
        (json!({"slots": ["d"]}), "invalid", "it has a, b, c"),
        (json!({"tags": ["slow"]}), "invalid", "there are big, fast"),
        (json!({"tags": ["a b"]}), "invalid", "is not a valid tag"),
        (json!({"tags": ["fast"], "permits": 3}), "too_many_permits", "the lock has 2"),
        (json!({"slots": ["a", "b"], "permits": 1}), "invalid", "2 slots named"),
        (json!({"slots": [], "queue": true}), "invalid", "names 1 to"),
        (json!({"tags": ["fast"], "permits": "all"}), "invalid", "cannot choose tags"),
    ] {
        let refused = ask(wrong.clone()).await;
        assert_eq!(refused.code(), code, "{wrong}");
        assert!(refused.detail().contains(words), "{wrong}: {}", refused.detail());
    }
    let two = ask(json!({"slots": ["c", "b"]})).await.json();
    assert_eq!((&two["permits"], &two["slot_names"]), (&json!(2), &json!(["b", "c"])));
    let waits = ask(json!({"tags": ["big"], "queue": true})).await.json();
    assert_eq!((&waits["state"], &waits["selection"]), (&json!("queued"), &json!({"tags": ["big"]})));
    // What the first in line cannot use goes to those behind it.
    let one = ask(json!({})).await.json();
    assert_eq!((&one["slot_names"], &one["selection"]), (&json!(["a"]), &Value::Null));
    let lock = server.lock("gpu").await;
    assert_eq!(lock["queue"][0]["selection"], json!({"tags": ["big"]}));
    let refused = server.admin("PATCH", "/v1/locks/gpu", &[JSON], r#"{"tags": {"b": ["fast"]}}"#).await;
    assert_eq!(refused.code(), "would_end_tickets", "the one that waits for it");
    for wrong in [r#"{"tags": {"a": []}}"#, r#"{"tags": {"a": ["x", "x"]}}"#, r#"{"tags": {"a,": ["x"]}}"#] {
        assert_eq!(server.admin("PATCH", "/v1/locks/gpu", &[JSON], wrong).await.code(), "invalid", "{wrong}");
    }
    let forced = "/v1/locks/gpu?force=true&expect_tickets=1";
    let changed = server.admin("PATCH", forced, &[JSON], r#"{"tags": null, "pick": null}"#).await.ok();
    assert_eq!((&changed["settings"]["tags"], &changed["settings"]["pick"]), (&Value::Null, &json!("first")));
    assert_eq!(
        server.get(&format!("/v1/tickets/{}", waits["id"].as_str().unwrap())).await.json()["ended_as"],
        "oversized"
    );
}
