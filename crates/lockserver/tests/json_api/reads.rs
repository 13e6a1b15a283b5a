//! What looking costs: pages with a cursor, and bounds of what is under way, by which nobody keeps others from their work.

use super::harness::{Server, read, within};
use lock_core::limits::{LISTED_LOCKS_MAX, OWNER_READS_MAX};
use lock_core::{Caller, Command, ConfigureMode, Definition, LockName, Settings, Target};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

/// As a reload of the configuration would: so many locks more.
pub(super) async fn add_locks(server: &Server, count: usize) {
    let text = "d".repeat(900);
    let lock = |number| Definition {
        target: Target::Lock(LockName::new(&format!("lock-{number:05}")).unwrap()),
        settings: Settings { description: text.as_str().into(), ..Settings::new(1) },
        paused: false,
    };
    let definitions = (0..count).map(lock).collect();
    server
        .handle()
        .submit(Caller::server(), Command::Configure { definitions, mode: ConfigureMode::CreateMissing })
        .await
        .unwrap();
}

fn names(page: &Value, list: &str, name: &str) -> Vec<String> {
    page[list].as_array().unwrap().iter().map(|one| one[name].to_string()).collect()
}

#[tokio::test]
async fn listings_come_in_pages_that_show_everything_once() {
    let server = Server::start().await;
    add_locks(&server, 25).await;
    let whole = server.get("/v1/locks").await.ok();
    assert_eq!((names(&whole, "locks", "name").len(), &whole["next"]), (27, &Value::Null), "one page is enough");
    let (mut seen, mut path) = (Vec::new(), "/v1/locks?tickets=0&limit=10".to_owned());
    loop {
        let page = server.get(&path).await.ok();
        seen.extend(names(&page, "locks", "name"));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/locks?tickets=0&limit=10&cursor={next}");
    }
    assert_eq!(seen, names(&whole, "locks", "name"));

    for _ in 0..7 {
        server.post("/v1/locks/two/tickets", r#"{"queue": true}"#).await;
    }
    let whole = server.get("/v1/locks/two").await.ok();
    assert_eq!(whole.get("next"), None);
    let (mut holders, mut queue, mut path) = (Vec::new(), Vec::new(), "/v1/locks/two?tickets=2".to_owned());
    loop {
        let page = server.get(&path).await.ok();
        holders.extend(names(&page, "holders", "number"));
        queue.extend(names(&page, "queue", "ahead"));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/locks/two?tickets=2&cursor={next}");
    }
    assert_eq!(holders, names(&whole, "holders", "number"));
    assert_eq!(queue, names(&whole, "queue", "ahead"));

    let whole = server.get("/v1/tickets?mine").await.ok();
    let first = server.get("/v1/tickets?mine&limit=4").await.ok();
    let rest = server.get(&format!("/v1/tickets?mine&cursor={}", first["next"].as_str().unwrap())).await.ok();
    let both = [names(&first, "tickets", "number"), names(&rest, "tickets", "number")].concat();
    assert_eq!((both, rest.get("next")), (names(&whole, "tickets", "number"), None));

    for bad in
        ["/v1/locks?limit=1001", "/v1/locks?cursor=a%2Fb", "/v1/locks/two?cursor=x", "/v1/tickets?mine&limit=1001"]
    {
        assert_eq!(server.get(bad).await.code(), "invalid", "{bad}");
    }
}

#[tokio::test]
async fn every_listing_of_very_many_locks_is_short() {
    let server = Server::start().await;
    add_locks(&server, 5000).await;
    let page = server.get("/v1/locks?tickets=0").await.ok();
    let listed = names(&page, "locks", "name").len();
    assert!((100..=LISTED_LOCKS_MAX).contains(&listed) && page["next"].is_string(), "{listed} locks of a page");
    let browser = ["User-Agent: Mozilla/5.0", "Accept: text/html,*/*;q=0.8"];
    let document = server.call("GET", "/", &browser, "").await.body;
    assert!(document.matches("class=\"row\"").count() <= LISTED_LOCKS_MAX && document.contains("/?after=lock-"));
    let at = document.find("/?after=").unwrap();
    let next: String = document[at..].chars().take_while(|c| *c != '"').collect();
    assert!(server.call("GET", &next, &browser, "").await.body.contains("class=\"row\""));
    // 0.36's text is read by scripts that know of no pages.
    let text = server.call("GET", "/", &["Accept: text/plain"], "").await.body;
    assert!(text.starts_with("Lock \"lock-00000\"\n") && text.matches("LOCKS\n").count() == 5002, "all of them");
}

#[tokio::test]
async fn all_of_a_million_permits_is_a_short_answer() {
    let server = Server::start().await;
    server.admin("PUT", "/v1/locks/million", &["Content-Type: application/json"], r#"{"size": 1000000}"#).await;
    let answer = server.post("/v1/locks/million/tickets", r#"{"permits": "all"}"#).await;
    assert!(answer.body.len() < 10_000, "{} bytes", answer.body.len());
    let ticket = answer.json();
    assert_eq!((&ticket["slot_ranges"], ticket["slots"].as_array().unwrap().len()), (&"0-999999".into(), 1000));
}

/// A lock of so many slots with names; all but one are held.
async fn add_named(server: &Server, lock: &str, count: usize) {
    let digit = |n: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[n % 36]);
    let slots: Vec<String> = (0..count).map(|n| [digit(n / 1296), digit(n / 36), digit(n)].iter().collect()).collect();
    let (path, body) = (format!("/v1/locks/{lock}"), serde_json::json!({ "slots": slots }).to_string());
    let made = server.admin("PUT", &path, &["Content-Type: application/json"], &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let taken = server.post(&format!("{path}/tickets"), &format!(r#"{{"permits": {}}}"#, count - 1)).await;
    assert_eq!(taken.status, 201);
}

const BROWSER: [&str; 2] = ["User-Agent: Mozilla/5.0", "Accept: text/html,*/*;q=0.8"];

#[tokio::test]
async fn a_page_of_ten_thousand_named_slots_is_short() {
    let server = Server::start().await;
    add_named(&server, "named", 10_000).await;
    // The text is 0.36's, which knows of no names.
    for (accept, names) in [("Accept: text/html,*/*;q=0.8", true), ("Accept: text/plain", false)] {
        let page = server.call("GET", "/locks/named", &["User-Agent: Mozilla/5.0", accept], "").await;
        assert_eq!(page.status, 200);
        assert!(page.body.len() < 200_000, "{accept}: {} bytes", page.body.len());
        assert!(!names || page.body.contains("000, 001"), "{accept}: slots by their names");
    }
}

/// Ten times as many may take 40 times as long, where pairs would take 100 times as long.
#[tokio::test]
async fn a_page_of_named_slots_costs_what_it_tells() {
    let server = Server::start().await;
    for (lock, count) in [("few", 1000), ("many", 10_000)] {
        add_named(&server, lock, count).await;
    }
    for (page, headers) in [("/locks/", &BROWSER[..]), ("/locks/", &["Accept: text/plain"]), ("/v1/locks/", &[])] {
        let best = async |lock: &str| {
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let begin = Instant::now();
                assert_eq!(server.call("GET", &format!("{page}{lock}"), headers, "").await.status, 200);
                best = best.min(begin.elapsed());
            }
            best
        };
        let (few, many) = (best("few").await, best("many").await);
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("{page} {headers:?}: {few:?} with 1,000, {many:?} with 10,000, ratio {ratio:.1}");
        assert!(ratio < 40.0, "{page} {headers:?}: {ratio:.1} times as long with 10,000 names as with 1,000");
    }
}

/// The server and this test share one thread; there is another one for what takes long.
#[test]
fn a_page_of_ten_thousand_named_slots_is_not_made_on_a_thread_that_serves_others() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let server = Server::start().await;
        add_named(&server, "named", 10_000).await;
        for (path, headers) in [("/locks/named", &BROWSER[..]), ("/v1/locks/named", &[])] {
            let (go, going) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || assert!(going.recv().is_err()));
            let mut page = server.open("GET", path, headers, "").await;
            // What comes later is answered meanwhile.
            for _ in 0..3 {
                server.get("/v1/locks/one?tickets=0").await.ok();
            }
            let early = tokio::time::timeout(Duration::ZERO, page.read_u8()).await;
            assert!(early.is_err(), "{path}: made without that thread");
            drop(go);
            assert_eq!(read(page).await.status, 200);
            busy.await.unwrap();
        }
    });
}

#[tokio::test]
async fn answers_that_a_client_does_not_read_are_few_and_nobody_else_waits_for_them() {
    let server = Server::start().await;
    add_locks(&server, 5000).await;
    // Each answer is longer than what the kernel keeps for a client that does not read.
    // Some more than its share come: those are turned away at once, whichever they are.
    let mut reading = JoinSet::new();
    for _ in 0..OWNER_READS_MAX + 8 {
        let mut one = server.open("GET", "/v1/locks?tickets=0", &[], "").await;
        reading.spawn(async move {
            let mut begin = [0; 12];
            one.read_exact(&mut begin).await.unwrap();
            (begin, one)
        });
    }
    let (mut begun, mut refused) = (Vec::new(), Vec::new());
    while begun.is_empty() || refused.is_empty() {
        let (begin, one) = within(reading.join_next()).await.unwrap().unwrap();
        match &begin {
            b"HTTP/1.1 200" => begun.push(one),
            b"HTTP/1.1 429" => refused.push(one),
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    let mut said = String::new();
    while !said.contains("reads_of_a_key_or_address") {
        let mut part = [0; 1024];
        let count = within(refused[0].read(&mut part)).await.unwrap();
        assert!(count > 0, "{said}");
        said += &String::from_utf8_lossy(&part[..count]);
    }
    assert!(said.contains("limit_reached"), "{said}");
    // Changes go on, and so do the looks of other clients.
    let held = server.take("one").await;
    let look = server.admin("GET", "/v1/locks?tickets=0", &[], "");
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("others are answered").ok();
    server.delete(&format!("/v1/tickets/{held}")).await.ok();
    // Once they are read, or given up, there is room again.
    let mut first = begun.remove(0);
    reading.shutdown().await;
    drop((begun, refused));
    let mut all = Vec::new();
    within(first.read_to_end(&mut all)).await.unwrap();
    within(async { while server.get("/v1/locks?tickets=0").await.status != 200 {} }).await;
}
