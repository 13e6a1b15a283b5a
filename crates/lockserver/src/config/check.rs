//! What `lockserver check-config` prints. Writing into a string does not fail.

use super::cluster::CLUSTER;
use super::etcd::ETCD;
use super::general::GENERAL;
use super::lock::LOCK;
use super::places::Places;
use super::section::Strict;
use super::setting::{Setting, shown};
use super::value::join;
use super::{Loaded, Problems, StoreChoice, TlsFiles, exposure, hosts};
use crate::access::{Access, Grants};
use lock_core::{Definition, Target};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// Where the comments begin that say where a setting comes from, unless it is longer.
const PLACE_COLUMN: usize = 32;

/// Every error and warning; then, if the server would start, the effective settings and locks in the file's own syntax, each with
/// the place that it comes from; last a line that sums up.
#[must_use]
pub fn check_report(result: &Result<Loaded, Problems>) -> String {
    report(result).0
}

/// The same for a check to which a warning is a failure: `false` if there is one, or an error.
#[must_use]
pub fn check_strictly(result: &Result<Loaded, Problems>) -> (String, bool) {
    let (mut text, warnings) = report(result);
    if result.is_ok() && warnings > 0 {
        text.push_str("# --strict: a warning counts as an error\n");
    }
    (text, result.is_ok() && warnings == 0)
}

/// What is printed, and the number of warnings in it.
fn report(result: &Result<Loaded, Problems>) -> (String, usize) {
    let (errors, warnings) = match result {
        Ok(loaded) => (&[][..], &loaded.warnings[..]),
        Err(problems) => (&problems.errors[..], &problems.warnings[..]),
    };
    let mut out = String::new();
    for error in errors {
        let _ = writeln!(out, "error: {error}");
    }
    for warning in warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    let exposed = result
        .as_ref()
        .map_or_else(|_| Vec::new(), |loaded| exposure(&loaded.config, is_loopback(&loaded.config.server)));
    for text in &exposed {
        let _ = writeln!(out, "warning: {text}");
    }
    if let Ok(loaded) = result {
        out.push_str(&listing(loaded));
    }
    let verdict = if result.is_ok() { "the configuration is good" } else { "the server would not start" };
    let warnings = warnings.len() + exposed.len();
    let _ = writeln!(out, "# {}, {}: {verdict}", count(errors.len(), "error"), count(warnings, "warning"));
    (out, warnings)
}

/// A name counts as this machine's only if it says so, or the hosts file does; what it resolves to is known at the start.
fn is_loopback(server: &str) -> bool {
    let named = || server.eq_ignore_ascii_case("localhost") || hosts::is_loopback(server);
    server.parse::<IpAddr>().map_or_else(|_| named(), |address| address.is_loopback())
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The settings in force, in the syntax of the file; comments say where those come from that are no defaults.
struct Listing<'a> {
    out: String,
    places: &'a Places,
}

impl Listing<'_> {
    fn line(&mut self, text: &str, place: Option<String>) {
        let _ = match place {
            Some(place) => writeln!(self.out, "{text:<PLACE_COLUMN$} # {place}"),
            None => writeln!(self.out, "{text}"),
        };
    }

    fn section(&mut self, title: &str, section: &Strict) {
        self.out.push('\n');
        self.line(&format!("[{title}]"), self.places.section(section));
    }

    fn setting(&mut self, section: &Strict, name: &str, text: impl fmt::Display) {
        self.line(&format!("{name}={text}"), self.places.setting(section, name));
    }

    fn settings<D, C>(&mut self, section: &Strict, settings: &[Setting<D, C>], from: &C) {
        for (name, text) in shown(settings, from) {
            self.setting(section, name, text);
        }
    }

    fn grants(&mut self, section: &Strict, grants: &Grants) {
        let Grants { rights, locks, max_priority } = grants;
        self.setting(section, "RIGHTS", rights);
        self.setting(section, "LOCKS", locks);
        self.setting(section, "MAX_PRIORITY", max_priority);
    }

    /// The keys in the order of their names; digests are no secrets.
    fn keys(&mut self, access: &Access) {
        if access.is_open() {
            return;
        }
        self.section("anonymous", &Strict::Anonymous);
        self.grants(&Strict::Anonymous, access.anonymous());
        for key in access.keys() {
            let section = Strict::Key(key.name.clone());
            self.section(&format!("key {}", key.name), &section);
            if !key.secrets.is_empty() {
                self.setting(&section, "SECRET_HASH", join(&key.secrets));
            }
            self.grants(&section, &key.grants);
        }
    }

    fn lock(&mut self, definition: &Definition) {
        let name = match &definition.target {
            Target::Lock(name) => name.to_string(),
            Target::Template(prefix) => prefix.pattern(),
        };
        let section = Strict::Lock(definition.target.clone());
        self.section(&format!("lock {name}"), &section);
        if definition.paused {
            self.line("# size 1, and starts paused", None);
        }
        self.settings(&section, &LOCK, definition);
    }
}

fn listing(loaded: &Loaded) -> String {
    let Loaded { config, places, .. } = loaded;
    let mut list = Listing { out: String::new(), places };
    for file in &config.files {
        list.line(&format!("# read {}", file.display()), None);
    }
    if config.files.is_empty() {
        list.line("# no file was found: these are the defaults", None);
    }
    list.line("[general]", None);
    for (name, text) in shown(&GENERAL, config) {
        list.line(&format!("{name}={text}"), places.general(name));
    }
    list.keys(&config.access);
    if let Some(TlsFiles { cert, key, client_ca }) = &config.tls {
        list.section("tls", &Strict::Tls);
        for (name, file) in [("CERT", Some(cert)), ("KEY", Some(key)), ("CLIENT_CA", client_ca.as_ref())] {
            if let Some(file) = file {
                list.setting(&Strict::Tls, name, file.display());
            }
        }
    }
    list.section("fleetlock", &Strict::Fleetlock);
    list.setting(&Strict::Fleetlock, "PREFIX", &config.fleetlock_prefix);
    if !config.terraform_locks.targets().is_empty() {
        list.section("terraform", &Strict::Terraform);
        list.setting(&Strict::Terraform, "LOCKS", &config.terraform_locks);
    }
    if let StoreChoice::Etcd(place) = &config.store {
        list.section("etcd", &Strict::Etcd);
        list.settings(&Strict::Etcd, &ETCD, place);
    }
    if let Some(cluster) = &config.cluster {
        list.section("cluster", &Strict::Cluster);
        list.settings(&Strict::Cluster, &CLUSTER, cluster);
    }
    for definition in &config.definitions {
        list.lock(definition);
    }
    list.out.push('\n');
    list.out
}
