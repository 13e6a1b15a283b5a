//! What a client learns of others, and can do with tickets in locks that it may not use: the same by every protocol.

use super::harness::{Answer, Server};
use super::rights::{ROUTES, anonymous, ask, bearer, key, settings};
use lockserver::access::Right;
use lockserver::http::AuthSettings;
use serde_json::{Value, json};

const FLEETLOCK: &str = "fleet-lock-protocol: true";

async fn call(server: &Server, name: &str, method: &str, path: &str, body: &str) -> Answer {
    server.call(method, path, &[&bearer(name), FLEETLOCK], body).await
}

fn lock_info(id: &str, who: &str) -> Value {
    json!({"ID": id, "Operation": "", "Info": "", "Who": who, "Version": "", "Created": "2026-11-01T00:00:00Z", "Path": ""})
}

#[tokio::test]
async fn who_may_only_use_a_lock_reads_nothing_of_others_by_any_route() {
    let keys = vec![
        key("team-nemo", &[Right::Use], &["*"]),
        key("user", &[Right::Use], &["*"]),
        key("observer", &[Right::Use, Right::Observe], &["*"]),
    ];
    let proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let server = Server::start_with(AuthSettings { trusted_proxies: proxies, ..settings(keys, anonymous(&[])) }).await;
    // Its address is its own.
    let by = [&bearer("team-nemo"), "X-Forwarded-For: 203.0.113.7"];
    let held = server.call("POST", "/v1/locks/one/tickets", &by, "{\"info\": \"words-nemo\"}").await.json();
    assert_eq!(held["from"], "203.0.113.7");
    let whole = lock_info("id-nemo", "words-nemo").to_string();
    assert_eq!(server.call("LOCK", "/v1/terraform/job-1", &by, &whole).await.status, 200);
    let verify = format!("/v1/locks/one/verify?token={}", held["token"]);
    let number = format!("/v1/locks/one/tickets/{}", held["number"]);
    let mine = lock_info("mine", "me").to_string();
    let more = [
        ("GET", verify.as_str(), ""),
        ("DELETE", number.as_str(), ""),
        ("LOCK", "/v1/terraform/job-1", mine.as_str()),
        ("UNLOCK", "/v1/terraform/job-1", mine.as_str()),
        ("UNLOCK", "/v1/terraform/job-1", ""),
        ("LOCK", "/v1/terraform/one", mine.as_str()),
        ("POST", "/v1/locks/one/tickets", "{\"wait_s\": 0.01}"),
    ];
    for (method, path, body) in ROUTES.iter().map(|row| (row.0, row.2, row.3)).chain(more) {
        let (status, text) = ask(&server, method, path, body, Some("user")).await;
        assert!(!text.contains("nemo") && !text.contains("203.0.113"), "{method} {path}: {status} {text}");
    }
    let verified = call(&server, "user", "GET", &verify, "").await.ok();
    assert_eq!(
        (&verified["state"], &verified["token"], &verified["owner"]),
        (&json!("held"), &held["token"], &Value::Null)
    );
    let refused = call(&server, "user", "LOCK", "/v1/terraform/job-1", &mine).await;
    assert_eq!(refused.status, 423);
    assert!(
        refused.json()["ID"].as_str().unwrap().starts_with("ticket-"),
        "an ID, so that the client waits: {refused:?}"
    );
    assert!(refused.header("lockserver-advice").unwrap().contains("lockctl revoke 'job-1' "), "{refused:?}");
    // A key that may observe, and the key itself, see all of it.
    for name in ["observer", "team-nemo"] {
        let verified = call(&server, name, "GET", &verify, "").await.ok();
        assert_eq!((&verified["info"], &verified["from"]), (&json!("words-nemo"), &held["from"]));
        let refused = call(&server, name, "LOCK", "/v1/terraform/job-1", &mine).await;
        assert_eq!((refused.status, refused.body.as_str()), (423, whole.as_str()));
    }
}

#[tokio::test]
async fn a_key_whose_locks_were_narrowed_only_releases_its_tickets_of_others() {
    let with = |locks: &[&str]| settings(vec![key("ci", &[Right::Use], locks)], anonymous(&[Right::Observe]));
    let server = Server::start_with(with(&["*"])).await;
    let held = call(&server, "ci", "POST", "/v1/locks/one/tickets", "").await.id();
    let queued = call(&server, "ci", "POST", "/v1/locks/one/tickets", "{\"queue\": true}").await.id();
    let waiting = server.open("GET", &format!("/v1/tickets/{queued}?wait_s=30"), &[&bearer("ci")], "").await;
    server
        .until("one", "a queued ticket that is waited for", |lock| {
            lock["queue"][0]["expires_in_s"].is_null() && lock["queued"] == 1
        })
        .await;
    server.reload(with(&["two"]));
    let told = super::harness::read(waiting).await;
    assert_eq!((told.status, told.code().as_str()), (403, "not_allowed"));
    let refused_at_all = async || {
        for id in [&held, &queued] {
            for (method, path) in [
                ("GET", format!("/v1/tickets/{id}")),
                ("GET", format!("/v1/tickets/{id}?wait_s=1")),
                ("POST", format!("/v1/tickets/{id}/renew")),
            ] {
                let refused = call(&server, "ci", method, &path, "").await;
                assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"), "{method} {path}");
            }
        }
    };
    refused_at_all().await;
    // What it has it may give back, as often as it asks; and the other one is not claimed by any of this.
    for _ in 0..2 {
        assert_eq!(call(&server, "ci", "DELETE", &format!("/v1/tickets/{held}"), "").await.status, 200);
    }
    refused_at_all().await;
    assert_ne!(server.lock("one").await["holders"][0]["state"], "held");
    assert_eq!(call(&server, "ci", "DELETE", &format!("/v1/tickets/{queued}"), "").await.status, 200);
    // A request that waits goes on where the change does not concern it.
    server.reload(with(&["one"]));
    let held = call(&server, "ci", "POST", "/v1/locks/one/tickets", "").await.id();
    let queued = call(&server, "ci", "POST", "/v1/locks/one/tickets", "{\"queue\": true}").await.id();
    let waiting = server.open("GET", &format!("/v1/tickets/{queued}?wait_s=30"), &[&bearer("ci")], "").await;
    server
        .until("one", "a queued ticket that is waited for", |lock| {
            lock["queue"][0]["expires_in_s"].is_null() && lock["queued"] == 1
        })
        .await;
    server.reload(with(&["one", "two"]));
    assert_eq!(call(&server, "ci", "DELETE", &format!("/v1/tickets/{held}"), "").await.status, 200);
    assert_eq!(super::harness::read(waiting).await.ok()["state"], "held");
}

#[tokio::test]
async fn a_waiter_whose_key_was_narrowed_keeps_nobody_from_being_served() {
    let with = |locks: &[&str]| {
        let keys = vec![key("narrowed", &[Right::Use], locks), key("ci", &[Right::Use], &["*"])];
        settings(keys, anonymous(&[Right::Observe]))
    };
    let query = |id: &str| {
        format!(
            "<methodCall><methodName>get_lock</methodName><params><param><value>one</value></param><param><value>{id}</value>\
             </param></params></methodCall>"
        )
    };
    for how in ["acquire", "acquire, and keep the place", "read", "get_lock"] {
        let server = Server::start_with(with(&["*"])).await;
        let held = call(&server, "ci", "POST", "/v1/locks/one/tickets", "").await.id();
        let (tickets, by) = ("/v1/locks/one/tickets", bearer("narrowed"));
        let waiting = match how {
            "acquire" => server.open("POST", tickets, &[&by], r#"{"wait_s": 60}"#).await,
            "acquire, and keep the place" => {
                server.open("POST", tickets, &[&by], r#"{"wait_s": 60, "queue": true}"#).await
            }
            _ => {
                let id = call(&server, "narrowed", "POST", tickets, r#"{"queue": true}"#).await.id();
                match how {
                    "read" => server.open("GET", &format!("/v1/tickets/{id}?wait_s=60"), &[&by], "").await,
                    _ => server.open("POST", "/RPC2", &[&by, "Content-Type: text/xml"], &query(&id)).await,
                }
            }
        };
        server
            .until("one", "it is waited for", |lock| lock["queued"] == 1 && lock["queue"][0]["expires_in_s"].is_null())
            .await;
        server.reload(with(&["two"]));
        super::harness::read(waiting).await;
        let next = server.open("POST", tickets, &[&bearer("ci")], r#"{"wait_s": 60}"#).await;
        server
            .until("one", "the next one waits", |lock| {
                lock["queue"].as_array().unwrap().iter().any(|one| one["owner"] == "ci")
            })
            .await;
        assert_eq!(call(&server, "ci", "DELETE", &format!("/v1/tickets/{held}"), "").await.status, 200);
        assert_eq!(super::harness::read(next).await.status, 201, "{how}");
    }
}

#[tokio::test]
async fn a_ticket_without_a_key_is_used_by_keys_of_its_lock_only() {
    let keys = vec![key("elsewhere", &Right::ALL, &["two"]), key("here", &[Right::Use], &["one"])];
    let server = Server::start_with(settings(keys, anonymous(&[Right::Use, Right::Observe]))).await;
    let id = server.take("one").await;
    for (method, path) in [
        ("GET", format!("/v1/tickets/{id}")),
        ("POST", format!("/v1/tickets/{id}/renew")),
        ("DELETE", format!("/v1/tickets/{id}")),
    ] {
        assert_eq!(call(&server, "elsewhere", method, &path, "").await.status, 404, "{method} {path}");
    }
    assert_eq!(server.lock("one").await["holding"], 1);
    assert_eq!(call(&server, "here", "DELETE", &format!("/v1/tickets/{id}"), "").await.status, 200);
}

#[tokio::test]
async fn words_of_clients_hold_no_unsafe_character_by_any_protocol() {
    let server = Server::start().await;
    for bad in ["a\u{1b}[2Jb", "a\nb", "a\u{202e}b", "a\u{ad}b", "a\u{61c}b", "a\u{2028}b", "a\u{feff}b"] {
        let refused = server.post("/v1/locks/one/tickets", &json!({"info": bad}).to_string()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid"), "{bad:?}");
        let node = json!({"client_params": {"id": bad, "group": "one"}}).to_string();
        let refused = server.call("POST", "/v1/pre-reboot", &[FLEETLOCK], &node).await;
        assert_eq!(
            (refused.status, refused.json()["kind"].as_str()),
            (400, Some("invalid_client_identity")),
            "{bad:?}"
        );
        let refused = server.call("LOCK", "/v1/terraform/one", &[], &lock_info(bad, "me").to_string()).await;
        assert_eq!(refused.status, 400, "{bad:?}: {refused:?}");
        // Terraform's own words come back whole, for they have another way to be written.
        let whole = lock_info("me", bad);
        let pretty = serde_json::to_string_pretty(&whole).unwrap();
        assert_eq!(server.call("LOCK", "/v1/terraform/one", &[], &pretty).await.status, 200);
        let shown = server.lock("one").await["holders"][0]["info"].as_str().unwrap().to_owned();
        assert!(!shown.contains(lock_core::text::is_unsafe), "{shown:?}");
        let told = server.call("LOCK", "/v1/terraform/one", &[], &lock_info("else", "else").to_string()).await;
        assert_eq!((told.status, told.json()), (423, whole));
        assert_eq!(server.call("UNLOCK", "/v1/terraform/one", &[], &pretty).await.status, 200);
    }
    // 0.36 took everything: its clients would die of a fault.
    let query = "<methodCall><methodName>query_lock</methodName><params><param><value>one</value></param><param><value>a\n\u{202e}b\
                 </value></param></params></methodCall>";
    assert!(server.call("POST", "/RPC2", &[], query).await.body.contains("<boolean>1</boolean>"));
    let lock = server.lock("one").await;
    let of = |what: &str| lock[what][0]["info"].as_str().map(str::to_owned);
    assert_eq!(of("queue").or_else(|| of("holders")).as_deref(), Some("a\u{fffd}\u{fffd}b"));
}

#[test]
fn clients_and_server_have_one_list_of_unsafe_characters() {
    for c in '\0'..=char::MAX {
        assert_eq!(lock_api::text::is_unsafe(c), lock_core::text::is_unsafe(c), "{c:?}");
    }
}
