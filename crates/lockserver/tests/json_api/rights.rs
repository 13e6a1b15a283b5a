//! Who may call what: a table of every route, and the words of each refusal.

use super::harness::{Answer, Server, line, read, within};
use lock_core::LockName;
use lockserver::access::{Access, Digest, Grants, Key, KeyName, Patterns, Right, Rights, parse_pattern};
use lockserver::http::{AuthSettings, entries};
use std::collections::BTreeSet;

const ANY: &str = "*";

pub(super) fn key(name: &str, rights: &[Right], locks: &[&str]) -> Key {
    let locks = Patterns::new(locks.iter().map(|text| parse_pattern(text).unwrap()).collect());
    let grants = Grants { rights: rights.iter().copied().collect(), locks, max_priority: 0 };
    Key { name: KeyName::new(name).unwrap(), secrets: vec![Digest::of(&secret(name))], grants }
}

pub(super) fn secret(name: &str) -> String {
    format!("lsk_of_{name}")
}

pub(super) fn bearer(name: &str) -> String {
    format!("Authorization: Bearer {}", secret(name))
}

pub(super) fn anonymous(rights: &[Right]) -> Grants {
    Grants { rights: rights.iter().copied().collect(), ..Grants::open() }
}

pub(super) fn settings(keys: Vec<Key>, without: Grants) -> AuthSettings {
    AuthSettings { access: Access::new(keys, without).unwrap(), ..AuthSettings::default() }
}

/// Keys with one right each, one with all rights on another lock, and nothing without a key.
pub(super) fn keys() -> AuthSettings {
    let keys = vec![
        key("observer", &[Right::Observe], &["*"]),
        key("user", &[Right::Use], &["*"]),
        key("admin", &[Right::Admin], &["*"]),
        key("elsewhere", &Right::ALL, &["two", "elsewhere-*"]),
    ];
    settings(keys, anonymous(&[]))
}

pub(super) type Row = (&'static str, &'static str, &'static str, &'static str, bool, [bool; 4]);

/// Everything that may be called: method, pattern, an example about the lock `one`, its body, whether it is about that
/// lock before its body is read, and who may: nobody in particular, an observer, a user, an administrator.
pub(super) const ROUTES: &[Row] = &[
    ("GET", "/", "/", "", false, [false, true, false, true]),
    ("GET", "/locks/{lock}", "/locks/one", "", true, [false, true, false, true]),
    ("GET", "/page/{version}/{file}", "/page/x/main.js", "", false, [true; 4]),
    ("POST", "/", "/", QUERY, true, [false, false, true, true]),
    ("POST", "/RPC2", "/RPC2", QUERY, true, [false, false, true, true]),
    ("GET", "/healthz", "/healthz", "", false, [true; 4]),
    ("GET", "/readyz", "/readyz", "", false, [true; 4]),
    ("POST", "/cluster/standby", "/cluster/standby", "{}", false, [true; 4]),
    ("GET", "/metrics", "/metrics", "", false, [false, true, false, true]),
    ("GET", "/openapi.json", "/openapi.json", "", false, [true; 4]),
    ("GET", "/openapi-3.0.json", "/openapi-3.0.json", "", false, [true; 4]),
    ("GET", "/v1/locks", "/v1/locks", "", false, [false, true, false, true]),
    ("GET", "/v1/locks/{lock}", "/v1/locks/one", "", true, [false, true, false, true]),
    ("PUT", "/v1/locks/{lock}", "/v1/locks/one", "{\"size\": 1}", true, [false, false, false, true]),
    ("PATCH", "/v1/locks/{lock}", "/v1/locks/one", "{}", true, [false, false, false, true]),
    ("DELETE", "/v1/locks/{lock}", "/v1/locks/one", "", true, [false, false, false, true]),
    ("POST", "/v1/locks/{lock}/tickets", "/v1/locks/one/tickets", "", true, [false, false, true, true]),
    (
        "DELETE",
        "/v1/locks/{lock}/tickets",
        "/v1/locks/one/tickets?request_id=0123456789abcdef",
        "",
        true,
        [false, false, true, true],
    ),
    ("DELETE", "/v1/locks/{lock}/tickets/{number}", "/v1/locks/one/tickets/7", "", true, [false, false, true, true]),
    (
        "POST",
        "/v1/locks/{lock}/withheld",
        "/v1/locks/one/withheld",
        "{\"permits\": 1}",
        true,
        [false, false, false, true],
    ),
    ("DELETE", "/v1/locks/{lock}/withheld", "/v1/locks/one/withheld", "", true, [false, false, false, true]),
    ("PUT", "/v1/locks/{lock}/outside", "/v1/locks/one/outside", "{\"in_use\": 1}", true, [false, false, false, true]),
    ("DELETE", "/v1/locks/{lock}/outside", "/v1/locks/one/outside", "", true, [false, false, false, true]),
    ("GET", "/v1/locks/{lock}/verify", "/v1/locks/one/verify?token=1", "", true, [false, true, true, true]),
    ("GET", "/v1/locks/{lock}/history", "/v1/locks/one/history", "", true, [false, true, false, true]),
    ("GET", "/v1/tickets", "/v1/tickets?mine", "", false, [false, false, true, true]),
    ("POST", "/v1/tickets", "/v1/tickets", "{\"locks\": {\"job-1\": 1, \"one\": 1}}", true, [false, false, true, true]),
    (
        "DELETE",
        "/v1/tickets",
        "/v1/tickets?request_id=0123456789abcdef&lock=one&lock=two",
        "",
        true,
        [false, false, true, true],
    ),
    ("GET", "/v1/tickets/{id}", TICKET, "", false, [false, false, true, true]),
    ("DELETE", "/v1/tickets/{id}", TICKET, "", false, [false, false, true, true]),
    ("POST", "/v1/tickets/{id}/renew", RENEW, "", false, [false, false, true, true]),
    ("GET", "/v1/events", "/v1/events", "", false, [false, true, false, true]),
    ("GET", "/v1/status", "/v1/status", "", false, [false, true, false, true]),
    ("POST", "/v1/reload", "/v1/reload?unknown", "", false, [false, false, false, true]),
    ("POST", "/v1/pre-reboot", "/v1/pre-reboot", GROUP, true, [false, false, true, true]),
    ("POST", "/v1/steady-state", "/v1/steady-state", GROUP, true, [false, false, true, true]),
    ("POST", "/fleetlock/v1/pre-reboot", "/fleetlock/v1/pre-reboot", GROUP, true, [false, false, true, true]),
    ("POST", "/fleetlock/v1/steady-state", "/fleetlock/v1/steady-state", GROUP, true, [false, false, true, true]),
    (ANY, "/v1/terraform/{lock}", "/v1/terraform/one", "{\"ID\": \"x\"}", true, [false, false, true, true]),
];

const TICKET: &str = "/v1/tickets/6f1c0b9e-6d0c-4b8e-9d6f-0d7b4f3a2c11";
const RENEW: &str = "/v1/tickets/6f1c0b9e-6d0c-4b8e-9d6f-0d7b4f3a2c11/renew";
pub(super) const GROUP: &str = "{\"client_params\": {\"id\": \"x\", \"group\": \"one\"}}";
pub(super) const QUERY: &str =
    "<methodCall><methodName>query_lock</methodName><params><param><value>one</value></param></params></methodCall>";

/// The status of an answer, which may never end, and its body as far as it came with its head: refusals are short.
pub(super) async fn ask(server: &Server, method: &str, path: &str, body: &str, key: Option<&str>) -> (u16, String) {
    let mut headers = vec!["fleet-lock-protocol: true".to_owned()];
    headers.extend(key.map(bearer));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let method = if method == ANY { "LOCK" } else { method };
    if path == "/v1/events" {
        let mut stream = server.open(method, path, &headers, body).await;
        let status = line(&mut stream).await;
        return (status.split(' ').nth(1).unwrap().parse().unwrap(), String::new());
    }
    let answer = server.call(method, path, &headers, body).await;
    (answer.status, answer.body)
}

/// Let in, sent away because nobody knows who it is, or because it is not allowed.
fn verdict((status, body): &(u16, String)) -> u16 {
    let fault = body.contains("faultString")
        && (body.contains("does not have the right") || body.contains("does not cover the lock"));
    match status {
        401 => 401,
        403 => 403,
        _ if fault => 403,
        _ => 200,
    }
}

#[test]
fn the_table_has_every_route() {
    let written: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, pattern, ..)| ((*method).to_owned(), (*pattern).to_owned())).collect();
    let method =
        |entry: &lockserver::http::Entry| entry.method.as_ref().map_or_else(|| ANY.to_owned(), ToString::to_string);
    let real: BTreeSet<(String, String)> =
        entries().iter().map(|entry| (method(entry), entry.path.to_owned())).collect();
    assert_eq!(written, real, "a new route needs a row in this table");
}

#[tokio::test]
async fn every_route_with_every_right() {
    for (method, pattern, path, body, names_lock, may) in ROUTES {
        let callers = [None, Some("observer"), Some("user"), Some("admin"), Some("elsewhere"), Some("nobody")];
        let elsewhere = !names_lock && *pattern != "/v1/reload";
        for (caller, may) in callers.into_iter().zip([may[0], may[1], may[2], may[3], elsewhere, false]) {
            // A server for each, so that what one did is not in the way of the next.
            let server = Server::start_with(keys()).await;
            let answer = ask(&server, method, path, body, caller).await;
            let expected = match (may, caller) {
                (true, _) => 200,
                (false, None | Some("nobody")) => 401,
                (false, Some(_)) => 403,
            };
            assert_eq!(verdict(&answer), expected, "{method} {pattern} by {caller:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_is_allowed_without_a_key() {
    let server =
        Server::start_with(settings(vec![key("ci", &[Right::Use], &["*"])], anonymous(&[Right::Observe]))).await;
    for (method, pattern, path, body, _, [_, observer, ..]) in ROUTES {
        let answer = ask(&server, method, path, body, None).await;
        let expected = if *observer { 200 } else { 401 };
        assert_eq!(verdict(&answer), expected, "{method} {pattern}: {answer:?}");
    }
}

#[tokio::test]
async fn refusals_in_the_words_of_each_protocol() {
    let server = Server::start_with(keys()).await;
    let tickets = "/v1/locks/one/tickets";
    let refused = server.post(tickets, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"lockserver\""));
    assert!(refused.detail().contains("Authorization: Bearer SECRET"), "{refused:?}");

    let by = |name: &str| bearer(name);
    let refused = server.call("POST", tickets, &[&by("observer")], "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"));
    assert_eq!(refused.detail(), "the key \"observer\" does not have the right \"use\"");
    let refused = server.call("POST", tickets, &[&by("elsewhere")], "").await;
    assert!(refused.detail().starts_with("the key \"elsewhere\" does not cover the lock \"one\""), "{refused:?}");

    let fleetlock = ["fleet-lock-protocol: true"];
    let refused = server.call("POST", "/v1/pre-reboot", &fleetlock, GROUP).await;
    assert_eq!((refused.status, refused.json()["kind"].as_str()), (401, Some("unauthorized")));
    let refused = server.call("POST", "/v1/pre-reboot", &[fleetlock[0], &by("elsewhere")], GROUP).await;
    assert_eq!((refused.status, refused.json()["kind"].as_str()), (403, Some("not_allowed")));

    let refused = server.call("POST", "/RPC2", &[], QUERY).await;
    assert_eq!((refused.status, refused.header("content-type")), (401, Some("text/plain; charset=utf-8")));
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic"), "{refused:?}");
    let fault = server.call("POST", "/RPC2", &[&by("observer")], QUERY).await;
    assert!(fault.status == 200 && fault.body.contains("does not have the right \"use\""), "{fault:?}");
    let fault = server.call("POST", "/RPC2", &[&by("elsewhere")], QUERY).await;
    assert!(fault.status == 200 && fault.body.contains("does not cover the lock \"one\""), "{fault:?}");
    assert_eq!(server.call("GET", "/v1/locks/one", &[&by("observer")], "").await.ok()["statistics"]["queries"], 0);
}

#[tokio::test]
async fn pages_of_others_are_kept_away_from_every_route() {
    let server = Server::start().await;
    for (method, pattern, path, body, ..) in ROUTES {
        let method = if *method == ANY { "LOCK" } else { method };
        for foreign in ["Origin: https://evil.example.org", "Sec-Fetch-Site: cross-site", "Origin: null"] {
            let answer = server.call(method, path, &[foreign, "fleet-lock-protocol: true"], body).await;
            let refused = answer.status == 403 || answer.body.contains("a page of another site");
            assert!(refused, "{method} {pattern} {foreign}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(server.lock("one").await["statistics"]["queries"], 0);
    let named = server.call("GET", "/v1/locks", &["X: y\r\nHost: evil.example.org"], "").await;
    assert_ne!(named.status, 200, "{named:?}");
}

#[tokio::test]
async fn an_origin_that_is_let_in() {
    let origin = "https://dash.example.org";
    let server =
        Server::start_with(AuthSettings { allowed_origins: vec![origin.to_owned()], ..AuthSettings::default() }).await;
    let header = format!("Origin: {origin}");
    let answer = server.call("GET", "/v1/locks", &[&header], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));
    let asked = server.call("OPTIONS", "/v1/locks/one", &[&header, "Access-Control-Request-Method: PATCH"], "").await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, Some(origin)));
    assert!(asked.header("access-control-allow-headers").unwrap().contains("Authorization"));
    let without: Answer = server.get("/v1/locks").await;
    assert_eq!(without.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_server_goes_by_its_names_only() {
    let server =
        Server::start_with(AuthSettings { allowed_hosts: vec!["locks.example.org".into()], ..AuthSettings::default() })
            .await;
    let status = async |host: &str| {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let mut stream = tokio::io::BufReader::new(stream);
        let request = format!("GET /v1/locks HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        within(tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())).await.unwrap();
        read(stream).await.status
    };
    assert_eq!(status("locks.example.org:9090").await, 200);
    assert_eq!(status("127.0.0.1:1").await, 200);
    assert_eq!(status("rebound.example.org").await, 403);
}

#[tokio::test]
async fn every_answer_says_what_it_is_not() {
    let server = Server::start().await;
    for path in ["/", "/v1/locks", "/nothing", "/healthz", "/v1/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
    }
}

#[test]
fn the_rights_of_an_open_server() {
    let open = Access::open();
    let lock = LockName::new("x").unwrap();
    assert_eq!(Right::ALL.map(|right| open.anonymous().may(right, &lock)), [true, true, false]);
    assert!(Rights::NONE.is_none());
}
