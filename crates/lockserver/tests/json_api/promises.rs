//! What an answer promises is counted from when it was decided, not from when it was written.

use super::harness::{Server, read};
use lock_core::{Change, Snapshot};
use lockserver::http::AuthSettings;
use lockserver::store::{MemoryStore, Store, StoreError};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the disk takes for a commit.
const FLUSH: Duration = Duration::from_millis(400);

/// A store on a slow disk.
struct Slow(MemoryStore);

impl Store for Slow {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.load()
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let begin = Instant::now();
        while begin.elapsed() < FLUSH {
            std::thread::yield_now();
        }
        self.0.commit(changes)
    }
}

fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Unix time of an RFC 3339 time.
fn seconds(text: &Value) -> f64 {
    let time: jiff::Timestamp = text.as_str().expect("a time").parse().expect("RFC 3339");
    time.duration_since(jiff::Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[tokio::test]
async fn nobody_is_promised_more_time_than_is_kept_on_a_slow_disk() {
    let server = Server::start_on(Box::new(Slow(MemoryStore::default())), AuthSettings::default()).await;
    let path = "/v1/locks/one/tickets";
    let asked = Instant::now();
    let held = server.post(path, r#"{"ttl_s": 30}"#).await;
    let read_at = (Instant::now(), unix_time());
    assert_eq!(held.status, 201);
    let ticket = held.json();
    let left = ticket["expires_in_s"].as_f64().expect("a number");
    // The lease began before the flush: the time of that is not promised again.
    assert!(left <= 30.0 - FLUSH.as_secs_f64(), "{left}");
    assert!(left >= 30.0 - (read_at.0 - asked).as_secs_f64() - 0.1, "{left}");
    let end = seconds(&ticket["expires_at"]);
    assert!(end <= read_at.1 + 30.0 - FLUSH.as_secs_f64() + 0.001, "{end} {read_at:?}");
    // One that waits hears it together with the change that let it in.
    let waiting =
        server.open("POST", path, &["Content-Type: application/json"], r#"{"wait_s": 30, "ttl_s": 30}"#).await;
    let id = ticket["id"].as_str().expect("an id");
    server.delete(&format!("/v1/tickets/{id}")).await;
    let got = read(waiting).await;
    let heard = unix_time();
    assert_eq!(got.status, 201);
    assert!(got.json()["expires_in_s"].as_f64().expect("a number") <= 30.0 - FLUSH.as_secs_f64());
    assert!(seconds(&got.json()["expires_at"]) <= heard + 30.0 - FLUSH.as_secs_f64() + 0.001);
}
