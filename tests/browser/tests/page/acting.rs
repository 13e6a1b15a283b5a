//! Acting: signing in, and changing things after a question that says what will happen.

use crate::{open, open_as, with_keys};
use page_tests::{Browser, SECRET, Server, WIDE, key};
use serde_json::{Value, json};

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const ESCAPE: char = '\u{e00c}';

/// Presses the tabulator until something has the focus.
async fn tab_to(browser: &Browser, selector: &str) {
    for _ in 0..60 {
        browser.keys(&TAB.to_string()).await;
        if browser.js("return document.activeElement.matches(arguments[0])", vec![selector.into()]).await == true {
            return;
        }
    }
    panic!("the tabulator does not lead to {selector}");
}

#[tokio::test]
async fn a_ticket_is_ended_with_the_keyboard_alone() {
    let server = with_keys("[lock san-ssh]\nSIZE=1\n").await;
    let held = server.take("san-ssh", "the stuck one", 600).await;
    server.take("san-ssh", "the next one", 600).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/").await;
    tab_to(&browser, "#rows a[href='/locks/san-ssh']").await;
    browser.keys(&ENTER.to_string()).await;
    browser.until_text("#holders", "the stuck one").await;
    let end = format!("#holders button[aria-label='End ticket {}…']", held["number"]);
    tab_to(&browser, &end).await;
    browser.keys(&ENTER.to_string()).await;
    browser.until_text("dialog", "This one is let in at once:the next one").await;
    assert!(browser.text("dialog").await.contains("the stuck one"));
    // Escape does nothing, and one is back where one was.
    browser.keys(&ESCAPE.to_string()).await;
    browser.until("the question is gone", "return !document.querySelector('dialog')").await;
    assert_eq!(browser.js("return document.activeElement.matches(arguments[0])", vec![end.into()]).await, true);
    browser.keys(&ENTER.to_string()).await;
    browser.until("the reason has the focus", "return document.activeElement.name === 'reason'").await;
    browser.keys(&format!("host is gone{ENTER}")).await;
    browser.until_text("#holders", "the next one").await;
    browser.until_text("#log", "the stuck one was ended by ops").await;
    let id = held["id"].as_str().unwrap();
    let (status, gone) = server.call("GET", &format!("/v1/tickets/{id}"), Value::Null).await;
    let ended = &gone["tickets"][0];
    assert_eq!(status, 410, "{gone}");
    assert_eq!((ended["ended_as"].as_str(), ended["reason"].as_str()), (Some("revoked"), Some("host is gone")));
    browser.end(&[]).await;
}

#[tokio::test]
async fn signing_in_and_out() {
    let keys = key("ops", "use, observe, admin", "*") + &key("ci", "use", "*");
    let server = Server::start(&format!("{keys}[anonymous]\nRIGHTS=none\n[lock san-ssh]\nSIZE=1\n")).await;
    server.take("san-ssh", "a secret matter", 600).await;
    let browser = Browser::start(WIDE).await;
    browser.open(&server.url("/locks/san-ssh")).await;
    browser.until("a field for the key", "return document.activeElement.id === 'key'").await;
    assert!(
        !browser
            .js("return document.documentElement.outerHTML", Vec::new())
            .await
            .to_string()
            .contains("secret matter")
    );
    browser.keys(&format!("lsk_wrong{ENTER}")).await;
    browser.until_text(".error", "Wrong key.").await;
    browser.js("document.getElementById('key').value = ''", Vec::new()).await;
    browser.keys(&format!("ops{SECRET}{ENTER}")).await;
    browser.until_text("#holders", "a secret matter").await;
    browser.until_text("#who", "Signed in as ops").await;
    assert!(browser.text(".title").await.contains("Delete…"));
    // The key goes with the tab, and nowhere else.
    assert_eq!(browser.js("return localStorage.length + document.cookie.length", Vec::new()).await, 0);
    browser.open(&server.url("/")).await;
    browser.until_text("#rows", "san-ssh").await;
    browser.click("#sign-out").await;
    browser
        .until("a field for the key", "return document.querySelector('#key') && !document.querySelector('#rows')")
        .await;
    assert_eq!(browser.js("return sessionStorage.getItem('lockserver-key')", Vec::new()).await, Value::Null);
    // A key that may not look is told so.
    browser.keys(&format!("ci{SECRET}{ENTER}")).await;
    browser.until_text("#message", "does not have the right").await;
    browser.end(&["401", "403"]).await;
}

#[tokio::test]
async fn buttons_are_there_for_those_who_may() {
    let server = with_keys("[lock san-ssh]\nSIZE=2\n[lock other]\nSIZE=1\n").await;
    server.take("san-ssh", "of ops", 600).await;
    let browser = Browser::start(WIDE).await;
    let buttons = "return [...document.querySelectorAll('main button:not(.chip)')].map((b) => b.textContent)";
    open(&browser, &server, "/locks/san-ssh").await;
    browser.until_text("#holders", "of ops").await;
    assert_eq!(browser.js(buttons, Vec::new()).await, json!([]), "without a key");
    open(&browser, &server, "/").await;
    assert_eq!(browser.js(buttons, Vec::new()).await, json!([]));
    open_as(&browser, &server, "ci", "/locks/san-ssh").await;
    browser.until_text("#holders", "of ops").await;
    assert_eq!(browser.js(buttons, Vec::new()).await, json!([]), "with a key that does not administer");
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.until_text("#holders", "of ops").await;
    assert_eq!(
        browser.js(buttons, Vec::new()).await,
        json!(["Resize…", "Withhold…", "Pause…", "Settings…", "End tickets…", "Delete…", "End…"])
    );
    browser.end(&[]).await;
}

#[tokio::test]
async fn a_ticket_that_ended_by_itself_is_left_alone() {
    let server = with_keys("[lock san-ssh]\nSIZE=3\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    let ticket = server.take("san-ssh", "quick", 600).await;
    browser.until_text("#holders", "quick").await;
    browser.click("#holders button").await;
    server.release(&ticket).await;
    browser.until_text("#log", "gave it back").await;
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "nothing was done").await;
    assert_eq!(browser.js("return document.querySelector('dialog .danger').hidden", Vec::new()).await, true);
    browser.end(&["412", "410", "404"]).await;
}

#[tokio::test]
async fn what_would_end_tickets_names_them_and_asks_again() {
    let server = with_keys("[lock san-ssh]\nSIZE=2\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/").await;
    browser.click("#make").await;
    browser.keys(&format!("ports{TAB}")).await;
    browser.js("document.querySelector('dialog input[name=size]').value = 2", Vec::new()).await;
    browser.click("dialog .main").await;
    browser.until_text("h1", "ports").await;
    browser.until_text("#state", "Live").await;
    for info in ["one job", "two jobs", "three jobs"] {
        server.take("ports", info, 600).await;
    }
    browser.until_text("#queue", "three jobs").await;

    browser.click("#pause").await;
    browser.keys("firmware").await;
    browser.click("dialog .main").await;
    browser.until_text("#why", "Paused by \u{2068}ops\u{2069}: nobody is let in. 1 waits.").await;
    assert_eq!(server.ok("GET", "/v1/locks/ports", Value::Null).await["pause_reason"], "firmware");
    browser.click("#resume").await;
    browser.click("dialog .main").await;
    browser.until_text("#why", "All 2 are in use").await;

    browser.click("#delete").await;
    let question = browser.text("dialog").await;
    for part in ["2 holders and 1 in the queue", "one job", "two jobs", "three jobs"] {
        assert!(question.contains(part), "{part} in {question}");
    }
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "This ends 3 tickets").await;
    browser.click("dialog .danger").await;
    browser.until("back at all locks", "return location.pathname === '/'").await;
    assert_eq!(server.call("GET", "/v1/locks/ports", Value::Null).await.0, 404);
    browser.end(&["409", "404"]).await;
}

#[tokio::test]
async fn all_of_a_dead_pipeline_end_after_a_look_at_them() {
    let server = with_keys("[lock san-ssh]\nSIZE=2\n").await;
    let dead = server.take("san-ssh", "pipeline 8: deploy", 600).await;
    let other = server.take("san-ssh", "another job", 600).await;
    for number in 0..3 {
        server.take("san-ssh", &format!("pipeline 8: step {number}"), 600).await;
    }
    server.take("san-ssh", "pipeline 9", 600).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.until_text("#queue", "pipeline 9").await;
    browser.click("#end-many").await;
    // As long as nothing is chosen nothing ends.
    browser.until_text("dialog .preview", "Choose which tickets").await;
    browser.click("dialog .danger").await;
    browser.until_text("dialog .error", "Choose which tickets first: nothing was done.").await;
    browser.click("dialog input[name=info]").await;
    browser.keys("PIPELINE 8").await;
    browser
        .until_text("dialog .preview", "1 holder loses its permits, 3 tickets in the queue lose their places:")
        .await;
    browser.until_text("dialog .preview", "This one is let in at once:pipeline 9").await;
    let told = browser.text("dialog .preview").await;
    assert!(
        told.contains("holds pipeline 8: deploy") && told.contains("step 2") && !told.contains("another"),
        "{told}"
    );
    browser.click("dialog input[name=reason]").await;
    browser.keys("it is dead").await;
    // One of them is given its permit while the question stands, and may be at work.
    server.release(&other).await;
    browser.click("dialog .danger").await;
    browser
        .until_text(
            "dialog .error",
            "3 tickets ended. One had ended or begun to work meanwhile: nothing was done to it.",
        )
        .await;
    browser.until_text("dialog .preview", "1 holder loses its permits:").await;
    let infos = async || {
        let lock = server.ok("GET", "/v1/locks/san-ssh", Value::Null).await;
        lock["holders"].as_array().unwrap().iter().map(|one| one["info"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(infos().await, ["pipeline 8: step 0", "pipeline 9"]);
    browser.click("dialog .danger").await;
    browser.until("the question is gone", "return !document.querySelector('dialog')").await;
    assert_eq!(infos().await, ["pipeline 9"]);
    let (status, gone) =
        server.call("GET", &format!("/v1/tickets/{}", dead["id"].as_str().unwrap()), Value::Null).await;
    assert_eq!((status, gone["tickets"][0]["reason"].as_str()), (410, Some("it is dead")), "{gone}");
    browser.end(&["409"]).await;
}
