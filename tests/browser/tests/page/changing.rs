//! What changes while a question is asked: nothing is done that was not meant.

use crate::{open_as, with_keys};
use page_tests::{Browser, Server, Signal, WIDE};
use serde_json::{Value, json};

async fn take(server: &Server, lock: &str, info: &str, permits: u32) -> Value {
    let body = json!({"info": info, "permits": permits, "ttl_s": 600, "queue": true});
    server.ok("POST", &format!("/v1/locks/{lock}/tickets"), body).await
}

async fn size(server: &Server) -> Value {
    server.ok("GET", "/v1/locks/san-ssh", Value::Null).await["size"].clone()
}

#[tokio::test]
async fn a_size_that_changes_under_the_question() {
    let server = with_keys("[lock san-ssh]\nSIZE=3\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#resize").await;
    browser.js("document.querySelector('dialog input').value = 4", Vec::new()).await;
    server.ok("PATCH", "/v1/locks/san-ssh", json!({"size": 5})).await;
    // The page behind the question has heard of it; the question was about 3 all the same.
    browser.until_text("#holders", "5 free").await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "It has changed meanwhile: nothing was done. Its size is 5 now").await;
    browser.until_text("dialog .question", "It has 5 permits now").await;
    assert_eq!(size(&server).await, 5);
    browser.click("dialog .main").await;
    browser.until_text("h2", "0 of 4 in use").await;
    assert_eq!(size(&server).await, 4);

    // So for the others: a pause that somebody has set, or ended, already.
    browser.click("#pause").await;
    browser.until_text("dialog", "Nobody is let in while it is paused").await;
    server.ok("PATCH", "/v1/locks/san-ssh", json!({"paused": true, "reason": "theirs"})).await;
    browser.until_text("#why", "theirs").await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "Somebody has paused it already").await;
    browser.click("#cancel").await;
    assert_eq!(server.ok("GET", "/v1/locks/san-ssh", Value::Null).await["pause_reason"], "theirs");
    browser.click("#delete").await;
    server.ok("PATCH", "/v1/locks/san-ssh", json!({"paused": false})).await;
    browser.until_text("#why", "the next one gets in").await;
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "Its settings have changed").await;
    assert_eq!(size(&server).await, 4, "it is still there");

    // A lock that goes while the question stands.
    browser.click("#cancel").await;
    let ticket = server.take("san-ssh", "quick", 600).await;
    browser.until_text("#holders", "quick").await;
    browser.click("#holders button").await;
    server.ok("DELETE", "/v1/locks/san-ssh?force=true", Value::Null).await;
    browser.until_text("#message", "was deleted").await;
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "nothing was done. The lock is gone.").await;
    assert!(ticket["number"].is_u64());
    browser.end(&["412", "410", "404"]).await;
}

#[tokio::test]
async fn a_waiter_that_holds_by_now_is_not_ended() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let held = server.take("san-ssh", "first", 600).await;
    let waiter = server.take("san-ssh", "second", 600).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#queue button").await;
    browser.until_text("dialog", "It waits, and loses its place in the queue.").await;
    server.release(&held).await;
    let id = waiter["id"].as_str().unwrap();
    assert_eq!(server.ok("GET", &format!("/v1/tickets/{id}"), Value::Null).await["state"], "held");
    browser.until_text("h2", "1 of 1 in use").await;
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "nothing was done. Now it holds its permits").await;
    browser.until_text("dialog .question", "It holds its permits now and loses them").await;
    assert_eq!(server.ok("GET", &format!("/v1/tickets/{id}"), Value::Null).await["state"], "held");
    browser.click("dialog .danger").await;
    browser.until_text("#log", "second was ended by ops").await;
    browser.end(&["409"]).await;
}

#[tokio::test]
async fn questions_name_who_is_concerned() {
    let server = with_keys("[lock san-ssh]\nSIZE=4\n[lock seats]\nSLOTS=a, b\n").await;
    server.ok("PATCH", "/v1/locks/san-ssh", json!({"paused": true})).await;
    for (info, permits) in [("three", 3), ("two", 2), ("two more", 2), ("one", 1)] {
        take(&server, "san-ssh", info, permits).await;
    }
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#resume").await;
    browser.until_text("dialog", "This one is let in at once:three #1").await;
    assert!(!browser.text("dialog").await.contains("two"), "the second does not fit");
    browser.click("dialog .main").await;
    browser.until_text("h2", "3 of 4 in use").await;

    // A size: the tickets that get in, or stand in the way.
    let size = async |to: u32| {
        let script = format!(
            "const i = document.querySelector('dialog input'); i.value = {to}; i.dispatchEvent(new Event('input', {{bubbles: true}})); return document.querySelector('.preview').innerText"
        );
        browser.js(&script, Vec::new()).await.as_str().unwrap().to_owned()
    };
    browser.click("#resize").await;
    let more = size(7).await;
    assert!(
        more.contains("These 2 are let in at once:") && more.contains("two more") && !more.contains("one"),
        "{more}"
    );
    let less = size(2).await;
    assert!(
        less.contains("3 permits must come back before the first in line gets in") && less.contains("three"),
        "{less}"
    );
    let none = size(1).await;
    assert!(none.contains("These wait for more than that and end:") && none.contains("two more"), "{none}");
    assert!(size(4).await.is_empty());
    browser.click("#cancel").await;

    // The next one does not fit, or is dormant.
    browser.click("#holders button").await;
    browser.until_text("dialog", "These 2 are let in at once:two #2").await;
    browser.click("#cancel").await;

    // Slots that go with their names.
    server.take("seats", "on a", 600).await;
    open_as(&browser, &server, "ops", "/locks/seats").await;
    browser.click("#resize").await;
    let swap = "const i = document.querySelector('dialog textarea'); i.value = 'b\\nc'; i.dispatchEvent(new Event('input', {bubbles: true})); return document.querySelector('.preview').innerText";
    let told = browser.js(swap, Vec::new()).await;
    assert!(told.as_str().unwrap().contains("until these give them back") && told.as_str().unwrap().contains("on a"));
    browser.end(&[]).await;
}

#[tokio::test]
async fn the_keyboard_stays_where_it_is() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    server.take("san-ssh", "job", 600).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#delete").await;
    browser.js("document.querySelector('dialog .danger').focus()", Vec::new()).await;
    browser.keys("\u{e007}").await;
    browser.until_text("dialog .error", "This ends 1 ticket").await;
    assert_eq!(browser.js("return document.activeElement.matches('dialog .danger')", Vec::new()).await, true);
    browser.end(&["409"]).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_told_of_and_may_have_done_it() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.js("window.lostAfter = undefined; const began = performance.now(); const look = setInterval(() => { if (document.getElementById('state').textContent.includes('lost')) { window.lostAfter = performance.now() - began; clearInterval(look) } }, 20)", Vec::new()).await;
    server.signal(Signal::STOP);
    browser.click("#pause").await;
    browser.click("dialog .main").await;
    let after = browser.until("it is said", "return window.lostAfter").await;
    assert!(after.as_f64().unwrap() < 10_000.0, "{after} ms");
    browser.until_text("dialog .error", "It may be done all the same").await;
    server.signal(Signal::CONT);
    browser.until_text("#state", "Live").await;
    browser.end(&["ERR_"]).await;
}
