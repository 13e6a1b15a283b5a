//! What goes over the wire: gzip for who asks for it, and how much the page takes in all.

use super::harness::{Server, within};
use flate2::read::GzDecoder;
use lock_core::{
    Caller, Command, ConfigureMode, Continuity, Definition, IfBusy, Lease, LockName, NewTicket, ReleaseTarget,
    Settings, Snapshot, StepContext, Table, Target, TicketId,
};
use std::io::Read as _;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;

const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd";
const BROWSER: [&str; 2] = ["User-Agent: Mozilla/5.0", "Accept: text/html,*/*;q=0.8"];

/// An answer in bytes: its head, its body as it was sent, and as it is meant.
struct Bytes {
    head: String,
    sent: usize,
    text: String,
}

impl Bytes {
    fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = lines.filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

async fn get(server: &Server, path: &str, headers: &[&str]) -> Bytes {
    let mut all = Vec::new();
    within(server.open("GET", path, headers, "").await.read_to_end(&mut all)).await.expect("an answer");
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(all[..end].to_vec()).expect("a head is text");
    let mut text = String::new();
    let is_gzip = head.lines().any(|line| line.eq_ignore_ascii_case("content-encoding: gzip"));
    if is_gzip {
        GzDecoder::new(&all[end..]).read_to_string(&mut text).expect("gzip of text");
    } else {
        text = String::from_utf8(all[end..].to_vec()).expect("text");
    }
    Bytes { head, sent: all.len(), text }
}

/// A browser's first visit: the document, all that it is made of, and what its script reads. `(as it is, as gzip)`.
async fn visit(server: &Server, page: &str, data: &[&str]) -> [usize; 2] {
    let document = get(server, page, &BROWSER).await;
    let mut paths: Vec<String> =
        document.text.split('"').filter(|part| part.starts_with("/page/")).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    assert!(paths.len() >= 10, "{paths:?}");
    paths.extend(data.iter().map(|path| (*path).to_owned()));
    paths.push(page.to_owned());
    let mut sums = [0; 2];
    for path in &paths {
        let mut texts = Vec::new();
        for (sum, coding) in sums.iter_mut().zip(["Accept-Encoding: identity", GZIP]) {
            let answer = get(server, path, &[BROWSER[0], BROWSER[1], coding]).await;
            assert!(answer.head.starts_with("HTTP/1.1 200"), "{path}: {}", answer.head);
            *sum += answer.sent;
            texts.push(answer.text.len());
        }
        assert!(texts[0].abs_diff(texts[1]) < 2000, "{path}: the same but for times: {texts:?}");
    }
    println!("{page}: {} bytes as they are, {} as gzip", sums[0], sums[1]);
    sums
}

#[tokio::test]
async fn gzip_for_who_names_it() {
    let server = Server::start().await;
    server.take("one").await;
    for path in ["/", "/locks/one", "/v1/locks", "/v1/locks/one", "/v1/locks/one/history", "/openapi.json", "/metrics"]
    {
        let plain = get(&server, path, &BROWSER).await;
        let small = get(&server, path, &[BROWSER[0], BROWSER[1], GZIP]).await;
        for answer in [&plain, &small] {
            assert!(answer.header("vary").is_some_and(|vary| vary.contains("Accept-Encoding")), "{path}");
        }
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        if plain.text.len() >= 1024 {
            assert_eq!(small.header("content-encoding").as_deref(), Some("gzip"), "{path}");
            assert!(small.sent < plain.sent * 3 / 4, "{path}: {} of {}", small.sent, plain.sent);
        }
        for coding in ["Accept-Encoding: gzip;q=0", "Accept-Encoding: *", "Accept-Encoding: identity"] {
            let answer = get(&server, path, &[BROWSER[0], BROWSER[1], coding]).await;
            assert_eq!(answer.header("content-encoding"), None, "{path} {coding}");
        }
    }
    // Tickets and events are never touched.
    let info = "x".repeat(4000);
    let body = format!("{{\"info\": \"{info}\"}}");
    let taken = server.call("POST", "/v1/locks/two/tickets", &[GZIP], &body).await;
    assert_eq!((taken.status, taken.header("content-encoding"), taken.header("vary")), (201, None, None));
    let read = get(&server, &format!("/v1/tickets/{}", taken.id()), &[GZIP]).await;
    assert_eq!(read.header("content-encoding"), None);
    let mut events = server.open("GET", "/v1/events", &[GZIP, "Last-Event-ID: x"], "").await;
    let mut head = String::new();
    while !head.contains("event: reset") {
        head += &super::harness::line(&mut events).await;
    }
    assert!(!head.to_ascii_lowercase().contains("content-encoding"), "{head}");
}

#[tokio::test]
async fn either_etag_is_good_for_a_change() {
    let server = Server::start().await;
    let text = "d".repeat(1000);
    server.admin("PATCH", "/v1/locks/one", &[], &format!("{{\"description\": \"{text}\"}}")).await.ok();
    let tags = [get(&server, "/v1/locks/one", &[]).await, get(&server, "/v1/locks/one", &[GZIP]).await]
        .map(|answer| answer.header("etag").expect("a tag"));
    assert_ne!(tags[0], tags[1], "other bytes, another strong tag");
    for (tag, size) in [(&tags[1], 2), (&tags[0], 3)] {
        let change = format!("{{\"size\": {size}}}");
        let changed = server.admin("PATCH", "/v1/locks/one", &[&format!("If-Match: {tag}")], &change).await;
        // The second finds what the first has done.
        let want = if size == 2 { 200 } else { 412 };
        assert_eq!(changed.status, want, "{changed:?}");
    }
    let page = get(&server, "/", &BROWSER).await;
    let script = page.text.split('"').find(|part| part.ends_with("/main.js")).expect("its script").to_owned();
    for coding in ["Accept-Encoding: identity", GZIP] {
        let tag = get(&server, &script, &[coding]).await.header("etag").expect("a tag");
        let again = get(&server, &script, &[coding, &format!("If-None-Match: {tag}")]).await;
        assert!(again.head.starts_with("HTTP/1.1 304") && again.header("etag") == Some(tag), "{}", again.head);
    }
}

/// A day of a lock, as the server would have seen it: one ticket comes or goes every 10 s.
fn a_day(server: &Server, lock: &LockName, now: u64) {
    let mut table = Table::load(Snapshot::default(), now, &Continuity::None).expect("nothing is no trouble");
    let settings = Settings::new(40);
    let definitions = vec![Definition { target: Target::Lock(lock.clone()), settings, paused: false }];
    let mut commands = vec![Command::Configure { definitions, mode: ConfigureMode::Apply }];
    let history = &server.handle().metrics().history;
    let mut live: Vec<u128> = Vec::new();
    for step in 0..8640_u128 {
        let wall = now - (8640 - step as u64) * 10_000;
        // Neither regular, which would compress too well, nor random.
        let rising = (step * step / 7 + step / 360) % 5 < 3;
        if rising && live.len() < 60 {
            live.push(step + 1);
            commands.push(Command::Acquire(NewTicket {
                info: Arc::from("a job"),
                lease: Lease::Never,
                if_busy: IfBusy::Queue,
                ..NewTicket::new(lock.clone(), TicketId(step + 1))
            }));
        } else if !live.is_empty() {
            let id = TicketId(live.remove((step % live.len() as u128) as usize));
            let target = ReleaseTarget::Id(None, id);
            commands.push(Command::Release { target, queued: true, keep: None, withhold: None });
        }
        for command in commands.drain(..) {
            let at = StepContext { now: table.now(), wall, is_connected: &|_| true };
            table.apply(at, Caller::server(), &command).expect("it is good");
        }
        table.take_changes();
        table.take_served();
        history.note(&table.take_events());
        history.sample(wall, &table);
    }
}

#[tokio::test]
async fn the_page_of_a_busy_lock_takes_less_than_100_kilobytes() {
    let server = Server::start().await;
    server.admin("PUT", "/v1/locks/licences", &[], r#"{"size": 40, "description": "licences of the CAD"}"#).await;
    let now = wall_now();
    a_day(&server, &LockName::new("licences").unwrap(), now);
    for number in 0..60_u32 {
        let info =
            format!("build {} of branch feature-{} on agent-{number:03}", number * 7919 % 9973, number * 31 % 17);
        let body = format!("{{\"info\": \"{info}\", \"ttl_s\": {}, \"queue\": true}}", 600 + number);
        let answer = server.post("/v1/locks/licences/tickets", &body).await;
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    }
    let lock = server.lock("licences").await;
    assert_eq!((lock["holding"].as_u64(), lock["queued"].as_u64()), (Some(40), Some(20)));
    let history = get(&server, "/v1/locks/licences/history", &[]).await;
    let history: lock_api::History = serde_json::from_str(&history.text).unwrap();
    assert!(history.hour.full.len() > 350 && history.day.full.len() > 280 && history.events.len() == 50);
    let data = ["/v1/status", "/v1/locks/licences", "/v1/locks/licences/history"];
    let [plain, gzip] = visit(&server, "/locks/licences", &data).await;
    assert!(gzip < 100_000, "{gzip} bytes, {plain} without gzip");
}

#[tokio::test]
async fn a_thousand_locks() {
    let server = Server::start().await;
    for number in 0..1000 {
        let made = server.admin("PUT", &format!("/v1/locks/lock-{number}"), &[], r#"{"size": 3}"#).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let [plain, gzip] = visit(&server, "/", &["/v1/status", "/v1/locks?tickets=0"]).await;
    assert!(gzip < 200_000 && gzip * 5 < plain, "{gzip} bytes, {plain} without gzip");
}

fn wall_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 500,000,000")
}
