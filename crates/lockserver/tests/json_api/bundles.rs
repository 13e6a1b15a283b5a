//! Rule 13 from outside: one ticket for several locks, all or nothing. What it decides is tested in `lock-core`.

use super::harness::{Answer, Server, read};
use super::rights::{anonymous, bearer, key, settings};
use lockserver::access::Right;
use serde_json::{Value, json};

const TICKETS: &str = "/v1/tickets";

async fn ask(server: &Server, body: Value) -> Answer {
    server.post(TICKETS, &body.to_string()).await
}

/// Numbers of holders and of those who wait.
async fn at(server: &Server, lock: &str) -> (Vec<Value>, Vec<Value>) {
    let lock = server.lock(lock).await;
    let numbers = |list: &str| lock[list].as_array().unwrap().iter().map(|ticket| ticket["number"].clone()).collect();
    (numbers("holders"), numbers("queue"))
}

#[tokio::test]
async fn a_bundle_is_one_ticket_in_all_of_its_locks() {
    let server = Server::start().await;
    let made =
        ask(&server, json!({"locks": {"two": 2, "job-1": "all", "one": 1}, "ttl_s": 60, "info": "all three"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (ticket, id) = (made.json(), made.id());
    assert_eq!(made.header("location"), Some(format!("/v1/tickets/{id}").as_str()));
    let part = |permits: Value, slots: Value, ranges: &str| json!({"permits": permits, "slots": slots, "slot_ranges": ranges, "slot_names": []});
    assert_eq!(
        ticket["locks"],
        json!({"job-1": part("all".into(), json!([0]), "0"), "one": part(1.into(), json!([0]), "0"), "two": part(2.into(), json!([0, 1]), "0-1")})
    );
    for name in ["lock", "permits", "slots", "slot_ranges", "slot_names", "locks_unseen"] {
        assert!(ticket.get(name).is_none(), "{name}: {ticket}");
    }
    for lock in ["one", "two", "job-1"] {
        let view = server.lock(lock).await;
        assert_eq!((&view["free"], &view["holding"]), (&json!(0), &json!(1)), "{view}");
        let holder = &view["holders"][0];
        assert_eq!((&holder["number"], &holder["token"]), (&ticket["number"], &ticket["token"]));
        assert_eq!(holder["locks"], ticket["locks"], "each of its locks tells of all of them");
        assert!(holder.get("id").is_none());
        let verified = server.get(&format!("/v1/locks/{lock}/verify?token={}", ticket["token"])).await.ok();
        assert_eq!(verified["number"], ticket["number"]);
    }
    let mine = server.get("/v1/tickets?mine").await.ok();
    assert_eq!(mine["tickets"].as_array().unwrap().len(), 1, "it is one ticket: {mine}");
    let renewed = server.post(&format!("/v1/tickets/{id}/renew"), r#"{"ttl_s": 90}"#).await.ok();
    assert_eq!((&renewed["ttl_s"], &renewed["locks"]), (&json!(90), &ticket["locks"]));
    let released = server.delete(&format!("/v1/tickets/{id}")).await.ok();
    assert_eq!((&released["released"], &released["ticket"]["locks"]), (&json!(true), &ticket["locks"]));
    for lock in ["one", "two"] {
        assert_eq!(server.lock(lock).await["in_use"], 0);
    }
}

#[tokio::test]
async fn a_bundle_of_one_lock_is_a_ticket_of_that_lock() {
    let server = Server::start().await;
    let ticket = ask(&server, json!({"locks": {"two": 2}})).await;
    assert_eq!(ticket.status, 201, "{ticket:?}");
    let ticket = ticket.json();
    assert_eq!((&ticket["lock"], &ticket["permits"], &ticket["slots"]), (&json!("two"), &json!(2), &json!([0, 1])));
    assert_eq!(
        ticket["locks"],
        json!({"two": {"permits": 2, "slots": [0, 1], "slot_ranges": "0-1", "slot_names": []}}),
        "every ticket says it so"
    );
    let of_path = server.post("/v1/locks/one/tickets", "").await.json();
    assert_eq!(of_path["locks"]["one"]["slots"], of_path["slots"]);
}

#[tokio::test]
async fn what_is_no_request_for_several_locks_is_told() {
    let server = Server::start().await;
    let many: serde_json::Map<String, Value> = (0..17).map(|number| (format!("job-{number}"), json!(1))).collect();
    for (body, why) in [
        (json!({}), "name the locks with the permits of each"),
        (json!({"locks": {}}), "a ticket is for 1 to 16"),
        (json!({"locks": many}), "at most 16 locks, and 17 were named"),
        (json!({"locks": {"one": 1}, "permits": 1}), "permits stand beside each lock"),
        (json!({"locks": {"one": 1, "two": 1}, "tags": ["x"]}), "choose in one lock, and 2 are named"),
        (json!({"locks": {"one": 1, "two": 1}, "slots": ["x"]}), "choose in one lock, and 2 are named"),
        (json!({"locks": {"one": 1, "a/b": 1}}), "\"a/b\" is not a valid lock name"),
        (json!({"locks": {"one": 0, "two": 1}}), "a number of permits from 1"),
        (json!({"locks": ["one", "two"]}), "for each name of a lock"),
        (json!({"locks": {"one": 1, "two": 1}, "priority": 101}), "priority"),
    ] {
        let answer = ask(&server, body.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{body}");
        assert!(answer.detail().contains(why), "{body}: {}", answer.detail());
    }
    let twice = server.post(TICKETS, r#"{"locks": {"one": 1, "one": 1}}"#).await;
    assert!(twice.code() == "invalid" && twice.detail().contains("is named twice"), "{}", twice.detail());
    let elsewhere = server.post("/v1/locks/one/tickets", r#"{"locks": {"one": 1}}"#).await;
    assert!(elsewhere.code() == "invalid" && elsewhere.detail().contains("POST /v1/tickets"), "{}", elsewhere.detail());
    for lock in ["one", "two"] {
        assert_eq!(server.lock(lock).await["statistics"]["queries"], 0, "nothing was done");
    }
    // Generated clients of some languages write it for none.
    assert_eq!(server.post("/v1/locks/one/tickets", r#"{"locks": {}}"#).await.json()["lock"], "one");
}

#[tokio::test]
async fn the_lock_that_refuses_is_named() {
    let server = Server::start().await;
    let refused = async |locks: Value| {
        let answer = ask(&server, json!({"locks": locks})).await;
        let (code, problem) = (answer.code(), answer.json());
        let lock = problem["lock"].as_str().unwrap_or_else(|| panic!("no lock: {problem}")).to_owned();
        assert!(answer.detail().starts_with(&format!("lock \"{lock}\": ")), "{}", answer.detail());
        (answer.status, code, lock)
    };
    let is = |status: u16, code: &str, lock: &str| (status, code.to_owned(), lock.to_owned());
    assert_eq!(refused(json!({"one": 1, "nowhere": 1})).await, is(404, "unknown_lock", "nowhere"));
    assert_eq!(refused(json!({"one": 1, "two": 3})).await, is(422, "too_many_permits", "two"));
    let held = server.take("two").await;
    assert_eq!(refused(json!({"one": 1, "two": 2})).await, is(409, "busy", "two"));
    assert_eq!(refused(json!({"one": 1, "two": "all"})).await, is(409, "busy", "two"));
    server.admin("PATCH", "/v1/locks/one", &["Content-Type: application/json"], r#"{"paused": true}"#).await.ok();
    assert_eq!(refused(json!({"job-1": 1, "one": 1})).await, is(409, "busy", "one"));
    let (holders, queue) = at(&server, "two").await;
    assert_eq!((holders.len(), queue.len()), (1, 0), "all or nothing");
    assert_eq!(server.get("/v1/locks/job-1").await.ok()["in_use"], 0);
    server.delete(&format!("/v1/tickets/{held}")).await.ok();
}

#[tokio::test]
async fn a_bundle_waits_in_all_of_its_queues_and_gets_all_at_once() {
    let server = Server::start().await;
    let (one, two) = (server.take("one").await, server.post("/v1/locks/two/tickets", r#"{"permits": 2}"#).await.id());
    let ahead = server.post("/v1/locks/two/tickets", r#"{"queue": true}"#).await.json();
    let made = ask(&server, json!({"locks": {"one": 1, "two": 1}, "queue": true, "priority": 0})).await;
    assert_eq!(made.status, 202, "{made:?}");
    let (number, id) = (made.json()["number"].clone(), made.id());
    assert_eq!((&made.json()["locks"]["one"]["ahead"], &made.json()["locks"]["two"]["ahead"]), (&json!(0), &json!(1)));
    assert_eq!(made.json()["ahead"], 1, "where it is the most");
    assert_eq!(at(&server, "one").await.1, std::slice::from_ref(&number));
    assert_eq!(at(&server, "two").await.1, [ahead["number"].clone(), number.clone()]);
    let counted = |lock: &Value| lock["queued"].as_u64().unwrap() - lock["queued_elsewhere"].as_u64().unwrap_or(0);
    assert_eq!([counted(&server.lock("one").await), counted(&server.lock("two").await)], [1, 1], "two wait in all");
    let waiting = server.open("GET", &format!("/v1/tickets/{id}?wait_s=60"), &[], "").await;
    server.until("one", "it waits in its request", |lock| lock["queue"][0]["expires_in_s"].is_null()).await;
    // One of both is free, and says for what its first waits.
    server.delete(&format!("/v1/tickets/{one}")).await.ok();
    let lock = server.lock("one").await;
    assert_eq!((&lock["free"], &lock["queued"]), (&json!(1), &json!(1)), "{lock}");
    assert!(
        lock["why"].as_str().unwrap().contains("the first in line waits for \u{2068}two\u{2069} as well"),
        "{}",
        lock["why"]
    );
    server.delete(&format!("/v1/tickets/{two}")).await.ok();
    let told = read(waiting).await;
    assert_eq!((told.status, &told.json()["state"]), (200, &json!("held")), "{told:?}");
    assert_eq!(told.json()["locks"]["two"]["slots"], json!([1]), "behind the one that came before it");
    assert!(told.json()["locks"]["two"].get("ahead").is_none(), "only while it is queued");
    server.delete(&format!("/v1/tickets/{id}")).await.ok();
}

#[tokio::test]
async fn a_wait_that_is_over_leaves_nothing_in_any_queue() {
    let server = Server::start().await;
    server.take("one").await;
    let other = server.post("/v1/locks/one/tickets", r#"{"queue": true}"#).await.id();
    let answer = ask(&server, json!({"locks": {"one": 1, "two": 1}, "wait_s": 0.05})).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "timed_out"));
    assert_eq!(answer.json()["lock"], "one", "{}", answer.detail());
    assert!(answer.detail().contains("in the queue of \"one\" 1 stood before it"), "{}", answer.detail());
    server.delete(&format!("/v1/tickets/{other}")).await.ok();
    let answer = ask(&server, json!({"locks": {"one": 1, "two": 1}, "wait_s": 0.05})).await;
    assert_eq!(answer.code(), "timed_out");
    assert!(answer.detail().starts_with("not all of \"one\", \"two\" was free within"), "{}", answer.detail());
    assert_eq!((at(&server, "one").await.1, at(&server, "two").await), (vec![], (vec![], vec![])));
}

#[tokio::test]
async fn a_request_id_is_of_the_set_of_locks() {
    let server = Server::start().await;
    let id = "0123456789abcdef";
    let first = ask(&server, json!({"locks": {"one": 1, "two": 1}, "request_id": id})).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = server.post(TICKETS, &format!(r#"{{"locks": {{"two": 1, "one": 1}}, "request_id": "{id}"}}"#)).await;
    assert_eq!((again.status, again.id()), (201, first.id()), "in any order it is the same ticket");
    let other = ask(&server, json!({"locks": {"one": 1, "two": 2}, "request_id": id})).await;
    assert_eq!((other.status, other.code().as_str()), (422, "request_id_reused"));
    let of_one = server.post("/v1/locks/two/tickets", &json!({"request_id": id}).to_string()).await;
    assert_eq!(of_one.status, 201, "another scope: {of_one:?}");
    for (query, why) in [
        ("", "name the request to end"),
        ("?request_id=0123456789abcdef", "name the locks of the request"),
        ("?request_id=0123456789abcdef&lock=one&lock=one", "names the lock \"one\" twice"),
        ("?request_id=0123456789abcdef&request_id=0123456789abcdef&lock=one", "names \"request_id\" twice"),
        ("?request_id=0123456789abcdef&lock=a%2Fb", "is not a valid lock name"),
        ("?request_id=0123456789abcdef&lock=one&locks=two", "this call knows"),
    ] {
        let refused = server.delete(&format!("{TICKETS}{query}")).await;
        assert_eq!(refused.code(), "invalid", "{query}");
        assert!(refused.detail().contains(why), "{query}: {}", refused.detail());
    }
    let released = server.delete(&format!("{TICKETS}?request_id={id}&lock=two&lock=one")).await.ok();
    assert_eq!((&released["released"], &released["ticket"]["number"]), (&json!(true), &first.json()["number"]));
    let late = ask(&server, json!({"locks": {"one": 1, "two": 1}, "request_id": id})).await;
    assert_eq!((late.status, late.code().as_str()), (410, "gone"));
    assert_eq!(server.lock("two").await["in_use"], 1, "the ticket of the other scope is there");
    // One that never arrived takes nothing later.
    let early = "fedcba9876543210";
    assert_eq!(server.delete(&format!("{TICKETS}?request_id={early}&lock=one&lock=two")).await.ok()["released"], false);
    assert_eq!(ask(&server, json!({"locks": {"two": 1, "one": 1}, "request_id": early})).await.status, 410);
}

#[tokio::test]
async fn the_right_to_use_is_needed_for_each_lock() {
    let keys = vec![
        key("both", &[Right::Use, Right::Observe], &["one", "two"]),
        key("half", &[Right::Use, Right::Observe], &["one"]),
        key("ops", &[Right::Admin, Right::Observe], &["one"]),
    ];
    let server = Server::start_with(settings(keys, anonymous(&[]))).await;
    let by = async |name: &str, method: &str, path: &str, body: &str| {
        server.call(method, path, &[&bearer(name)], body).await
    };
    let body = r#"{"locks": {"one": 1, "two": 1}}"#;
    let refused = by("half", "POST", TICKETS, body).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
    assert_eq!(refused.json()["lock"], "two");
    assert!(refused.detail().contains("does not cover the lock \"two\""), "{}", refused.detail());
    let refused = by("half", "DELETE", "/v1/tickets?request_id=0123456789abcdef&lock=one&lock=two", "").await;
    assert_eq!((refused.status, &refused.json()["lock"]), (403, &json!("two")));

    let made = by("both", "POST", TICKETS, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (number, token) = (made.json()["number"].clone(), made.json()["token"].clone());
    // Who sees one of both learns that there is another one, and not which.
    for path in ["/v1/locks/one", "/v1/locks"] {
        let shown = by("half", "GET", path, "").await;
        assert!(!shown.body.contains("\"two\""), "{path}: {}", shown.body);
        let shown = shown.ok();
        let lock = if path == "/v1/locks" { &shown["locks"][0] } else { &shown };
        let holder = &lock["holders"][0];
        assert_eq!((&holder["number"], &holder["locks_unseen"]), (&number, &json!(1)), "{holder}");
        assert_eq!(holder["locks"]["one"]["permits"], 1);
        assert!(holder.get("lock").is_none(), "it is for several all the same");
    }
    let verified = by("half", "GET", &format!("/v1/locks/one/verify?token={token}"), "").await;
    assert!(verified.status == 200 && !verified.body.contains("\"two\""), "{verified:?}");
    assert!(by("both", "GET", "/v1/locks/one", "").await.body.contains("\"two\""));
    // Nor does an administrator of one of its locks learn which the others are, who may end it.
    let refused = by("ops", "DELETE", "/v1/locks/one", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "would_end_tickets"));
    let refused = [refused, by("ops", "DELETE", &format!("/v1/locks/one/tickets/{number}?state=queued"), "").await];
    let ended = by("ops", "DELETE", &format!("/v1/locks/one/tickets/{number}?reason=maintenance"), "").await;
    for told in refused.iter().chain([&ended]) {
        assert!(told.body.contains("\"one\"") && !told.body.contains("\"two\""), "{told:?}");
    }
    assert_eq!((ended.status, &ended.json()["ended_as"]), (200, &json!("revoked")), "{ended:?}");
    let gone = by("both", "GET", &format!("/v1/tickets/{}", made.id()), "").await;
    assert_eq!((gone.status, &gone.json()["ended_as"]), (410, &json!("revoked")));
}

#[tokio::test]
async fn a_right_that_goes_ends_the_wait_for_all() {
    let two =
        |locks: &[&str]| settings(vec![key("ci", &[Right::Use], locks)], anonymous(&[Right::Use, Right::Observe]));
    let server = Server::start_with(two(&["one", "two"])).await;
    server.take("one").await;
    let body = r#"{"locks": {"one": 1, "two": 1}, "wait_s": 60}"#;
    let waiting = server.open("POST", TICKETS, &[&bearer("ci")], body).await;
    server.until("two", "it waits", |lock| lock["queued"] == 1).await;
    server.reload(two(&["one"]));
    let told = read(waiting).await;
    assert_eq!(told.status, 401, "{told:?}");
    assert_eq!(server.until("two", "it is gone", |lock| lock["queued"] == 0).await["in_use"], 0);
}

#[tokio::test]
async fn the_latest_bundle_only() {
    let server = Server::start().await;
    server.take("one").await;
    let wanted = |locks: Value| json!({"locks": locks, "queue": true, "supersede": "main"});
    let first = ask(&server, wanted(json!({"one": 1, "two": 1}))).await;
    let other = ask(&server, wanted(json!({"one": 1, "job-1": 1}))).await;
    let newer = ask(&server, wanted(json!({"two": 1, "one": 1}))).await;
    assert_eq!((first.status, other.status, newer.status), (202, 202, 202));
    let gone = server.get(&format!("/v1/tickets/{}", first.id())).await;
    assert_eq!((gone.status, &gone.json()["ended_as"]), (410, &json!("superseded")));
    assert_eq!(gone.json()["tickets"][0]["superseded_by"], newer.json()["number"]);
    let (_, queue) = at(&server, "one").await;
    assert_eq!(
        queue,
        [other.json()["number"].clone(), newer.json()["number"].clone()],
        "other locks are another matter"
    );
}
