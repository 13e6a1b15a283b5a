//! Several servers on one store: a standby gives what it is asked to the leader, and the leader believes it whose request that is.
//!
//! One hop and no more: a server that does not lead refuses what another one gives it (421), and the other looks again who leads.

mod forward;
mod sender;

pub(super) use forward::{Passed, is_given_on, pass};
pub(super) use sender::sender;

use crate::engine::Role;
use crate::engine::Status;
use axum::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

/// How long a connection to the leader may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// A connection to the leader that nobody uses is closed after this time: sooner than the leader would close it.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// A server of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is called.
    pub name: String,
    /// Where the others reach it.
    pub url: Option<String>,
}

/// What a server of several needs to speak with the others.
pub struct Cluster {
    /// This server, as it is known to the others.
    me: Member,
    /// What only they know.
    secret: Arc<str>,
    role: watch::Receiver<Role>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

impl Cluster {
    /// With the secret that all of them share. `tls`: what it takes to believe a leader whose URL is one of https.
    #[must_use]
    pub fn new(me: Member, secret: Arc<str>, status: &Status, tls: rustls::ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIME));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .build(connector);
        Self { me, secret, role: status.watch_role(), client }
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

    /// What this server is, and who leads.
    pub(super) fn seen(&self) -> (&'static str, Option<lock_api::Leader>) {
        let told = |name: &str, url: Option<&str>, since_ms| lock_api::Leader {
            name: name.to_owned(),
            url: url.map(str::to_owned),
            since: crate::wall::rfc3339(since_ms),
        };
        match &*self.role.borrow() {
            Role::Leading { since } => ("leader", Some(told(&self.me.name, self.me.url.as_deref(), *since))),
            Role::Standby(leader) => {
                let leader = leader.as_ref().map(|leader| told(&leader.name, leader.url.as_deref(), leader.since_ms));
                ("standby", leader)
            }
        }
    }
}
