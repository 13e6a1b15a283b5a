//! Tickets for several locks, withheld permits, and the settings of the rules for both.

use crate::{open, open_as, with_keys};
use page_tests::{Browser, Look, Server, WIDE};
use serde_json::{Value, json};

async fn take_all(server: &Server, info: &str, locks: Value) -> Value {
    let body = json!({"locks": locks, "info": info, "ttl_s": 600, "queue": true});
    server.ok("POST", "/v1/tickets", body).await
}

const TWO: &str = "[lock gpu]\nSLOTS=gpu0, gpu1, gpu2\n[lock licence]\nSIZE=2\n";

#[tokio::test]
async fn a_ticket_for_several_locks_is_shown_in_each_of_them() {
    let server = with_keys(TWO).await;
    let held = take_all(&server, "the solver", json!({"gpu": 2, "licence": 1})).await;
    let waits = take_all(&server, "the next one", json!({"gpu": 2, "licence": 1})).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/gpu").await;
    browser.until_text("#holders", "gpu0, gpu1").await;
    let holder = browser.text("#holders").await;
    assert!(holder.contains("the solver") && holder.contains("2 permits · with: licence"), "{holder}");
    assert!(browser.text("#queue").await.contains("2 permits · with: licence"));
    browser.until_text("#why", "1 of 3 is free, and 1 waits: the first in line needs 2.").await;
    browser.click("#holders a[href='/locks/licence']").await;
    browser.until_text("#holders", "with: gpu").await;
    browser
        .until_text("#why", "1 of 2 is free, and 1 waits: the first in line waits for \u{2068}gpu\u{2069} as well.")
        .await;
    // The question about it says that it goes from all of its queues.
    browser.click(&format!("#queue button[aria-label='End ticket {}…']", waits["number"])).await;
    browser.until_text("dialog", "loses its place in all of its queues").await;
    browser.click("#cancel").await;
    browser.click(&format!("#holders button[aria-label='End ticket {}…']", held["number"])).await;
    browser.until_text("dialog", "is let in as soon as its other locks have room for it, too").await;
    browser.click("dialog .danger").await;
    browser.until_text("#log", "the solver was ended by ops").await;
    browser.until_text("#holders", "the next one").await;

    // In all locks it is one to be found, and one that waits.
    take_all(&server, "one more", json!({"gpu": 2, "licence": 1})).await;
    open(&browser, &server, "/").await;
    browser.until_text("#sum", "3 of 5 permits in use · 1 waiting").await;
    take_all(&server, "and one more", json!({"gpu": 2, "licence": 1})).await;
    browser.until_text("#sum", "2 waiting").await;
    browser.click("#search").await;
    browser.keys("the next").await;
    browser.until_text(".card h2", "1 holder or waiter").await;
    browser.until_text("#found", "gpu, licence holds for").await;
    browser.end(&[]).await;
    let plain = Browser::start(Look { scripts: false, ..WIDE }).await;
    plain.open(&server.url("/locks/licence")).await;
    let text = plain.text("body").await;
    assert!(text.contains("the next one") && text.contains("with: \u{2068}gpu\u{2069}"), "{text}");
    plain.end(&[]).await;
}

#[tokio::test]
async fn permits_are_withheld_and_restored_by_buttons() {
    let server = with_keys(TWO).await;
    server.take("licence", "at work", 600).await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/licence").await;
    let striped = "return [...document.querySelectorAll('svg.bar.big rect')].map((r) => r.getAttribute('class') + (getComputedStyle(r).fill.includes('#stripes') ? ' striped' : ''))";
    assert_eq!(browser.js(striped, Vec::new()).await, json!(["held", "free"]));
    browser.click("#withhold").await;
    let script = "const i = document.querySelector('dialog input[name=permits]'); i.value = 2; i.dispatchEvent(new Event('input', {bubbles: true})); document.querySelector('dialog input[name=reason]').value = 'kept for the demo'; document.querySelector('dialog select').value = '3600'; return document.querySelector('.preview').innerText";
    let told = browser.js(script, Vec::new()).await;
    assert_eq!(told, "1 permit of these is in use or withheld now.");
    browser.click("dialog .main").await;
    browser.until_text("#holders", "withheld by an administrator: kept for the demo and 1 more, once back").await;
    assert!(browser.text("#holders").await.contains("for another 59 min"), "{}", browser.text("#holders").await);
    assert_eq!(browser.js(striped, Vec::new()).await, json!(["held", "withheld striped"]));
    browser.until_text(".title", "1 withheld").await;
    let lock = server.ok("GET", "/v1/locks/licence", Value::Null).await;
    assert_eq!((&lock["withheld"], &lock["withholdings"][0]["awaited"]), (&json!(1), &json!(1)));
    // Somebody else restores it while the question stands.
    browser.click("#holders tr[data-row^=w] button").await;
    browser.until_text("dialog", "They are withheld: by an administrator: kept for the demo; for another 1 h").await;
    server.ok("DELETE", "/v1/locks/licence/withheld", Value::Null).await;
    browser.until_text("#holders", "1 free").await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "nothing was done. They are restored already.").await;
    browser.click("#cancel").await;

    // Slots by their names.
    open_as(&browser, &server, "ops", "/locks/gpu").await;
    browser.click("#withhold").await;
    let script = "const s = document.querySelector('dialog select[name=slots]'); s.options[1].selected = true; s.dispatchEvent(new Event('input', {bubbles: true})); return s.selectedOptions.length";
    assert_eq!(browser.js(script, Vec::new()).await, 1);
    browser.click("dialog .main").await;
    browser.until_text("#holders", "until it is restored").await;
    assert_eq!(browser.js(striped, Vec::new()).await, json!(["withheld striped", "free", "free"]));
    let lock = server.ok("GET", "/v1/locks/gpu", Value::Null).await;
    assert_eq!(lock["withholdings"][0]["slot_names"], json!(["gpu1"]));
    browser.click("#holders tr[data-row^=w] button").await;
    browser.until_text("dialog", "until somebody restores them").await;
    browser.click("dialog .main").await;
    browser.until("nothing is withheld", "return !document.querySelector('#holders tr[data-row^=w]')").await;
    assert_eq!(browser.js(striped, Vec::new()).await, json!(["free", "free", "free"]));
    browser.end(&["404"]).await;
}

#[tokio::test]
async fn the_settings_of_new_rules_are_changed_in_the_form() {
    let server = with_keys("[lock gpu]\nSLOTS=gpu0 {a100}, gpu1 {a100 nvlink}, gpu2\n[lock plain]\nSIZE=2\n").await;
    let browser = Browser::start(WIDE).await;
    open_as(&browser, &server, "ops", "/locks/gpu").await;
    browser.click("#settings").await;
    let value = |name: &str| format!("return document.querySelector('dialog [name={name}]').value");
    let tags = browser.js(&value("tags"), Vec::new()).await;
    assert_eq!(tags, "gpu0 {a100}\ngpu1 {a100 nvlink}\ngpu2");
    assert_eq!(browser.js(&value("pick"), Vec::new()).await, "first");
    let fill = "for (const [name, value] of Object.entries(arguments[0])) document.querySelector(`dialog [name=${name}]`).value = value";
    let wrong = json!({"tags": "gpu7 {a100}"});
    browser.js(fill, vec![wrong]).await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "“gpu7 {a100}” names no slot of the lock").await;
    let wanted = json!({"tags": "gpu0 {a100, big}\n\ngpu2 {t4}\n", "pick": "lru", "max_per_owner": "2", "min_hold_time_s": "90 s"});
    browser.js(fill, vec![wanted]).await;
    browser.click("dialog .main").await;
    browser.until_text(".facts", "gpu0 {a100 big}, gpu2 {t4}").await;
    let facts = browser.text(".facts").await;
    for part in ["2 permits", "what has been unused for longest", "1 min 30 s later at the earliest"] {
        assert!(facts.contains(part), "{part}: {facts}");
    }
    let settings = server.ok("GET", "/v1/locks/gpu", Value::Null).await["settings"].clone();
    assert_eq!(settings["tags"], json!({"gpu0": ["a100", "big"], "gpu2": ["t4"]}));
    assert_eq!((&settings["pick"], &settings["max_per_owner"]), (&json!("lru"), &json!(2)));
    assert_eq!(settings["min_hold_time_s"], 90);
    // Nothing is sent that was not touched, and what is emptied has its default again.
    browser.click("#settings").await;
    browser.js(fill, vec![json!({"max_per_owner": "", "min_hold_time_s": "0"})]).await;
    server.ok("PATCH", "/v1/locks/gpu", json!({"tags": {"gpu1": ["new"]}})).await;
    browser.click("dialog .main").await;
    browser.until_text("dialog .error", "Somebody else has changed its settings").await;
    browser.click("dialog .main").await;
    browser.until("the cap is gone", "return !document.querySelector('.facts').innerText.includes('2 permits')").await;
    let settings = server.ok("GET", "/v1/locks/gpu", Value::Null).await["settings"].clone();
    assert_eq!((&settings["tags"], &settings["max_per_owner"]), (&json!({"gpu1": ["new"]}), &Value::Null));
    assert_eq!((&settings["min_hold_time_s"], &settings["pick"]), (&json!(0), &json!("lru")));
    open_as(&browser, &server, "ops", "/locks/plain").await;
    browser.click("#settings").await;
    let none = "return document.querySelector('dialog [name=tags]') === null";
    assert_eq!(browser.js(none, Vec::new()).await, true, "slots without names have no tags");
    browser.end(&["412"]).await;
}
