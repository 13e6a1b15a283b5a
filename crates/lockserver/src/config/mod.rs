//! Files, environment and flags to one checked [`Config`].
//!
//! [`Sources::load`] reads everything and reports every problem at once: a server never starts, and never reloads, on a part
//! of its configuration. `[general]` is read as leniently as 0.36 read it; sections that 0.36 had not are strict. The words
//! for people are in `docs/configuration.md`.

mod check;
mod cluster;
mod default_lock;
mod document;
mod etcd;
mod fleetlock;
mod general;
mod hosts;
mod ini;
mod key;
mod lock;
mod names;
mod patterns;
mod peers;
mod places;
mod problem;
mod read;
mod secret_file;
mod section;
mod setting;
mod sources;
mod store;
mod terraform;
mod tls;
mod value;

#[cfg(test)]
mod tests;

pub use crate::audit::Place as AuditLog;
pub use crate::log::{Format as LogFormat, Level as LogLevel};
pub use check::{check_report, check_strictly};
pub use cluster::ClusterConfig;
pub use hosts::own_names;
pub use key::rights;
pub use patterns::patterns;
pub use problem::{Problem, Problems};
pub use sources::Sources;
pub use store::StoreChoice;
pub(crate) use store::read_store;
pub use tls::TlsFiles;

use crate::access::{Access, Patterns};
use crate::tls::Tls;
use cluster::CLUSTER;
use etcd::ETCD;
use general::GENERAL;
use ipnet::IpNet;
use lock_core::{ConfigureMode, Definition};
use places::Places;
use setting::Setting;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the server runs with. Every value is checked and within its bounds, but for those of the blank that is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Address or host name to listen on; IPv6 without brackets.
    pub server: String,
    /// Port to listen on; 0 picks one.
    pub port: u16,
    /// Where the table is kept.
    pub store: StoreChoice,
    /// The other servers on the same store, if it is one that several may share.
    pub cluster: Option<ClusterConfig>,
    /// The log.
    pub log: LogConfig,
    /// How long `get_lock` may wait for its grant; zero answers at once.
    pub long_poll: Duration,
    /// Requests that may wait at a time, for one key or address.
    pub max_waiting: usize,
    /// Keys, and what is allowed without one.
    pub access: Access,
    /// TLS, unless it is spoken by somebody in front, or by nobody.
    pub tls: Option<TlsFiles>,
    /// Where it is written down who did what.
    pub audit: Option<AuditLog>,
    /// Proxies in front of the server, which may say for which client a request is.
    pub trusted_proxies: Vec<IpNet>,
    /// Names by which clients may call the server, beside its addresses; empty for any.
    pub allowed_hosts: Vec<String>,
    /// Pages elsewhere that may use the server.
    pub allowed_origins: Vec<String>,
    /// Instances of templates that have metrics of their own.
    pub metrics_per_instance: Patterns,
    /// `ON_DOUBT`: where the store has lost commits, every lock is paused until somebody has looked.
    pub pause_in_doubt: bool,
    /// What the name of a FleetLock group's lock begins with.
    pub fleetlock_prefix: Arc<str>,
    /// The locks that Terraform may take.
    pub terraform_locks: Patterns,
    /// Locks and templates, sorted by target, none twice.
    pub definitions: Vec<Definition>,
    /// The files that were read, in that order.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// What its locks do to those of the store: several servers may have files that differ, so theirs only make what is missing.
    #[must_use]
    pub fn mode(&self) -> ConfigureMode {
        match self.store {
            StoreChoice::Etcd(_) => ConfigureMode::CreateMissing,
            StoreChoice::Memory | StoreChoice::Sqlite(_) => ConfigureMode::Apply,
        }
    }
}

/// A checked configuration, and what should be looked at all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// For the log, one each.
    pub warnings: Vec<Problem>,
    /// What the files of `[tls]` make, if there is such a section.
    pub tls: Option<Tls>,
    /// Where its settings stand.
    pub places: Places,
}

/// Where and how to log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Standard error if `None`. Whether it can be opened is not looked at here.
    pub file: Option<PathBuf>,
    /// The least important lines that are logged.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// For messages about `LOGLEVEL`.
const LOG_LEVELS: &str = "write superdebug, debug, info, warning or error";

/// What an operator should know about who can reach the server. `loopback`: only this machine can.
#[must_use]
pub fn exposure(config: &Config, loopback: bool) -> Vec<String> {
    if loopback {
        return Vec::new();
    }
    if config.access.is_open() {
        let text = "anybody that reaches this server may use and observe every lock: there are no keys. Make one with \
                    'lockserver key new NAME', or write [anonymous] and its RIGHTS to confirm that";
        return vec![text.to_owned()];
    }
    if config.access.has_keys() && config.tls.is_none() && config.trusted_proxies.is_empty() {
        let text = "keys cross this network in clear text: there is no [tls], and TRUSTED_PROXIES names no proxy that \
                    speaks TLS";
        return vec![text.to_owned()];
    }
    Vec::new()
}

/// The settings of a section, each with its value as the file would write it.
fn printed<D, C>(settings: &[Setting<D, C>], from: &C) -> Vec<(&'static str, Option<String>)> {
    settings.iter().map(|one| (one.name, Some((one.print)(from).unwrap_or_default()))).collect()
}

/// What a reload cannot apply, one warning each: all else of the new configuration is applied.
#[must_use]
pub fn restart_needed(old: &Config, new: &Config) -> Vec<String> {
    let restart = GENERAL.iter().filter(|setting| setting.restart);
    let changes = restart.map(|setting| (setting.name, (setting.print)(old), (setting.print)(new)));
    let of_several = |config: &Config| {
        let of_etcd = match &config.store {
            StoreChoice::Etcd(place) => printed(&ETCD, place),
            _ => Vec::new(),
        };
        of_etcd.into_iter().chain(config.cluster.as_ref().map_or_else(Vec::new, |cluster| printed(&CLUSTER, cluster)))
    };
    let of_several = of_several(old).zip(of_several(new)).map(|((name, old), (_, new))| (name, old, new));
    let changed = changes
        .chain(of_several)
        .filter_map(|(name, old, new)| Some((name, old?, new?)))
        .filter(|(_, old, new)| old != new);
    changed
        .map(|(name, old, new)| {
            format!(
                "{name}: '{new}' needs a restart of the server; until then '{old}' stays in force. Everything \
                 else is applied"
            )
        })
        .collect()
}
