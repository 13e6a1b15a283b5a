//! Changes of leader, as somebody sees who asks both servers again and again: also those that no fault explains.

use crate::client::Shared;
use crate::history::{Fault, SECOND};
use crate::http::{Outcome, call};
use hyper::Method;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::sleep;

/// What a change of leader is called among faults.
pub(crate) const CHANGE: &str = "change of leader";

/// Looks until the run stops.
pub(crate) async fn watch_leaders(shared: &Shared) -> Vec<Fault> {
    let mut changes = Vec::new();
    let mut last = (shared.now(), String::new());
    while !shared.stopped() {
        let (first, second) = tokio::join!(led_by(shared.servers[0]), led_by(shared.servers[1]));
        for leads in [first, second].into_iter().flatten() {
            let now = shared.now();
            if leads != last.1 || now - last.0 > SECOND {
                changes.push(Fault { kind: CHANGE, from: last.0, mended: now, until: now });
            }
            last = (now, leads);
        }
        sleep(Duration::from_millis(50)).await;
    }
    changes
}

/// What this server says of itself as the leader, if it is that.
async fn led_by(at: SocketAddr) -> Option<String> {
    let answer = call(at, Method::GET, "/v1/status", None, Duration::from_secs(1)).await;
    match answer {
        Outcome::Answered(200, body) if body["role"] == "leader" && body["ready"] == true => {
            Some(body["leader"].to_string())
        }
        _ => None,
    }
}
