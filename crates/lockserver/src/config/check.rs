//! What `lockserver check-config` prints. Writing into a string does not fail.

use super::cluster::CLUSTER;
use super::etcd::ETCD;
use super::general::GENERAL;
use super::lock::LOCK;
use super::setting::print;
use super::value::join;
use super::{Config, Loaded, Problems, StoreChoice, TlsFiles, exposure, hosts};
use crate::access::{Access, Grants};
use lock_core::{Definition, Target};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Every error and warning; then, if the server would start, the effective settings and locks in the file's own syntax; last a
/// line that sums up.
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
        config(&mut out, &loaded.config);
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

fn config(out: &mut String, config: &Config) {
    let Config { files, definitions, .. } = config;
    for file in files {
        let _ = writeln!(out, "# read {}", file.display());
    }
    if files.is_empty() {
        let _ = writeln!(out, "# no file was found: these are the defaults");
    }
    let _ = writeln!(out, "[general]");
    print(&GENERAL, config, out);
    keys(out, &config.access);
    if let Some(TlsFiles { cert, key, client_ca }) = &config.tls {
        let _ = writeln!(out, "\n[tls]\nCERT={}\nKEY={}", cert.display(), key.display());
        if let Some(client_ca) = client_ca {
            let _ = writeln!(out, "CLIENT_CA={}", client_ca.display());
        }
    }
    let _ = writeln!(out, "\n[fleetlock]\nPREFIX={}", config.fleetlock_prefix);
    if !config.terraform_locks.targets().is_empty() {
        let _ = writeln!(out, "\n[terraform]\nLOCKS={}", config.terraform_locks);
    }
    if let StoreChoice::Etcd(place) = &config.store {
        let _ = writeln!(out, "\n[etcd]");
        print(&ETCD, place, out);
    }
    if let Some(cluster) = &config.cluster {
        let _ = writeln!(out, "\n[cluster]");
        print(&CLUSTER, cluster, out);
    }
    for definition in definitions {
        lock(out, definition);
    }
    out.push('\n');
}

/// The keys in the order of their names; digests are no secrets.
fn keys(out: &mut String, access: &Access) {
    if access.is_open() {
        return;
    }
    let _ = writeln!(out, "\n[anonymous]");
    grants(out, access.anonymous());
    for key in access.keys() {
        let _ = writeln!(out, "\n[key {}]", key.name);
        if !key.secrets.is_empty() {
            let _ = writeln!(out, "SECRET_HASH={}", join(&key.secrets));
        }
        grants(out, &key.grants);
    }
}

fn grants(out: &mut String, grants: &Grants) {
    let Grants { rights, locks, max_priority } = grants;
    let _ = writeln!(out, "RIGHTS={rights}\nLOCKS={locks}\nMAX_PRIORITY={max_priority}");
}

fn lock(out: &mut String, definition: &Definition) {
    let name = match &definition.target {
        Target::Lock(name) => name.to_string(),
        Target::Template(prefix) => prefix.pattern(),
    };
    let _ = writeln!(out, "\n[lock {name}]");
    if definition.paused {
        let _ = writeln!(out, "# size 1, and starts paused");
    }
    print(&LOCK, definition, out);
}
