//! Heartbeats of standbys: each says to the leader every few seconds that it stands by, and hears from it which others do.

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
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Where a standby says that it stands by.
pub(in crate::http) const PATH: &str = "/cluster/standby";
/// How often it does.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long its leader may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);

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

/// The leader's side: remembers the standby, and tells it of all.
pub(in crate::http) async fn standby(State(app): State<App>, request: Request) -> Response {
    let Some(cluster) = &app.service.cluster else { return StatusCode::NOT_FOUND.into_response() };
    let heartbeat = body::read(request.into_body()).await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    match heartbeat {
        Some(Heartbeat { secret, .. }) if !cluster.knows(&secret) => StatusCode::FORBIDDEN.into_response(),
        Some(_) if !cluster.leads() => StatusCode::MISDIRECTED_REQUEST.into_response(),
        Some(heartbeat) => {
            let now = Instant::now();
            let Heartbeat { name, url, wall_ms, .. } = heartbeat;
            cluster.standbys.hear(name, url, wall_ms, now);
            axum::Json(cluster.standbys.heard(now)).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// The standby's side, as long as the server runs: tells the leader that it stands by.
pub async fn stand_by(app: App) {
    let Some(cluster) = &app.service.cluster else { return };
    let mut role = cluster.role.clone();
    loop {
        let now = role.borrow_and_update().clone();
        if let Role::Standby(Some(leader)) = now
            && let Some(told) = say(cluster, &leader).await
        {
            cluster.standbys.learn(told, Instant::now());
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
