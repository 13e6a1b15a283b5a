//! `/metrics` of a server in use.

use super::harness::{Answer, Server};
use std::time::{Duration, Instant};

const OPEN: &str = "Accept: application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(found.parse().unwrap_or_else(|error| panic!("{series}: {error}: {found}")))
}

async fn scrape(server: &Server) -> String {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[track_caller]
fn check(text: &str, all: &[(&str, f64)]) {
    for (series, expected) in all {
        assert_eq!(value(text, series), Some(*expected), "{series} in\n{text}");
    }
}

fn made(answer: &Answer) -> String {
    assert!(answer.status < 300, "{answer:?}");
    answer.id()
}

#[tokio::test]
async fn what_happens_to_tickets_is_counted() {
    let server = Server::start().await;
    let two = "/v1/locks/two/tickets";
    let first = server.take("two").await;
    let second = made(&server.post(two, r#"{"ttl_s": 1}"#).await);
    let _third = made(&server.post(two, r#"{"queue": true}"#).await);
    check(
        &scrape(&server).await,
        &[
            ("lockserver_lock_instances{lock=\"two\"}", 1.0),
            ("lockserver_lock_size{lock=\"two\"}", 2.0),
            ("lockserver_lock_permits_held{lock=\"two\"}", 2.0),
            ("lockserver_lock_queued{lock=\"two\"}", 1.0),
            ("lockserver_lock_dormant{lock=\"two\"}", 0.0),
            ("lockserver_tickets_total{lock=\"two\"}", 3.0),
            ("lockserver_grants_total{lock=\"two\"}", 2.0),
            ("lockserver_wait_seconds_count{lock=\"two\"}", 2.0),
            ("lockserver_hold_seconds_count{lock=\"two\"}", 0.0),
            ("lockserver_lock_size{lock=\"one\"}", 1.0),
            ("lockserver_tickets_total{lock=\"one\"}", 0.0),
        ],
    );
    // One is given back, one is lost by its lease, and one that waited is ended by an administrator.
    server.delete(&format!("/v1/tickets/{first}")).await.ok();
    server.until("two", "the second is lost", |lock| lock["statistics"]["lost"] == 1).await;
    assert_eq!(server.get(&format!("/v1/tickets/{second}")).await.json()["ended_as"], "lost");
    let held = server.lock("two").await;
    let number = &held["holders"][0]["number"];
    server.admin("DELETE", &format!("{two}/{number}?reason=test"), &[], "").await.ok();
    let text = scrape(&server).await;
    check(
        &text,
        &[
            ("lockserver_lock_permits_held{lock=\"two\"}", 0.0),
            ("lockserver_lock_queued{lock=\"two\"}", 0.0),
            ("lockserver_lock_oldest_waiter_seconds{lock=\"two\"}", 0.0),
            ("lockserver_lock_oldest_holder_seconds{lock=\"two\"}", 0.0),
            ("lockserver_grants_total{lock=\"two\"}", 3.0),
            ("lockserver_releases_total{lock=\"two\"}", 1.0),
            ("lockserver_tickets_ended_total{lock=\"two\",reason=\"released\"}", 1.0),
            ("lockserver_tickets_ended_total{lock=\"two\",reason=\"lost\"}", 1.0),
            ("lockserver_tickets_ended_total{lock=\"two\",reason=\"revoked\"}", 1.0),
            ("lockserver_tickets_ended_total{lock=\"two\",reason=\"expired\"}", 0.0),
            ("lockserver_ready", 1.0),
            ("lockserver_engine_terms_total", 1.0),
            ("lockserver_store_commits_failed_total", 0.0),
        ],
    );
    let started = value(&text, "process_start_time_seconds").unwrap();
    let released = value(&text, "lockserver_lock_last_release_timestamp_seconds{lock=\"two\"}").unwrap();
    assert!((started - 1.0..started + 600.0).contains(&released), "{started} {released}");
    assert_eq!(value(&text, "lockserver_lock_last_release_timestamp_seconds{lock=\"one\"}"), None, "never released");
    let held_for = value(&text, "lockserver_hold_seconds_sum{lock=\"two\"}").unwrap();
    assert!((1.0..60.0).contains(&held_for), "one was held for its lease of a second: {held_for}");
    assert!(value(&text, "lockserver_store_commit_seconds_count").unwrap() >= 5.0);
    assert!(value(&text, "lockserver_engine_batch_commands_count").unwrap() >= 5.0);
}

#[tokio::test]
async fn the_oldest_waiter_grows_old() {
    let server = Server::start().await;
    let _held = server.take("one").await;
    let _waits = made(&server.post("/v1/locks/one/tickets", r#"{"queue": true}"#).await);
    let begin = Instant::now();
    loop {
        let age = value(&scrape(&server).await, "lockserver_lock_oldest_waiter_seconds{lock=\"one\"}").unwrap();
        assert!(age <= begin.elapsed().as_secs_f64() + 1.0, "{age}");
        if age >= 0.05 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "it stays {age}");
    }
}

#[tokio::test]
async fn a_thousand_instances_are_one_and_a_deleted_lock_is_none() {
    let server = Server::start().await;
    for number in 0..1000 {
        server.take(&format!("job-{number}")).await;
    }
    let path = "/v1/locks/brief";
    assert_eq!(server.admin("PUT", path, &[], r#"{"size": 4}"#).await.status, 201);
    server.take("brief").await;
    let text = scrape(&server).await;
    check(
        &text,
        &[
            ("lockserver_lock_instances{lock=\"job-*\"}", 1000.0),
            ("lockserver_lock_size{lock=\"job-*\"}", 1000.0),
            ("lockserver_lock_permits_held{lock=\"job-*\"}", 1000.0),
            ("lockserver_grants_total{lock=\"job-*\"}", 1000.0),
            ("lockserver_wait_seconds_count{lock=\"job-*\"}", 1000.0),
            ("lockserver_grants_total{lock=\"brief\"}", 1.0),
        ],
    );
    assert!(!text.contains("job-1"), "no instance has series of its own");
    let sizes: Vec<&str> = text.lines().filter(|line| line.starts_with("lockserver_lock_size{")).collect();
    assert_eq!(sizes.len(), 4, "one, two, brief and the template: {sizes:?}");

    let deleted = server.admin("DELETE", &format!("{path}?force=true"), &[], "").await;
    assert!(deleted.status < 300, "{deleted:?}");
    let text = scrape(&server).await;
    assert!(!text.contains("brief"), "{text}");
    check(&text, &[("lockserver_grants_total{lock=\"job-*\"}", 1000.0)]);
}

#[tokio::test]
async fn both_formats_are_spoken() {
    let server = Server::start().await;
    let plain = server.get("/metrics").await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), Some("no-store"));
    assert_eq!(plain.header("vary"), Some("Accept"));
    assert!(plain.body.contains("# TYPE lockserver_grants_total counter\n") && !plain.body.contains("# EOF"));
    let open = server.call("GET", "/metrics", &[OPEN], "").await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.body.contains("# TYPE lockserver_grants counter\n") && open.body.ends_with("\n# EOF\n"));
    // Two headers are one list.
    let both = server.call("GET", "/metrics", &["Accept: text/plain;q=0.1", OPEN], "").await;
    assert!(both.body.ends_with("\n# EOF\n"));
    assert_eq!(server.call("POST", "/metrics", &[], "").await.status, 405);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_code() {
    let server = Server::start().await;
    server.take("one").await;
    assert_eq!(server.post("/v1/locks/one/tickets", "").await.code(), "busy");
    server.lock("one").await;
    server.lock("two").await;
    assert_eq!(server.get("/v1/locks/nope").await.status, 404);
    assert_eq!(server.get("/no/such/path").await.status, 404);
    assert_eq!(server.get("/v1/no-such-path").await.status, 404);
    assert_eq!(server.call("BREW", "/healthz", &[], "").await.status, 405);
    let text = scrape(&server).await;
    let requests = |route: &str, method: &str, code: u16| {
        let series = format!("lockserver_http_requests_total{{route=\"{route}\",method=\"{method}\",code=\"{code}\"}}");
        value(&text, &series)
    };
    for (route, method, code, count) in [
        ("/v1/locks/{lock}/tickets", "POST", 201, 1.0),
        ("/v1/locks/{lock}/tickets", "POST", 409, 1.0),
        ("/v1/locks/{lock}", "GET", 200, 2.0),
        ("/v1/locks/{lock}", "GET", 404, 1.0),
        ("unmatched", "GET", 404, 2.0),
        ("/healthz", "other", 405, 1.0),
    ] {
        assert_eq!(requests(route, method, code), Some(count), "{route} {method} {code} in\n{text}");
    }
    assert_eq!(requests("/metrics", "GET", 200), None, "this one is not answered yet");
    check(
        &text,
        &[
            ("lockserver_http_requests_in_flight", 1.0),
            ("lockserver_http_request_seconds_count{route=\"/v1/locks/{lock}\"}", 3.0),
            ("lockserver_connections_accepted_total", 9.0),
        ],
    );
    assert!(!text.contains("no-such"), "a path is never a label");
}

#[tokio::test]
async fn a_head_that_no_route_hears_of_is_counted_too() {
    let server = Server::start().await;
    for (path, header, code) in
        [("/healthz", format!("X: {}", "x".repeat(20_000)), 431), ("not a path", String::from("X: x"), 400)]
    {
        assert_eq!(server.call("GET", path, &[&header], "").await.status, code);
        let series = format!("lockserver_http_requests_total{{route=\"unmatched\",method=\"other\",code=\"{code}\"}}");
        // It is counted when HTTP has ended, which is after its answer.
        until(&server, &series, 1.0).await;
    }
}

/// Scrapes until a series has this value; the last text.
async fn until(server: &Server, series: &str, expected: f64) -> String {
    let begin = Instant::now();
    loop {
        let text = scrape(server).await;
        if value(&text, series) == Some(expected) {
            return text;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{series} is not {expected} in\n{text}");
    }
}

#[tokio::test]
async fn who_waits_is_seen_and_does_not_spoil_the_times() {
    let server = Server::start().await;
    let held = server.take("one").await;
    let path = "/v1/locks/one/tickets";
    let waits = server.open("POST", path, &["Content-Type: application/json"], r#"{"wait_s": 60}"#).await;
    let stream = server.open("GET", "/v1/events", &[], "").await;
    until(&server, "lockserver_event_streams", 1.0).await;
    let text = until(&server, "lockserver_lock_queued{lock=\"one\"}", 1.0).await;
    check(&text, &[("lockserver_waiting_requests", 1.0), ("lockserver_http_requests_in_flight", 2.0)]);
    drop(stream);
    server.delete(&format!("/v1/tickets/{held}")).await.ok();
    assert_eq!(super::harness::read(waits).await.status, 201);
    let text = scrape(&server).await;
    check(
        &text,
        &[
            ("lockserver_waiting_requests", 0.0),
            (
                &format!("lockserver_http_requests_total{{route=\"{path}\",method=\"POST\",code=\"201\"}}")
                    .replace("/one/", "/{lock}/"),
                2.0,
            ),
            ("lockserver_http_request_seconds_count{route=\"/v1/locks/{lock}/tickets\"}", 1.0),
        ],
    );
}
