//! The servers that stand by: each says so to the leader every few seconds, and hears from it which others do.

use super::super::app::App;
use super::super::body;
use super::Cluster;
use crate::engine::{Leader, Role};
use crate::wall;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use lock_api::Standby;
use lock_core::WallMs;
use lock_core::limits::STANDBYS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Where a standby says that it stands by.
pub(in crate::http) const PATH: &str = "/cluster/standby";
/// How often it does.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long its leader may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// A standby that was not heard of for so long is gone.
const GONE: Duration = Duration::from_secs(10);

/// What a standby says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heartbeat {
    secret: String,
    name: String,
    url: Option<String>,
    /// Its clock.
    wall_ms: WallMs,
}

/// What a leader was told by a standby.
#[derive(Debug)]
struct Heard {
    url: Option<String>,
    /// Its clock less ours, in milliseconds; the way of the message counts as behind.
    ahead_ms: i64,
    at: Instant,
}

impl Heard {
    fn is_there(&self, now: Instant) -> bool {
        now.duration_since(self.at) < GONE
    }
}

/// The standbys, as far as this server knows.
#[derive(Debug, Default)]
pub(super) struct Standbys {
    /// By what they are called: those that told this server, which leads.
    heard: Mutex<BTreeMap<String, Heard>>,
    /// What the leader told this server, which stands by, and when.
    told: Mutex<Option<(Instant, Vec<Standby>)>>,
}

impl Standbys {
    /// Those that told this server lately.
    pub(super) fn heard(&self, now: Instant) -> Vec<Standby> {
        let mut heard = lock(&self.heard);
        heard.retain(|_, one| one.is_there(now));
        let told = |(name, one): (&String, &Heard)| Standby {
            name: name.clone(),
            url: one.url.clone(),
            clock_ahead_s: one.ahead_ms as f64 / 1000.0,
        };
        heard.iter().map(told).collect()
    }

    /// Those of which the leader told this server lately.
    pub(super) fn told(&self, now: Instant) -> Vec<Standby> {
        let told = lock(&self.told);
        told.iter().filter(|(at, _)| now.duration_since(*at) < GONE).flat_map(|(_, told)| told.clone()).collect()
    }

    fn hear(&self, heartbeat: Heartbeat, now: Instant) {
        let Heartbeat { name, url, wall_ms, .. } = heartbeat;
        let ahead_ms = wall_ms.cast_signed().saturating_sub(wall::now_ms().cast_signed());
        let mut heard = lock(&self.heard);
        heard.retain(|_, one| one.is_there(now));
        if heard.len() < STANDBYS_MAX || heard.contains_key(&name) {
            heard.insert(name, Heard { url, ahead_ms, at: now });
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The leader's side: remembers the standby, and tells it of all.
pub(in crate::http) async fn standby(State(app): State<App>, request: Request) -> Response {
    let Some(cluster) = &app.service.cluster else { return StatusCode::NOT_FOUND.into_response() };
    let heartbeat = body::read(request.into_body()).await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    match heartbeat {
        Some(Heartbeat { secret, .. }) if !cluster.knows(&secret) => StatusCode::FORBIDDEN.into_response(),
        Some(_) if !cluster.leads() => StatusCode::MISDIRECTED_REQUEST.into_response(),
        Some(heartbeat) => {
            let now = Instant::now();
            cluster.standbys.hear(heartbeat, now);
            axum::Json(cluster.standbys.heard(now)).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// The standby's side, as long as the server runs: says that it stands by, to whoever leads.
pub async fn stand_by(app: App) {
    let Some(cluster) = &app.service.cluster else { return };
    let mut role = cluster.role.clone();
    loop {
        let now = role.borrow_and_update().clone();
        if let Role::Standby(Some(leader)) = now
            && let Some(told) = say(cluster, &leader).await
        {
            *lock(&cluster.standbys.told) = Some((Instant::now(), told));
        }
        tokio::select! {
            () = sleep(HEARTBEAT) => {}
            // The sender lives as long as the server.
            _ = role.changed() => {}
            () = app.stopping() => return,
        }
    }
}

/// Says it once; what the leader answers, if it does.
async fn say(cluster: &Cluster, leader: &Leader) -> Option<Vec<Standby>> {
    let uri: Uri = format!("{}{PATH}", leader.url.as_ref()?).parse().ok()?;
    let heartbeat = Heartbeat {
        secret: cluster.secret.to_string(),
        name: cluster.me.name.clone(),
        url: cluster.me.url.clone(),
        wall_ms: wall::now_ms(),
    };
    let body = serde_json::to_vec(&heartbeat).expect("it is plain data");
    let request = Request::builder().method(Method::POST).uri(uri).header(header::CONTENT_LENGTH, body.len());
    let request = request.body(Body::from(body)).ok()?;
    let answered = timeout(ANSWER_TIME, async {
        let response = cluster.client.request(request).await.ok()?;
        let is_good = response.status() == StatusCode::OK;
        let body = body::read(Body::new(response.into_body())).await.ok()?;
        is_good.then(|| serde_json::from_slice(&body).ok()).flatten()
    });
    answered.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(name: &str, wall_ms: WallMs) -> Heartbeat {
        Heartbeat { secret: String::new(), name: name.to_owned(), url: None, wall_ms }
    }

    fn names(standbys: &Standbys, now: Instant) -> Vec<String> {
        standbys.heard(now).into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn a_standby_that_says_nothing_more_is_gone() {
        let (standbys, start) = (Standbys::default(), Instant::now());
        standbys.hear(heartbeat("one", wall::now_ms()), start);
        standbys.hear(heartbeat("two", wall::now_ms() + 5000), start + GONE / 2);
        assert_eq!(names(&standbys, start + GONE / 2), ["one", "two"]);
        let ahead = standbys.heard(start + GONE / 2)[1].clock_ahead_s;
        assert!((4.0..=5.0).contains(&ahead), "{ahead}");
        assert_eq!(names(&standbys, start + GONE), ["two"]);
    }

    #[test]
    fn no_more_standbys_are_remembered_than_the_bound_allows() {
        let (standbys, start) = (Standbys::default(), Instant::now());
        for number in 0..=STANDBYS_MAX {
            standbys.hear(heartbeat(&format!("standby {number}"), 0), start);
        }
        assert_eq!(names(&standbys, start).len(), STANDBYS_MAX);
        standbys.hear(heartbeat("another", 0), start + GONE);
        assert_eq!(names(&standbys, start + GONE), ["another"]);
    }
}
