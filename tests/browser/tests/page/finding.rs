//! Finding: who holds where, what needs attention, and what of it stands in the address.

use crate::{open, open_as, with_keys};
use page_tests::{Browser, WIDE};
use serde_json::{Value, json};

/// Types into the search.
async fn search(browser: &Browser, text: &str) {
    let type_in =
        "const s = document.getElementById('search'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))";
    browser.js(type_in, vec![text.into()]).await;
}

/// The names of the locks that are shown, in their order.
async fn shown(browser: &Browser) -> Value {
    browser
        .js("return [...document.querySelectorAll('#rows .row:not([hidden]) a')].map((a) => a.textContent)", Vec::new())
        .await
}

#[tokio::test]
async fn what_needs_attention_is_first_and_small_locks_say_who_holds() {
    let server = with_keys("[lock aa]\nSIZE=1\n[lock bb]\nSIZE=2\n[lock cc]\nSIZE=1\n[lock dd]\nSIZE=9\n").await;
    server.take("cc", "release 7.1", 600).await;
    server.take("cc", "release 7.2", 600).await;
    server.take("dd", "one of many", 600).await;
    server.ok("PATCH", "/v1/locks/bb", json!({"paused": true, "reason": "firmware"})).await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    assert_eq!(shown(&browser).await, json!(["cc", "bb", "aa", "dd"]));
    browser.until_text("#rows .row:has(a[href='/locks/cc'])", "held by release 7.1").await;
    assert!(!browser.text("#rows").await.contains("one of many"), "a large lock has too many to name");
    // It follows.
    let ticket = server.take("aa", "night build", 600).await;
    browser.until_text("#rows .row:has(a[href='/locks/aa'])", "held by night build").await;
    server.release(&ticket).await;
    browser
        .until(
            "nobody holds it",
            "return document.querySelector('#rows .row:has(a[href=\"/locks/aa\"]) small + small').hidden",
        )
        .await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn holders_are_found_by_what_they_say() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n[lock deploy-web]\nSIZE=3\nDESCRIPTION=one stage\n").await;
    server.take("san-ssh", "backup of db1 https://ci.example.com/job/7", 600).await;
    server.take("san-ssh", "backup of db2", 600).await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    search(&browser, "db1").await;
    browser.until_text("#found", "san-ssh").await;
    let found = browser.text("#found").await;
    assert!(found.contains("holds for") && found.contains("backup of db1") && !found.contains("db2"), "{found}");
    let link = "const a = document.querySelector('#found bdi a'); return [a.href, a.rel]";
    assert_eq!(browser.js(link, Vec::new()).await, json!(["https://ci.example.com/job/7", "noopener noreferrer"]));
    search(&browser, "db2").await;
    browser.until_text("#found", "waits for").await;
    // Words of a name in any order; Enter opens the only one that is left.
    search(&browser, "web deploy").await;
    assert_eq!(shown(&browser).await, json!(["deploy-web"]));
    let enter =
        "document.getElementById('search').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))";
    browser.js(enter, Vec::new()).await;
    browser.until_text("h1", "deploy-web").await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn what_is_shown_stands_in_the_address() {
    let server = with_keys("[lock aa]\nSIZE=1\n[lock bb]\nSIZE=2\n[lock cc]\nSIZE=1\n").await;
    server.take("cc", "x", 600).await;
    server.ok("PATCH", "/v1/locks/bb", json!({"paused": true})).await;
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    browser.click("#show-paused").await;
    assert_eq!(shown(&browser).await, json!(["bb"]));
    browser.click("#show-full").await;
    assert_eq!(shown(&browser).await, json!(["bb", "cc"]));
    assert_eq!(browser.js("return location.search", Vec::new()).await, "?show=paused%2Cfull");
    assert_eq!(browser.text("#show-full b").await, "1");
    // Another user with that address sees the same.
    browser.open("about:blank").await;
    open(&browser, &server, "/?find=c&show=paused,full&order=name").await;
    assert_eq!(shown(&browser).await, json!(["cc"]));
    assert_eq!(browser.js("return document.getElementById('order').value", Vec::new()).await, "name");
    browser.end(&[]).await;
}

#[tokio::test]
async fn a_long_queue_is_folded_and_the_server_is_named() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    for number in 0..40 {
        server.take("san-ssh", &format!("job {number}"), 600).await;
    }
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/locks/san-ssh").await;
    let rows = "return document.querySelectorAll('#queue tr').length";
    assert_eq!(browser.js(rows, Vec::new()).await, 21, "20 that wait, and a button");
    browser.click("#all-queue").await;
    browser.until_text("#queue", "job 39").await;
    let host = browser.js("return location.host", Vec::new()).await;
    let host = host.as_str().unwrap();
    assert_eq!(browser.js("return document.title", Vec::new()).await, format!("san-ssh · {host}"));
    assert!(browser.text(".top").await.contains(host));
    browser.until_text("#version", &format!("lockserver {} at {host}", env!("CARGO_PKG_VERSION"))).await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn settings_are_changed_and_the_log_says_by_whom() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#settings").await;
    let fill = "const set = (name, value) => document.querySelector(`dialog [name=${name}]`).value = value; set('max_hold_time_s', '1h 30min'); set('description', 'disks of db1'); set('max_per_owner', 1); set('min_hold_time_s', '2 min'); set('pick', 'lru')";
    browser.js(fill, Vec::new()).await;
    browser.click("dialog .main").await;
    browser.until_text("#log", "max hold time never → 1 h 30 min, ").await;
    browser.until_text("#log", ", min hold time 0 s → 2 min, description “” → “disks of db1” by ops").await;
    let lock = server.ok("GET", "/v1/locks/san-ssh", Value::Null).await;
    assert_eq!(lock["settings"]["max_hold_time_s"], 5400);
    let others = ["max_per_owner", "min_hold_time_s", "pick"].map(|name| &lock["settings"][name]);
    assert_eq!(others, [&json!(1), &json!(120), &json!("lru")]);
    assert_eq!(lock["settings"]["max_lock_time_s"], 300, "what was not touched is as it was");
    // What is no time is said, and nothing is changed.
    browser.click("#settings").await;
    browser.js("document.querySelector('dialog [name=max_hold_time_s]').value = '5 moons'", Vec::new()).await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "write a time, such as 90 s").await;
    browser.click("#cancel").await;
    browser.end(&[]).await;
}

#[tokio::test]
async fn a_new_tab_is_signed_in_as_the_others_are() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/").await;
    browser.until_text("#who", "Signed in as ops").await;
    // Another page of this origin, which has no storage of its own: what a new tab does.
    let ask = "const tabs = new BroadcastChannel('lockserver'); return new Promise((done) => { tabs.onmessage = ({data}) => data.key && done(typeof data.key); tabs.postMessage('who'); })";
    assert_eq!(browser.js(ask, Vec::new()).await, "string", "one that is signed in tells it");
    browser.js("new BroadcastChannel('lockserver').postMessage('out')", Vec::new()).await;
    browser.until("signed out with the others", "return sessionStorage.getItem('lockserver-key') === null").await;
    browser.end(&[]).await;
}
