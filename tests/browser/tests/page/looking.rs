//! Looking: what happens elsewhere is seen without a reload, and a lost connection at once.

use crate::{open, with_keys};
use page_tests::{Browser, Look, Server, WIDE};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_grant_made_elsewhere_appears_without_a_reload() {
    let server = Server::start("[lock san-ssh]\nSIZE=2\nDESCRIPTION=Sessions of the SAN\n[lock other]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    browser.js("window.unreloaded = true", Vec::new()).await;
    assert!(browser.text("#rows").await.contains("Sessions of the SAN"));
    browser.until_text("#sum", "0 of 3 permits in use").await;
    let tickets = [
        server.take("san-ssh", "first", 600).await,
        server.take("san-ssh", "second", 600).await,
        server.take("san-ssh", "third", 600).await,
    ];
    browser.until_text("#sum", "2 of 3 permits in use · 1 waiting, longest in san-ssh").await;
    let row = "#rows .row:has(a[href='/locks/san-ssh'])";
    browser.until_text(row, "2 of 2").await;
    assert_eq!(
        browser.js("return document.querySelectorAll(arguments[0] + ' rect.held').length", vec![row.into()]).await,
        2
    );

    browser.click("a[href='/locks/san-ssh']").await;
    browser.until_text("#holders", "second").await;
    browser.until_text("#queue", "third").await;
    browser.until_text("#why", "All 2 are in use. 1 waits, for").await;
    browser.js("window.unreloaded = true", Vec::new()).await;
    server.release(&tickets[0]).await;
    browser.until_text("#holders", "third").await;
    browser.until_text("#log", "first gave it back after").await;
    assert!(!browser.text("#holders").await.contains("first"));
    assert_eq!(browser.js("return window.unreloaded", Vec::new()).await, true);
    browser.end(&[]).await;
}

#[tokio::test]
async fn locks_come_and_go() {
    let server = with_keys("[lock san-ssh]\nSIZE=2\n[lock job-*]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    server.ok("PUT", "/v1/locks/new", json!({"size": 3, "description": "made while you look"})).await;
    browser.until_text("#rows", "made while you look").await;
    let ticket = server.take("job-7", "x", 60).await;
    browser.until_text("#rows", "job-7").await;
    server.release(&ticket).await;
    server.ok("PATCH", "/v1/locks/new", json!({"paused": true, "reason": "firmware"})).await;
    browser.until_text("#rows .row:has(a[href='/locks/new'])", "paused").await;
    browser.open(&server.url("/locks/new")).await;
    browser.until_text("#why", "Reason: “\u{2068}firmware").await;
    server.ok("DELETE", "/v1/locks/new", Value::Null).await;
    browser.until_text("#message", "was deleted").await;
    open(&browser, &server, "/").await;
    assert!(!browser.text("#rows").await.contains("made while"));
    browser
        .js(
            "const s = document.getElementById('search'); s.value = 'SAN'; s.dispatchEvent(new Event('input'))",
            Vec::new(),
        )
        .await;
    assert_eq!(
        browser
            .js(
                "return [...document.querySelectorAll('#rows .row:not([hidden]) a')].map((a) => a.textContent)",
                Vec::new()
            )
            .await,
        json!(["san-ssh"])
    );
    // What is not there any more is said, and not more.
    browser.end(&["404"]).await;
}

#[tokio::test]
async fn a_lease_counts_down_and_a_renewal_is_seen() {
    let server = Server::start("[lock san-ssh]\nSIZE=1\n").await;
    let ticket = server.take("san-ssh", "mine", 20).await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/locks/san-ssh").await;
    let left = async || {
        let text = browser.text("#holders .lease").await;
        text.strip_suffix(" s").and_then(|seconds| seconds.parse::<u32>().ok()).unwrap_or_else(|| panic!("{text:?}"))
    };
    let first = left().await;
    assert!((1..=20).contains(&first), "{first}");
    let below = format!("return parseInt(document.querySelector('#holders .lease').textContent) < {}", first - 2);
    browser.until("it counts down", &below).await;
    // Renewed behind its back, it is read again before the page says that it ends.
    let id = ticket["id"].as_str().unwrap();
    server.ok("POST", &format!("/v1/tickets/{id}/renew"), json!({"ttl_s": 600})).await;
    browser.until_text("#holders .lease", "min").await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn a_server_that_restarts_under_the_page() {
    let mut server = Server::start("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    server.take("san-ssh", "before", 600).await;
    browser.until_text("#rows", "1 of 1").await;
    server.kill().await;
    browser.until_text("#state", "Connection lost").await;
    browser.until_text("#age", "What you see is from").await;
    assert!(browser.text("#rows").await.contains("1 of 1"), "what was shown stays");
    server.run().await;
    browser.until_text("#state", "Live").await;
    server.take("san-ssh", "after", 600).await;
    browser.until_text("#sum", "1 waiting").await;
    browser.open(&server.url("/locks/san-ssh")).await;
    browser.until_text("#queue", "after").await;
    browser.end(&["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]).await;
}

#[tokio::test]
async fn it_can_be_read_without_scripts() {
    let server = Server::start("[lock san-ssh]\nSIZE=2\nDESCRIPTION=Sessions of the SAN\n").await;
    for info in ["first", "second", "third"] {
        server.take("san-ssh", info, 600).await;
    }
    let browser = Browser::start(Look { scripts: false, ..WIDE }).await;
    browser.open(&server.url("/")).await;
    let text = browser.text("body").await;
    for part in ["2 of 2 permits in use, 1 waiting", "san-ssh", "Sessions of the SAN"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    browser.click("a[href='/locks/san-ssh']").await;
    let text = browser.text("body").await;
    for part in ["All 2 are in use. 1 waits, for", "first", "second", "third", "Queue: 1 waiting"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    browser.end(&[]).await;
}

#[tokio::test]
async fn the_reasons_are_the_same_without_scripts() {
    let server =
        with_keys("[lock paused]\nSIZE=2\n[lock withheld]\nSIZE=1\nLOCK_DELAY=36000\n[lock seats]\nSLOTS=a, b, c\n")
            .await;
    server.ok("PATCH", "/v1/locks/paused", json!({"paused": true, "reason": "firmware", "until_s": 36_000})).await;
    let lost = server.take("withheld", "lost", 600).await;
    server.ok("DELETE", &format!("/v1/locks/withheld/tickets/{}", lost["number"]), Value::Null).await;
    server.take("seats", "one", 600).await;
    let told = [
        (
            "paused",
            "Paused by \u{2068}ops\u{2069} for 10 h more: nobody is let in. Nobody waits. Reason: “\u{2068}firmware\u{2069}”.",
        ),
        ("withheld", "Its only permit is withheld (for another 10 h), nobody waits."),
        ("seats", "2 of 3 are free: the next one gets in at once."),
    ];
    for scripts in [true, false] {
        let browser = Browser::start(Look { scripts, ..WIDE }).await;
        for (lock, why) in told {
            browser.open(&server.url(&format!("/locks/{lock}"))).await;
            browser.until_text(".why", why).await;
            if scripts {
                browser.until_text("#state", "Live").await;
                assert_eq!(browser.text(".why").await, why);
            }
        }
        assert!(browser.text("main").await.contains(if scripts { "c\tfree" } else { "b, c\t2 free" }));
        browser.end(&[]).await;
    }
}

#[tokio::test]
async fn what_the_server_warns_of_is_shown() {
    let server = Server::start("[general]\nUNKNOWN_OPTION=1\n[lock san-ssh]\nSIZE=1\n").await;
    let warnings = server.ok("GET", "/v1/status", Value::Null).await["warnings"].clone();
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    for warning in warnings.as_array().unwrap() {
        browser.until_text("#notices", warning.as_str().unwrap()).await;
    }
    assert!(!warnings.as_array().unwrap().is_empty());
    browser.end(&[]).await;
}

#[tokio::test]
async fn plots_show_what_was() {
    let server = Server::start("[lock san-ssh]\nSIZE=4\n").await;
    for info in ["a", "b"] {
        server.take("san-ssh", info, 600).await;
    }
    let done = server.take("san-ssh", "c", 600).await;
    server.release(&done).await;
    // The server looks at its locks every second.
    tokio::time::timeout(Duration::from_secs(20), async {
        while server.ok("GET", "/v1/locks/san-ssh/history", Value::Null).await["hour"]["size"]
            .as_array()
            .unwrap()
            .is_empty()
        {
            tokio::time::sleep(page_tests::LOOK).await;
        }
    })
    .await
    .expect("a sample");
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/locks/san-ssh").await;
    browser
        .until_text(
            ".verdict",
            "nothing is known of the time before), no permit was left for 0 % of the time, on average",
        )
        .await;
    assert!(browser.text(".times").await.contains("Held"));
    assert_eq!(
        browser
            .js("return document.querySelectorAll('.plot svg[role=img][aria-label] path.line').length >= 3", Vec::new())
            .await,
        true
    );
    browser.click(".spans input[value=day]").await;
    browser.until_text(".verdict", "Since ").await;
    browser.end(&[]).await;
}
