//! Takes pictures of the page, all locks and one of them, light and dark, wide and on a phone, into the folder that is named:
//! `make screenshots` writes them to `target/screenshots`. What they show is made up, the past of the lock too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use page_tests::{Browser, Look, PHONE, SECRET, Server, WIDE, key};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Locks with their settings and what their holders and waiters say of themselves.
const LOCKS: [(&str, &str, &[&str]); 8] = [
    (
        "san-ssh",
        r#"{"size": 7, "description": "SSH sessions of the storage network"}"#,
        &[
            "over: nightly backup of web4",
            "over: report for finance",
            "nightly backup of db1",
            "nightly backup of db2",
            "snapshot of mail3",
            "firmware check of shelf 4",
            "nightly backup of web7",
            "volume report for finance",
            "resize of vol-2231",
            "nightly backup of db3",
            "nightly backup of db4",
            "snapshot of mail4",
        ],
    ),
    (
        "deploy-production",
        r#"{"size": 1, "description": "One deploy at a time"}"#,
        &["release 2026.11.3 of shop", "hotfix of login"],
    ),
    ("deploy-staging", r#"{"size": 2, "description": "Two deploys at a time"}"#, &["branch new-search of shop"]),
    (
        "licence-cad",
        r#"{"slots": ["seat-1", "seat-2", "seat-3", "seat-4", "seat-5"], "description": "Floating licences"}"#,
        &["m.rossi: gearbox", "k.tanaka: housing", "a.kowalska: rev 12"],
    ),
    ("reboot-web", r#"{"size": 3, "description": "Web servers that may be down at once"}"#, &["web12: kernel update"]),
    ("batch", r#"{"size": 400, "description": "Jobs of the cluster"}"#, &[]),
    (
        "api-geocoder",
        r#"{"size": 20, "description": "Calls at once that the contract allows"}"#,
        &["import 8841", "import 8842", "import 8843", "import 8844"],
    ),
    ("tape-library", r#"{"size": 2, "description": "Drives"}"#, &["restore of projects/2019"]),
];

/// Makes the server's answers older than they are, and invents the past of a lock: a working day.
const PAST: &str = r"
const real = window.fetch, minute = 60000;
const ago = (minutes) => new Date(Date.now() - minutes * minute).toISOString();
const age = (lock, place) => {
  const seed = [...lock.name].reduce((sum, c) => sum + c.charCodeAt(0), 0);
  lock.holders.forEach((one, i) => { one.granted_at = one.held_at = ago(2 + ((i * 7 + seed) % 17) * 1.37); });
  lock.queue.forEach((one, i) => { one.created_at = ago(9.3 - i * 3.1); });
  if (lock.waiting_since) lock.waiting_since = ago(lock.name === 'san-ssh' ? 9.3 : 3.4);
  if (lock.holding_since) lock.holding_since = ago(4 + (seed % 23) * 1.13);
  if (lock.queued && !lock.paused) lock.expected_wait_s = lock.name === 'san-ssh' ? 400 : 500;
};
const wave = (x) => Math.sin(x * 9) * 1.1 + Math.sin(x * 23 + 1) * 0.8 + Math.sin(x * 57) * 0.4;
const past = (steps, step_s, base) => {
  const list = Array.from({length: steps}, (_, i) => base(i / steps));
  const use = list.map((x) => Math.round(Math.min(7, Math.max(0, x)) * 100) / 100);
  return {begin: new Date(Date.now() - steps * step_s * 1000).toISOString(), step_s, size: list.map(() => 7), in_use: use,
    in_use_max: use.map((x) => Math.min(7, Math.ceil(x))), queued_max: list.map((x) => Math.max(0, Math.round((x - 6.6) * 2.4))),
    waits: {count: 214, p50_s: 0.4, p90_s: 190, p99_s: 700}, holds: {count: 209, p50_s: 310, p90_s: 1080, p99_s: 1900}};
};
window.fetch = async (path, init) => {
  const answer = await real(path, init);
  if (!String(path).startsWith('/v1/locks')) return answer;
  const told = await answer.json();
  if (told.hour) {
    told.hour = past(360, 10, (t) => 4.6 + 2.6 * t + wave(t));
    told.day = past(288, 300, (t) => 7 * Math.exp(-(((t - 0.62) / 0.22) ** 2)) + 1 + wave(t) / 2);
    told.events.forEach((event, i) => { event.at = ago((told.events.length - i) * 1.07); });
  } else {
    (told.locks ?? [told]).forEach(age);
  }
  return new Response(JSON.stringify(told), {status: 200});
};
";

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("name the folder for the pictures"));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let keys = key("ops", "use, observe, admin", "*");
    let server = Server::start(&format!("{keys}[anonymous]\nRIGHTS=observe\n")).await;
    for (name, settings, infos) in LOCKS {
        let settings: Value = serde_json::from_str(settings).expect("JSON is written there");
        server.ok("PUT", &format!("/v1/locks/{name}"), settings).await;
        for (number, info) in infos.iter().enumerate() {
            let ticket = server.take(name, info, 900 + 137 * u32::try_from(number).expect("few")).await;
            if info.starts_with("over: ") {
                server.release(&ticket).await;
            }
        }
    }
    for _ in 0..5 {
        server.ok("POST", "/v1/locks/batch/tickets", json!({"permits": 57, "info": "render", "ttl_s": 900})).await;
    }
    server.ok("PATCH", "/v1/locks/tape-library", json!({"paused": true, "reason": "cleaning"})).await;
    // One that was given back, for what is usual.
    let quick = server.take("deploy-staging", "branch old-search of shop", 600).await;
    server.release(&quick).await;
    let revoked = server.take("reboot-web", "web9: kernel update", 600).await;
    server.release(&revoked).await;

    for (look, size) in [(WIDE, "wide"), (PHONE, "phone")] {
        for dark in [false, true] {
            let look = Look { dark, ..look };
            let browser = Browser::start(look).await;
            browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": PAST})).await;
            browser.open(&server.url("/openapi.json")).await;
            let secret = format!("ops{SECRET}");
            browser.js("sessionStorage.setItem('lockserver-key', arguments[0])", vec![secret.into()]).await;
            for (path, page) in [("/", "locks"), ("/locks/san-ssh", "lock")] {
                browser.open(&server.url(path)).await;
                browser.until_text("#state", "Live").await;
                browser.until("it is drawn", "return document.querySelectorAll('main .bar rect').length > 3").await;
                let name = format!("{page}-{size}-{}.webp", if dark { "dark" } else { "light" });
                let picture = STANDARD.decode(browser.picture(look).await).expect("base64");
                std::fs::write(folder.join(&name), picture).expect("the picture can be written");
                println!("{name}");
            }
            browser.end(&[]).await;
        }
    }
}
