//! An answer that says *held* goes out only while that is so, by every protocol: here the ticket ends between the answer's
//! making and its writing.

use super::harness::Server;
use super::rights::GROUP;
use axum::extract::Request;
use lock_core::{Caller, Command, LockName, Outcome, TicketsAfter};
use lockserver::engine::Handle;
use lockserver::http::AuthSettings;
use lockserver::http::connection::Responder;
use lockserver::store::MemoryStore;
use serde_json::Value;
use std::sync::Arc;
use tower::Service as _;

/// The header of a request whose answer is made, and then finds the holders of this lock revoked.
const TOO_LATE: &str = "too-late";

/// An administrator ends the holder of the lock.
async fn revoke(engine: &Handle, lock: &LockName) {
    let admin = Caller { admin: true, ..Caller::anonymous("192.0.2.9") };
    let look = Command::ViewLock { name: lock.clone(), tickets: 10, after: TicketsAfter::default() };
    let Outcome::Lock(seen) = engine.submit(&admin, look).await.unwrap().outcome else { panic!("no lock") };
    assert_eq!(seen.holders.len(), 1, "{lock:?}");
    let (lock, number, reason) = (lock.clone(), seen.holders[0].ticket.number, Arc::from("somebody else needs it"));
    engine.submit(&admin, Command::Revoke { lock, number, reason, only: None }).await.unwrap();
}

async fn server() -> Server {
    let store = Box::new(MemoryStore::default());
    let server = Server::start_around(store, AuthSettings::default(), |responder, engine| {
        let engine = engine.clone();
        Responder::new(move |request: Request| {
            let (engine, mut responder) = (engine.clone(), responder.clone());
            async move {
                let lock = request.headers().get(TOO_LATE).map(|name| LockName::new(name.to_str().unwrap()).unwrap());
                let Ok(response) = responder.call(request).await;
                if let Some(lock) = lock {
                    revoke(&engine, &lock).await;
                }
                response
            }
        })
    });
    server.await
}

/// A `get_lock` of XML-RPC, or a `query_lock` with its `info`.
fn xml(method: &str, lock: &str, second: &str) -> String {
    format!(
        "<methodCall><methodName>{method}</methodName><params><param><value>{lock}</value></param><param><value>{second}</value>\
         </param></params></methodCall>"
    )
}

/// The lock; method, path and body of the request; status and a part of its answer while it is held, and too late.
type Case<'a> = (&'a str, &'a str, &'a str, String, (u16, &'a str), (u16, &'a str));

#[tokio::test]
async fn an_answer_whose_ticket_has_ended_before_it_is_written_does_not_say_held() {
    let server = server().await;
    for lock in ["fleetlock-one", "waited"] {
        let (path, headers) = (format!("/v1/locks/{lock}"), ["Content-Type: application/json"]);
        assert_eq!(server.admin("PUT", &path, &headers, "{\"size\": 1}").await.status, 201);
    }
    let (renewed, read) = (server.take("job-renew").await, server.take("job-read").await);
    let verified = server.post("/v1/locks/job-verify/tickets", "").await.json()["token"].to_string();
    let asked = server.call("POST", "/RPC2", &[], &xml("query_lock", "job-xml", "")).await.body;
    let asked = asked.split("<string>").nth(1).and_then(|rest| rest.split('<').next()).expect("an id").to_owned();
    // The same request again finds the same ticket: first it is held, then the answer comes too late.
    let gone = (410, "\"gone\"");
    let cases: [Case<'_>; 8] = [
        ("job-acquire", "POST", "/v1/locks/job-acquire/tickets", ID.into(), (201, "\"held\""), gone),
        ("waited", "POST", "/v1/locks/waited/tickets", WAITS.into(), (201, "\"held\""), gone),
        ("job-renew", "POST", &format!("/v1/tickets/{renewed}/renew"), String::new(), (200, "\"held\""), gone),
        ("job-read", "GET", &format!("/v1/tickets/{read}"), String::new(), (200, "\"held\""), gone),
        (
            "job-verify",
            "GET",
            &format!("/v1/locks/job-verify/verify?token={verified}"),
            String::new(),
            (200, "\"held\""),
            (409, "\"not_a_holder\""),
        ),
        (
            "job-xml",
            "POST",
            "/RPC2",
            xml("get_lock", "job-xml", &asked),
            (200, "<boolean>1</boolean></value>\n<value><boolean>1<"),
            (200, "<boolean>1</boolean></value>\n<value><boolean>0<"),
        ),
        ("fleetlock-one", "POST", "/v1/pre-reboot", GROUP.into(), (200, ""), (423, "failed_lock_semaphore_full")),
        ("job-tf", "LOCK", "/v1/terraform/job-tf", "{\"ID\": \"x\"}".into(), (200, ""), (423, "\"ID\"")),
    ];
    for (lock, method, path, body, held, ended) in cases {
        for (late, expected) in [(false, held), (true, ended)] {
            let late = if late { format!("{TOO_LATE}: {lock}") } else { "in: time".to_owned() };
            let answer = server.call(method, path, &["fleet-lock-protocol: true", &late], &body).await;
            assert_eq!(answer.status, expected.0, "{path}, {late}: {answer:?}");
            assert!(answer.body.contains(expected.1), "{path}, {late}: {answer:?}");
        }
        assert_eq!(server.lock(lock).await["holding"], Value::from(0), "{lock}");
    }
}

const ID: &str = r#"{"request_id": "0123456789abcdef"}"#;
const WAITS: &str = r#"{"request_id": "0123456789abcdef", "wait_s": 20}"#;
