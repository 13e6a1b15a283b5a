//! Whatever clients write stays text.

use crate::{open, open_as, with_keys};
use page_tests::{Browser, WIDE};
use serde_json::{Value, json};

const MARKUP: &str = "<img src=x onerror=\"window.harmed=1\"><script>window.harmed=1</script>\"'`{{7*7}}&amp;";
const TURNED: &str = "abc\u{202e}evil\u{2066}\u{200f}";

fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn hostile_names_and_infos_do_no_harm() {
    let server = with_keys("[lock plain]\nSIZE=1\n").await;
    let names = [
        "<b onmouseover=alert(1)>x<!--".to_owned(),
        "quote\"'&`%2e%00 #x;".to_owned(),
        "\u{5d0}\u{5d1}\u{5d2}".to_owned(),
        "constructor".to_owned(),
        "__proto__".to_owned(),
        "n".repeat(200),
    ];
    let browser = Browser::start(WIDE).await;
    open(&browser, &server, "/").await;
    let turned = format!("/v1/locks/{}", encoded(&format!("right{TURNED}")));
    let (status, refused) = server.call("PUT", &turned, json!({"size": 2})).await;
    assert_eq!((status, &refused["code"]), (400, &Value::from("invalid")), "{refused}");
    for name in &names {
        let path = format!("/v1/locks/{}", encoded(name));
        server.ok("PUT", &path, json!({"size": 2, "description": MARKUP})).await;
        for info in [MARKUP.to_owned(), "x".repeat(4096), "y".repeat(4096)] {
            let body = json!({"info": info, "queue": true, "ttl_s": 600});
            server.ok("POST", &format!("{path}/tickets"), body).await;
        }
        // What turns the direction of writing does not get in.
        let (status, refused) = server.call("POST", &format!("{path}/tickets"), json!({"info": TURNED})).await;
        assert_eq!((status, &refused["code"]), (400, &Value::from("invalid")), "{refused}");
    }
    let shown = "return [...document.querySelectorAll('#rows a bdi')].map((e) => e.textContent)";
    browser
        .until("all rows", &format!("return document.querySelectorAll('#rows .row').length === {}", names.len() + 1))
        .await;
    let shown = browser.js(shown, Vec::new()).await;
    for name in &names {
        assert!(shown.as_array().unwrap().contains(&Value::from(name.as_str())), "{name:?} in {shown}");
    }
    let harmless =
        "return !window.harmed && !document.querySelector('main img, main script, main b[onmouseover]') && !({}).evil";
    assert_eq!(browser.js(harmless, Vec::new()).await, true);
    // What the server renders by itself, and what the scripts make of it.
    for name in &names {
        open_as(&browser, &server, "ops", &format!("/locks/{}", encoded(name))).await;
        let title = browser.js("return document.querySelector('h1 bdi').textContent", Vec::new()).await;
        assert_eq!(title, name.as_str());
        browser.until_text("#holders", "window.harmed=1").await;
        browser.until_text("#queue", &"y".repeat(100)).await;
        assert_eq!(browser.js(harmless, Vec::new()).await, true, "{name:?}");
        let width = browser.js("return document.documentElement.scrollWidth", Vec::new()).await;
        assert!(width.as_u64().unwrap() <= 1280, "{name:?} is {width} wide");
        browser.click("#holders button").await;
        assert!(browser.text("dialog").await.contains("<img src=x"));
        browser.click("#cancel").await;
    }
    browser.end(&[]).await;
}

#[tokio::test]
async fn nothing_comes_from_elsewhere_and_little_of_it() {
    let others = (0..300).fold(String::new(), |all, number| format!("{all}[lock lock-{number}]\nSIZE=1\n"));
    let server = with_keys(&format!("[lock san-ssh]\nSIZE=7\n{others}")).await;
    for number in 0..107 {
        server.take("san-ssh", &format!("job {number}"), 600).await;
    }
    let browser = Browser::start(WIDE).await;
    for path in ["/", "/locks/san-ssh"] {
        browser.cdp("Network.clearBrowserCache", json!({})).await;
        open(&browser, &server, path).await;
        let sizes = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((e) => [e.name, e.transferSize])";
        let sizes = browser.js(sizes, Vec::new()).await;
        let sizes = sizes.as_array().unwrap();
        let total: u64 = sizes.iter().filter_map(|one| one[1].as_u64()).sum();
        assert!(sizes.len() > 10 && total > 20_000, "{sizes:#?}");
        println!("{path}: {total} bytes");
        assert!(total < 100_000, "{path} takes {total} bytes: {sizes:#?}");
        for one in sizes {
            assert!(one[0].as_str().unwrap().starts_with(&server.url("/")), "{one}");
        }
    }
    // The policy is in force: what is inline does not run, and says so in the log.
    let inline = "const s = document.createElement('script'); s.textContent = 'window.harmed = 1'; document.body.append(s); document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" id=styled>x</p>'); return window.harmed === undefined && getComputedStyle(document.getElementById('styled')).color !== 'rgb(255, 0, 0)'";
    assert_eq!(browser.js(inline, Vec::new()).await, true);
    assert!(browser.log().await.iter().any(|line| line.contains("Content Security Policy")));
    browser.end(&[]).await;
}
