//! Where the table lives in etcd, and how this server comes to it.

use std::path::PathBuf;
use std::time::Duration;

/// A store in etcd, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdPlace {
    /// The members of etcd, each as `http://HOST:PORT` or `https://HOST:PORT`; at least one.
    pub endpoints: Vec<String>,
    /// What every key begins with.
    pub prefix: String,
    /// Who vouches for the certificates of etcd, PEM; without it those whom the system trusts.
    pub ca: Option<PathBuf>,
    /// The certificate that is shown to etcd, and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The user of etcd, and the file of its password.
    pub user: Option<(String, PathBuf)>,
    /// How long a leader stays one that etcd does not hear of.
    pub lease: Duration,
    /// What others call this server.
    pub name: String,
    /// Where they reach it.
    pub url: Option<String>,
}

impl EtcdPlace {
    /// What keys begin with unless `PREFIX` says otherwise.
    pub const PREFIX: &'static str = "lockserver/";
    /// The lease unless `LEASE` says otherwise.
    pub const LEASE: Duration = Duration::from_secs(5);

    /// These members, and everything else as it is without settings.
    #[must_use]
    pub fn of(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            prefix: Self::PREFIX.to_owned(),
            ca: None,
            identity: None,
            user: None,
            lease: Self::LEASE,
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            url: None,
        }
    }

    /// One of our keys, in full.
    pub(super) fn key(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }
}
