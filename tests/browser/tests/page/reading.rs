//! Reading: on narrow screens, with a keyboard, by those who do not see colours or the page at all.

use crate::{open_as, with_keys};
use page_tests::{Browser, Look, PHONE, WIDE, axe, complaints};
use serde_json::{Value, json};

const LOCKS: &str = "[lock san-ssh]\nSIZE=3\nDESCRIPTION=Sessions of the SAN\n\
    [lock seats]\nSLOTS=seat-1, seat-2, seat-3, seat-4, seat-5\nLOCK_DELAY=900\n\
    [lock with-a-very-long-name-that-nobody-would-like-to-type-but-somebody-has-given]\nSIZE=900\n";

/// What stands on more than one line though it is one word, and what is too small for a finger.
const NARROW: &str = "
const lines = (e) => new Set([...(() => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects() })()].filter((r) => r.width > 1).map((r) => Math.round(r.top / 8))).size;
const bad = [];
for (const e of document.querySelectorAll('.brand, #who b, #state, .name-of-slot, .times tbody th, .scale span, button, .row [data-label]')) if (e.checkVisibility() && lines(e) > 1) bad.push(`broken: ${e.outerHTML}`);
for (const e of document.querySelectorAll('button, .back a, .brand, select, input:not([type=radio])')) {
  const { width, height } = e.getBoundingClientRect();
  if (e.checkVisibility() && (height < 44 || width < 44)) bad.push(`small: ${width} x ${height} ${e.outerHTML}`);
}
if (document.documentElement.scrollWidth > innerWidth) bad.push(`${document.documentElement.scrollWidth} wide`);
return bad;";

#[tokio::test]
async fn nothing_is_wider_than_a_phone_or_broken_by_it() {
    let server = with_keys(LOCKS).await;
    for number in 0..5 {
        server.take("san-ssh", &format!("{} {}", "x".repeat(300), number), 600).await;
    }
    let lost = server.take("seats", "m.rossi: gearbox", 600).await;
    let two = json!({"info": "k.tanaka: housing", "permits": 2, "ttl_s": 600});
    server.ok("POST", "/v1/locks/seats/tickets", two).await;
    server.ok("DELETE", &format!("/v1/locks/seats/tickets/{}", lost["number"]), Value::Null).await;
    for width in [320, 360, 390] {
        let browser = Browser::start(Look { width, ..PHONE }).await;
        for path in ["/", "/locks/san-ssh", "/locks/seats"] {
            open_as(&browser, &server, "ops", path).await;
            assert_eq!(browser.js(NARROW, Vec::new()).await, json!([]), "{path} at {width}");
        }
        // Free seats have their names, and a withheld one says for how long.
        let seats = browser.text("#holders").await;
        for part in ["seat-1", "withheld", "for another 14 min", "seat-2", "seat-3", "seat-4", "seat-5"] {
            assert!(seats.contains(part), "{part} in {seats}");
        }
        assert!(!seats.contains("lease 14 min"), "{seats}");
        let free = "return [...document.querySelectorAll('#holders tr')].filter((r) => r.querySelector('.free')).map((r) => r.firstChild.textContent)";
        assert_eq!(browser.js(free, Vec::new()).await, json!(["seat-4", "seat-5"]));
        browser.click("#resize").await;
        let fits = "const r = document.querySelector('dialog').getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth && r.bottom <= innerHeight";
        assert_eq!(browser.js(fits, Vec::new()).await, true);
        open_as(&browser, &server, "ops", "/").await;
        let label = "return [...document.querySelectorAll('#rows .row:has(a[href=\"/locks/san-ssh\"]) [data-label]')].map((e) => [e.checkVisibility(), e.dataset.label])";
        let all = json!([[true, "waiting"], [true, "longest wait"], [true, "longest hold"], [true, "expected wait"]]);
        assert_eq!(browser.js(label, Vec::new()).await, all);
        browser.end(&[]).await;
    }
}

#[tokio::test]
async fn nothing_is_in_the_way_of_anybody() {
    let mut server = with_keys("[lock san-ssh]\nSIZE=3\nDESCRIPTION=Sessions of the SAN\n[lock other]\nSIZE=1\n").await;
    for number in 0..5 {
        server.take("san-ssh", &format!("job {number}"), 600).await;
    }
    server.ok("PATCH", "/v1/locks/other", json!({"paused": true, "reason": "firmware"})).await;
    let axe = axe();
    for look in [WIDE, PHONE, Look { dark: true, ..WIDE }] {
        let browser = Browser::start(look).await;
        let check = async |what: &str| {
            let found = complaints(&browser, &axe).await;
            assert!(found.is_empty(), "{what} with {look:?}: {found:#?}");
        };
        open_as(&browser, &server, "ops", "/").await;
        check("all locks").await;
        browser.click("#make").await;
        check("a question").await;
        open_as(&browser, &server, "ops", "/locks/san-ssh").await;
        browser.until_text("#queue", "job 4").await;
        check("a lock").await;
        browser.click("#end-many").await;
        browser.click("dialog input[name=info]").await;
        browser.keys("job").await;
        browser.until_text("dialog .preview", "3 holders lose their permits").await;
        check("a question about many").await;
        browser.click("#cancel").await;
        server.kill().await;
        browser.until_text("#state", "Connection lost").await;
        check("a lock whose server is gone").await;
        server.run().await;
        browser.until_text("#state", "Live").await;
        browser.end(&["ERR_"]).await;
    }
}

#[tokio::test]
async fn nothing_moves_for_those_who_do_not_like_that() {
    let server = with_keys("[lock san-ssh]\nSIZE=3\n").await;
    let browser = Browser::start(WIDE).await;
    let moves = "return getComputedStyle(document.querySelector('#main .bar rect')).transitionDuration";
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    assert_eq!(browser.js(moves, Vec::new()).await, "0.3s");
    browser.prefer("prefers-reduced-motion", "reduce").await;
    assert_eq!(browser.js(moves, Vec::new()).await, "0s");
    browser.end(&[]).await;
}
