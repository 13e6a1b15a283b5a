//! Every refusal is a problem of RFC 9457 that says what, where and what to do.

use super::harness::Server;
use serde_json::json;

#[tokio::test]
async fn refusals() {
    let server = Server::start().await;
    let large = format!("{{\"info\": \"{}\"}}", "x".repeat(70_000));
    let long_info = format!("{{\"info\": \"{}\"}}", "x".repeat(5000));
    let tickets = "/v1/locks/one/tickets";
    let unknown = "/v1/tickets/6f1c0b9e-6d0c-4b8e-9d6f-0d7b4f3a2c11";
    let cases: &[(&str, &str, &str, &str, u16, &str, &str)] = &[
        ("GET", "/v1/nothing", "", "", 404, "not_found", "nothing at this path"),
        ("GET", "/v1", "", "", 404, "not_found", "nothing at this path"),
        ("PUT", tickets, "", "", 405, "method_not_allowed", "does not take PUT"),
        ("POST", tickets, "", "{\"permits\": }", 400, "invalid", "line 1 column 13"),
        ("POST", tickets, "", "{\"permit\": 1}", 400, "invalid", "unknown field `permit`, expected one of"),
        ("POST", tickets, "", "{\"permits\": 0}", 400, "invalid", "at permits"),
        ("POST", tickets, "", "{\"priority\": 101}", 400, "invalid", "priority must be from -100 to 100"),
        ("POST", tickets, "", "{\"ttl_s\": 0}", 400, "invalid", "ttl must be from 1 s"),
        ("POST", tickets, "", "{\"ttl_s\": 2592001}", 400, "invalid", "ttl must be from 1 s"),
        ("POST", tickets, "", "{\"wait_s\": 61}", 400, "invalid", "wait_s must be at most 60"),
        ("POST", tickets, "", "{\"request_id\": \"short\"}", 400, "invalid", "request_id must have 16 to 128"),
        ("POST", tickets, "", &long_info, 400, "invalid", "info has 5000 bytes, 4096 are allowed"),
        ("POST", tickets, "", "[]", 400, "invalid", "not a JSON object"),
        ("POST", tickets, "", &large, 413, "payload_too_large", "larger than 65536 bytes"),
        ("POST", tickets, "Content-Type: text/xml", "<a/>", 415, "unsupported_media_type", "application/json"),
        ("POST", tickets, "Content-Encoding: gzip", "{}", 415, "unsupported_media_type", "gzip"),
        ("POST", "/v1/locks/one/tickets?wait_s=3", "", "", 400, "invalid", "\"wait_s\"; this call takes no parameters"),
        ("GET", "/v1/locks/%zz", "", "", 400, "invalid", "write %25 for a %"),
        ("GET", "/v1/locks/%ff", "", "", 400, "invalid", "UTF-8"),
        ("GET", "/v1/locks/a%2Fb", "", "", 400, "invalid", "not a valid lock name: the name contains '/'"),
        ("GET", "/v1/locks/nope", "", "", 404, "unknown_lock", "GET /v1/locks"),
        ("GET", "/v1/locks?x=%", "", "", 400, "invalid", "the query"),
        ("GET", unknown, "", "", 404, "unknown_ticket", "no such ticket"),
        ("GET", "/v1/tickets/nonsense", "", "", 404, "unknown_ticket", "not a UUID"),
        ("GET", &format!("{unknown}?wait_s=soon"), "", "", 400, "invalid", "wait_s must be a number"),
        ("DELETE", unknown, "", "", 404, "unknown_ticket", "10 minutes"),
        ("DELETE", tickets, "", "", 400, "invalid", "?request_id="),
        ("GET", "/v1/locks/one/verify?token=1", "", "", 409, "not_a_holder", "no holder has this token"),
        ("GET", "/v1/locks/one/verify", "", "", 400, "invalid", "?token="),
        ("GET", "/v1/locks/one/verify?token=-1", "", "", 400, "invalid", "whole number"),
        ("GET", "/v1/events?lock=a%2Fb", "", "", 400, "invalid", "beginning of names"),
        ("POST", "/v1/reload", "", "", 403, "not_allowed", "admin.sock"),
        ("PUT", "/v1/locks/x", "", "{\"size\": 1}", 403, "not_allowed", "admin.sock"),
        ("PATCH", "/v1/locks/one", "", "{}", 403, "not_allowed", "admin.sock"),
        ("DELETE", "/v1/locks/one", "", "", 403, "not_allowed", "admin.sock"),
        ("DELETE", "/v1/locks/one/tickets/1", "", "", 403, "not_allowed", "admin.sock"),
        ("DELETE", "/v1/locks/one/withheld", "", "", 403, "not_allowed", "admin.sock"),
    ];
    for (method, path, header, body, status, code, says) in cases {
        let headers: &[&str] = if header.is_empty() { &[] } else { &[header] };
        let answer = server.call(method, path, headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{method} {path} {body:.40}: {answer:?}");
        assert!(answer.detail().contains(says), "{method} {path} {body:.40}: {}", answer.detail());
    }
    assert_eq!(server.lock("one").await["statistics"]["queries"], 0, "nothing was done");
}

#[tokio::test]
async fn a_problem_in_full() {
    let server = Server::start().await;
    let answer = server.call("FOO", "/v1/locks/one", &[], "").await;
    let expected = json!({
        "type": "about:blank", "title": "method not allowed", "status": 405, "code": "method_not_allowed",
        "detail": "this path does not take FOO; the header Allow lists its methods", "retryable": false,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("allow"), Some("GET,HEAD,PUT,PATCH,DELETE"));
}

#[tokio::test]
async fn bodies_as_people_send_them() {
    let server = Server::start().await;
    for headers in [
        &[][..],
        &["Content-Type: application/json; charset=utf-8"],
        &["Content-Type: application/x-www-form-urlencoded"],
        &["Content-Type: application/vnd.x+json"],
    ] {
        let answer = server.call("POST", "/v1/locks/one/tickets", headers, " {\"info\": \"x\"}\n").await;
        assert_eq!(answer.status, 201, "{headers:?}: {answer:?}");
        server.delete(&format!("/v1/tickets/{}", answer.id())).await.ok();
    }
    // A browser that sends what a form sends: of a foreign site, or of this one, whose pages send JSON.
    for (origin, code) in [("http://elsewhere.example", "not_allowed"), ("http://localhost", "unsupported_media_type")]
    {
        let headers = ["Content-Type: text/plain", &format!("Origin: {origin}")];
        assert_eq!(server.call("POST", "/v1/locks/one/tickets", &headers, "{}").await.code(), code, "{origin}");
    }
}
