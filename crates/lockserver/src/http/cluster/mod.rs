//! Several servers on one store: a standby forwards requests to the leader, and the leader takes them as those of the standby's client.
//!
//! One hop and no more: a server that does not lead refuses what a standby forwards (421), and the standby looks for the leader again.

mod forward;
mod heartbeat;
mod sender;
mod standbys;

pub(super) use forward::{Doubt, Passed, is_given_on, pass};
pub use heartbeat::stand_by;
pub(super) use heartbeat::{PATH as STANDBY, standby};
pub(super) use sender::{is_forwarded, mark_cut_short, sender};

use crate::engine::{Leader, Role, Status};
use crate::tls::Trust;
use axum::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use standbys::Standbys;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a connection to the leader may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// A connection to the leader that nobody uses is closed after this time: sooner than the leader would close it.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// What a server of several needs to speak with the others.
pub struct Cluster {
    /// This server as a leader; since when, `role` says.
    me: Leader,
    /// What only they know.
    secret: Arc<str>,
    role: watch::Receiver<Role>,
    standbys: Standbys,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// With the secret that all of them share. `trust`: the certificates of leaders that are reached by https.
    #[must_use]
    pub fn new(me: Leader, secret: Arc<str>, status: &Status, trust: &Trust) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIME));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust.client().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .build(connector);
        Self { me, secret, role: status.watch_role(), standbys: Standbys::default(), client }
    }

    /// Whether this is the secret that the servers share.
    fn knows(&self, secret: &str) -> bool {
        self.secret.as_bytes().ct_eq(secret.as_bytes()).into()
    }

    /// Whether this server leads, as far as it knows.
    pub(super) fn leads(&self) -> bool {
        matches!(*self.role.borrow(), Role::Leading { .. })
    }

    /// Whether another server leads, and this one reaches it.
    pub(super) fn gives_on(&self) -> bool {
        matches!(&*self.role.borrow(), Role::Standby(Some(leader)) if leader.url.is_some())
    }

    /// The standbys, as the leader knows them.
    pub(super) fn standbys(&self) -> Vec<lock_api::Standby> {
        let now = Instant::now();
        if self.leads() { self.standbys.heard(now) } else { self.standbys.told(now) }
    }

    /// What this server is, and who leads.
    pub(super) fn seen(&self) -> (&'static str, Option<lock_api::Leader>) {
        let told = |leader: &Leader, since_ms| lock_api::Leader {
            name: leader.name.clone(),
            url: leader.url.clone(),
            since: crate::wall::rfc3339(since_ms),
        };
        match &*self.role.borrow() {
            Role::Leading { since } => ("leader", Some(told(&self.me, *since))),
            Role::Standby(leader) => ("standby", leader.as_deref().map(|leader| told(leader, leader.since_ms))),
        }
    }
}
