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
        r#"{"size": 8, "lock_delay_s": 900, "description": "SSH sessions of the storage network"}"#,
        &[
            "over: nightly backup of web4",
            "lost: report for finance",
            "nightly backup of db1",
            "nightly backup of db2",
            "snapshot of mail3",
            "firmware check of shelf 4",
            "nightly backup of web7",
            "volume report for finance: every volume of the shelves 1 to 9, with its snapshots, its owner and what it will need by the end of the next quarter, as asked for by R. Lindqvist on Monday morning",
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

/// Makes the server's answers older than they are, and invents the past of a lock: a working day. All that is told of a ticket
/// comes from one table of moments, so that the parts of the page agree.
const PAST: &str = r"
const real = window.fetch, minute = 60000, loaded = Date.now();
const ago = (minutes) => new Date(loaded - minutes * minute).toISOString();
// When tickets were made, in minutes ago, by their order. The one that was ended by hand ended a short while ago.
const REVOKED = 2.6;
const ages = {};
const learn = (lock) => {
  ages[lock.name] = [...lock.holders, ...lock.queue, ...lock.withholdings].map((one) => one.number);
};
const made = (number, known) => 40 - ((known.filter((one) => one < number).length + (known.includes(number) ? 0.5 : 0)) * 37) / known.length;
const age = (lock) => {
  learn(lock);
  const minutes = (number) => made(number, ages[lock.name]);
  lock.holders.forEach((one) => { one.created_at = one.granted_at = one.held_at = ago(minutes(one.number)); });
  lock.queue.forEach((one) => { one.created_at = ago(minutes(one.number)); });
  lock.withholdings.forEach((one) => { one.ends_in_s -= REVOKED * 60; });
  const oldest = (list) => list.map((one) => one.created_at).sort()[0] ?? null;
  lock.waiting_since = oldest(lock.queue);
  lock.holding_since = oldest(lock.holders);
  const min = (seconds) => `${Math.round(seconds / 60)}\u00a0min`;
  const passed = (Date.now() - Date.parse(lock.waiting_since)) / 1000;
  lock.why = lock.why.replace(/(for another )[^)]+/, (_, words) => words + min(lock.withholdings[0].ends_in_s));
  if (lock.queued && !lock.paused) {
    lock.expected_wait_s = lock.name === 'san-ssh' ? 1080 : 500;
    const expected = `The expected wait is about ${min(lock.expected_wait_s)}.`;
    lock.why = `${lock.why.replace(/for \d+\u00a0s/, () => `for ${min(passed)}`)} ${expected}`;
  }
  if (lock.name === 'san-ssh') Object.assign(lock.statistics, {queries: 219, grants: 214, got: 214, released: 204, lost: 2, revoked: 1});
};
const wave = (x) => Math.sin(x * 9) * 1.1 + Math.sin(x * 23 + 1) * 0.8 + Math.sin(x * 57) * 0.4;
const past = (was, span, size, base, times) => {
  const steps = span / was.step_s;
  const list = Array.from({length: steps}, (_, i) => Math.max(0, base(i / steps)));
  const use = list.map((x) => Math.round(Math.min(size, x) * 100) / 100);
  return {...was, begin: ago(span / 60), size: list.map(() => size), in_use: use, full: list.map((x) => (x >= size ? 1 : x > size - 0.4 ? 0.5 : 0)),
    in_use_max: use.map((x) => Math.min(size, Math.ceil(x))), queued_max: list.map((x) => Math.max(0, Math.round((x - size + 0.4) * 1.7))), ...times};
};
const times = (count) => ({waits: {count, p50_s: 0.4, p90_s: 190, p99_s: 700}, holds: {count: count - 7, p50_s: 310, p90_s: 1080, p99_s: 1900}});
const day = (t) => Math.exp(-(((t - 0.62) / 0.22) ** 2));
window.fetch = async (path, init) => {
  const answer = await real(path, init);
  if (!String(path).startsWith('/v1/locks')) return answer;
  const told = await answer.json();
  if (told.hour) {
    told.since = ago(26 * 60);
    const busy = told.lock === 'san-ssh';
    told.hour = busy ? past(told.hour, 3600, 8, (t) => (t > 0.72 ? 8 + (t - 0.72) * 5 : 5.2 + 3 * t + wave(t)), times(31))
      : past(told.hour, 3600, 5, (t) => (t > 0.74 ? 4 : 2.4 + wave(t) / 2), {});
    // What is withheld is not in use, and full all the same.
    told.hour.in_use = told.hour.in_use.map((use, i, all) => (i > all.length * (1 - REVOKED / 60) ? use - 1 : use));
    told.day = busy ? past(told.day, 86400, 8, (t) => 8 * day(t) + 1 + wave(t) / 2, times(214)) : past(told.day, 86400, 5, (t) => 3 * day(t) + 0.6 + wave(t) / 3, {});
    const known = ages[told.lock];
    const moment = (event) => (event.ended_as === 'revoked' ? REVOKED : event.kind === 'ended' ? made(event.number, known) - 2.2 : event.number ? made(event.number, known) : 41);
    told.events.forEach((event) => {
      event.at = ago(moment(event));
      if (event.held_s != null) event.held_s = (made(event.number, known) - moment(event)) * 60;
    });
    told.events.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  } else {
    // The list has no tickets; what it says comes from the same table.
    for (const lock of told.locks ?? [told]) {
      if (told.locks) Object.assign(lock, await (await real(`/v1/locks/${lock.name}`, init)).json());
      age(lock);
    }
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
            let said = info.trim_start_matches("over: ").trim_start_matches("lost: ");
            let ticket = server.take(name, said, 900 + 137 * u32::try_from(number).expect("few")).await;
            if info.starts_with("over: ") {
                server.release(&ticket).await;
            } else if info.starts_with("lost: ") {
                let path = format!("/v1/locks/{name}/tickets/{}?reason=the%20host%20is%20gone", ticket["number"]);
                server.ok("DELETE", &path, Value::Null).await;
            }
        }
    }
    let named = server.take("licence-cad", "s.okafor: assembly", 900).await;
    server.ok("PATCH", "/v1/locks/licence-cad", json!({"lock_delay_s": 1200})).await;
    let path = format!("/v1/locks/licence-cad/tickets/{}?reason=crashed", named["number"]);
    server.ok("DELETE", &path, Value::Null).await;
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
            for (path, page) in [("/", "locks"), ("/locks/san-ssh", "lock"), ("/locks/licence-cad", "seats")] {
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
