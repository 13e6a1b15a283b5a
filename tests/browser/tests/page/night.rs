//! The ten questions of docs/operations.md: each has its answer on the page, two clicks from the list of all locks at most.

use crate::{open_as, with_keys};
use page_tests::{Browser, Server, WIDE};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/operations.md");

/// What is done at the list of all locks.
#[derive(Clone, Copy)]
enum Do {
    Click(&'static str),
    Type(&'static str, &'static str),
    Order(&'static str),
}

/// A question, what is done for its answer, where that is then, and what of it must be there.
type Row = (&'static str, &'static [Do], &'static str, &'static [&'static str]);

const LOCK: Do = Do::Click("#rows a[href='/locks/san-ssh']");
const ROWS: [Row; 10] = [
    (
        "Why is this paused, by whom, and until when?",
        &[LOCK],
        "#why",
        &["Paused by \u{2068}ops\u{2069} for", "Reason: “\u{2068}firmware"],
    ),
    (
        "Where does host db1 hold, and where does it wait?",
        &[Do::Type("#search", "db1")],
        "#found",
        &["san-ssh holds for", "backup of db1"],
    ),
    ("Why does my job wait?", &[LOCK], "#why", &["nobody is let in. 2 wait."]),
    ("What hangs?", &[Do::Order("hold")], "#rows .row:first-child", &["nightly-report", "held by report of db3"]),
    (
        "How do I end all of a dead pipeline?",
        &[LOCK, Do::Click("#end-many")],
        "dialog",
        &["Choose which tickets", "End tickets"],
    ),
    ("Which lock is the bottleneck?", &[], "#rows .row:first-child", &["san-ssh", "paused"]),
    ("What changed in the last hour?", &[LOCK], "#log", &["by ops", "paused", "ended"]),
    (
        "What happens if I resize it?",
        &[LOCK, Do::Click("#resize")],
        "dialog",
        &["It has 7 permits now, 2 of them in use"],
    ),
    ("Which clients had it before?", &[LOCK], "#log", &["snapshot of db9"]),
    ("Is the server well?", &[], ".top", &["Live"]),
];

/// Holders, a withheld permit, two who wait, and a pause.
async fn bad_day() -> Server {
    let server = with_keys("[lock nightly-report]\nSIZE=1\n[lock san-ssh]\nSIZE=7\nLOCK_DELAY=600\n").await;
    server.take("nightly-report", "report of db3", 600).await;
    let tickets = "/v1/locks/san-ssh/tickets";
    server.ok("POST", tickets, json!({"permits": 2, "info": "backup of db1", "ttl_s": 600})).await;
    let lost = server.take("san-ssh", "snapshot of db9", 600).await;
    server.ok("DELETE", &format!("{tickets}/{}", lost["number"]), Value::Null).await;
    server.ok("POST", tickets, json!({"permits": "all", "queue": true, "info": "upgrade"})).await;
    server.ok("POST", tickets, json!({"queue": true, "info": "one more"})).await;
    let pause = json!({"paused": true, "reason": "firmware", "until_s": 3600});
    server.ok("PATCH", "/v1/locks/san-ssh", pause).await;
    server
}

#[tokio::test]
async fn ten_questions_at_night_have_an_answer_within_two_clicks() {
    let section = PAGE.split("\n## Ten questions at night\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let asked: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once("? | "))
        .map(|(asked, _)| asked)
        .collect();
    let known: Vec<&str> = ROWS.iter().map(|(asked, ..)| asked.trim_end_matches('?')).collect();
    assert_eq!(asked, known);

    let server = bad_day().await;
    let browser = Browser::start(WIDE).await;
    for (_, steps, place, parts) in ROWS {
        assert!(steps.len() <= 2);
        open_as(&browser, &server, "ops", "/").await;
        browser.until_text("#rows", "nightly-report").await;
        for step in steps {
            match step {
                Do::Click(selector) => browser.click(selector).await,
                Do::Type(selector, text) => {
                    browser.click(selector).await;
                    browser.keys(text).await;
                }
                Do::Order(order) => {
                    let choose = "const s = document.getElementById('order'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))";
                    browser.js(choose, vec![(*order).into()]).await;
                }
            }
        }
        for part in parts {
            browser.until_text(place, part).await;
        }
        // Each question is somebody's first.
        browser.js("sessionStorage.clear()", Vec::new()).await;
    }
    // What would happen is said before it does.
    open_as(&browser, &server, "ops", "/locks/san-ssh").await;
    browser.click("#resize").await;
    let size = "const i = document.querySelector('dialog input'); i.value = 2; i.dispatchEvent(new Event('input', {bubbles: true}))";
    browser.js(size, Vec::new()).await;
    browser.until_text("dialog .preview", "3 permits must come back before the first in line gets in.").await;
    browser.end(&[]).await;
}
