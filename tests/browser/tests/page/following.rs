//! Following: what is shown is true, or the page says that it is not.

use crate::{open, open_as, with_keys};
use page_tests::{Browser, Server, Signal, WIDE, key};
use serde_json::{Value, json};

/// Lets reads of the lock's state wait for `window.go`, from the second on; or fails them as often as `window.fail` says.
const SLOW: &str = "
const real = window.fetch;
window.fail = 0; window.reads = 0; window.slow = false;
window.fetch = async (path, init) => {
  const answer = await real(path, init);
  if (!String(path).includes('tickets=200')) return answer;
  reads++;
  if (window.fail-- > 0) return new Response('{\"detail\": \"not now\"}', {status: 503});
  while (window.slow) await new Promise((go) => setTimeout(go, 20));
  return answer;
};";

#[tokio::test]
async fn what_happens_during_a_read_is_seen() {
    let server = Server::start("[lock san-ssh]\nSIZE=3\n").await;
    let browser = Browser::start(WIDE).await;
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": SLOW})).await;
    open(&browser, &server, "/locks/san-ssh").await;
    browser.js("window.slow = true; window.reads = 0", Vec::new()).await;
    server.take("san-ssh", "first", 600).await;
    browser.until("it reads", "return window.reads === 1").await;
    // This one comes after what is being read, and nothing comes after it.
    server.take("san-ssh", "second", 600).await;
    let logged = "return new Promise((go) => setTimeout(() => go(true), 300))";
    browser.js(logged, Vec::new()).await;
    browser.js("window.slow = false", Vec::new()).await;
    browser.until_text("#holders", "second").await;

    // A read that fails is repeated, and what is shown is not called live.
    browser.js("window.fail = 1", Vec::new()).await;
    server.take("san-ssh", "third", 600).await;
    browser.until_text("#state", "Connection lost").await;
    browser.until_text("#holders", "third").await;
    browser.until_text("#state", "Live").await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn rights_that_a_reload_takes_away() {
    let rights = |locks: &str| {
        format!("{}[anonymous]\nRIGHTS=none\n[lock san-ssh]\nSIZE=1\n", key("ops", "use, observe, admin", locks))
    };
    let server = Server::start(&rights("*")).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.until_text(".title", "Delete").await;
    server.reload(&rights("other-*"));
    browser.until_text("#message", "Your key is not enough for this lock").await;
    assert_eq!(browser.text("#state").await, "", "nothing is live on the form");
    // And so for who comes with such a key.
    browser.open(&server.url("/locks/san-ssh")).await;
    browser.until_text("#message", "Your key is not enough for this lock").await;
    browser.end(&["403", "401", "ERR_INCOMPLETE_CHUNKED_ENCODING"]).await;
}

/// A tab that is behind others, until `window.behind` is false.
const BEHIND: &str = "
window.behind = true; window.asked = [];
Object.defineProperty(Document.prototype, 'hidden', {get: () => window.behind});
const real = window.fetch;
window.fetch = (path, init) => { asked.push([String(path), init?.signal]); return real(path, init) };
window.turn = (behind) => { window.behind = behind; document.dispatchEvent(new Event('visibilitychange')) };";

#[tokio::test]
async fn a_tab_that_nobody_looks_at_keeps_no_connection() {
    let server = Server::start("[lock san-ssh]\nSIZE=3\n[lock other]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": BEHIND})).await;
    browser.open(&server.url("/")).await;
    browser.until("the page is there", "return document.readyState === 'complete'").await;
    assert_eq!(browser.js("return window.asked.length", Vec::new()).await, 0);
    browser.js("turn(false)", Vec::new()).await;
    browser.until_text("#state", "Live").await;
    browser.js("const s = document.getElementById('search'); s.focus(); s.value = 'san'; s.dispatchEvent(new Event('input')); turn(true)", Vec::new()).await;
    let stopped = "const last = asked.filter(([path]) => path.startsWith('/v1/events')).at(-1); return last[1].aborted";
    assert_eq!(browser.js(stopped, Vec::new()).await, false);
    browser.until("it lets the connection go", stopped).await;
    server.take("san-ssh", "meanwhile", 600).await;
    browser.js("turn(false)", Vec::new()).await;
    browser.until_text("#state", "Live").await;
    browser.until_text("#rows", "1 of 3").await;
    let kept = "const s = document.getElementById('search'); return [s.value, document.activeElement === s, document.querySelectorAll('#rows .row:not([hidden])').length]";
    assert_eq!(browser.js(kept, Vec::new()).await, json!(["san", true, 1]));
    browser.end(&["ERR_INCOMPLETE_CHUNKED_ENCODING"]).await;
}

#[tokio::test]
async fn many_locks_made_at_once_have_their_descriptions() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    for number in 0..12 {
        let body = json!({"size": 1, "description": format!("made as number {number}")});
        server.ok("PUT", &format!("/v1/locks/new-{number}"), body).await;
    }
    for number in 0..12 {
        browser
            .until_text(&format!("#rows .row:has(a[href='/locks/new-{number}'])"), &format!("made as number {number}"))
            .await;
    }
    server.ok("PATCH", "/v1/locks/new-3", json!({"description": "a needle"})).await;
    browser.until_text("#rows", "a needle").await;
    browser
        .js(
            "const s = document.getElementById('search'); s.value = 'needle'; s.dispatchEvent(new Event('input'))",
            Vec::new(),
        )
        .await;
    let found = "return [...document.querySelectorAll('#rows .row:not([hidden]) a')].map((a) => a.textContent)";
    assert_eq!(browser.js(found, Vec::new()).await, json!(["new-3"]));
    browser.end(&[]).await;
}

#[tokio::test]
async fn what_is_open_in_the_log_stays_open() {
    let server = Server::start("[lock san-ssh]\nSIZE=1\n").await;
    let long = server.take("san-ssh", &"long ".repeat(100), 600).await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/locks/san-ssh").await;
    browser.until_text("#log", "was let in").await;
    browser.js("const s = document.querySelector('#log summary'); s.click(); s.focus()", Vec::new()).await;
    server.release(&long).await;
    browser.until_text("#log", "gave it back").await;
    let open = "return document.querySelectorAll('#log details[open]').length === 1 && document.activeElement.matches('#log summary')";
    assert_eq!(browser.js(open, Vec::new()).await, true);
    // Many changes, few announcements.
    browser.js("window.said = 0; new MutationObserver(() => window.said++).observe(document.getElementById('say'), {childList: true, characterData: true, subtree: true})", Vec::new()).await;
    for number in 0..30 {
        let ticket = server.take("san-ssh", &format!("job {number}"), 600).await;
        server.release(&ticket).await;
    }
    browser.until_text("#log", "job 29 gave it back").await;
    let said = browser.js("return window.said", Vec::new()).await;
    assert!(said.as_u64().unwrap() <= 2, "{said} announcements");
    browser.end(&[]).await;
}

#[tokio::test]
async fn a_server_that_forgot_its_events_is_read_anew() {
    let mut server = Server::start("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/locks/san-ssh").await;
    server.kill().await;
    browser.until_text("#state", "Connection lost").await;
    server.run().await;
    server.take("san-ssh", "while away", 600).await;
    browser.until_text("#holders", "while away").await;
    browser.until_text("#state", "Live").await;
    server.signal(Signal::HUP);
    assert_eq!(server.ok("GET", "/v1/locks/san-ssh", Value::Null).await["in_use"], 1);
    browser.end(&["ERR_"]).await;
}
