//! What `lockserver check-config` prints.

use super::value::seconds_text;
use super::{AuditLog, Config, Loaded, Problems, TlsFiles, exposure, hosts};
use crate::access::{Access, Grants};
use lock_core::limits::LOCK_TICKETS_MAX;
use lock_core::{Capacity, Definition, Ms, Target};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Every error and warning; then, if the server would start, the effective settings and locks in the file's own syntax; last a
/// line that sums up.
#[must_use]
pub fn check_report(result: &Result<Loaded, Problems>) -> String {
    let (errors, warnings) = match result {
        Ok(loaded) => (&[][..], &loaded.warnings[..]),
        Err(problems) => (&problems.errors[..], &problems.warnings[..]),
    };
    let mut out = String::new();
    for error in errors {
        line(&mut out, format_args!("error: {error}"));
    }
    for warning in warnings {
        line(&mut out, format_args!("warning: {warning}"));
    }
    let exposed = result
        .as_ref()
        .map_or_else(|_| Vec::new(), |loaded| exposure(&loaded.config, is_loopback(&loaded.config.server)));
    for text in &exposed {
        line(&mut out, format_args!("warning: {text}"));
    }
    if let Ok(loaded) = result {
        config(&mut out, &loaded.config);
    }
    let verdict = if result.is_ok() { "the configuration is good" } else { "the server does not start like this" };
    let counts = format!("{}, {}", count(errors.len(), "error"), count(warnings.len() + exposed.len(), "warning"));
    line(&mut out, format_args!("# {counts}: {verdict}"));
    out
}

/// A name counts as this machine's only if it says so, or the hosts file does; what it resolves to is known at the start.
fn is_loopback(server: &str) -> bool {
    let named = || server.eq_ignore_ascii_case("localhost") || hosts::is_loopback(server);
    server.parse::<IpAddr>().map_or_else(|_| named(), |address| address.is_loopback())
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Writing into a string does not fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
    out.push('\n');
}

fn config(out: &mut String, config: &Config) {
    let Config { server, port, store, log, long_poll, max_waiting, access, tls, audit, .. } = config;
    let Config { trusted_proxies, allowed_hosts, allowed_origins, fleetlock_prefix, definitions, files, .. } = config;
    let on_doubt = if config.pause_in_doubt { "pause" } else { "serve" };
    for file in files {
        line(out, format_args!("# read {}", file.display()));
    }
    if files.is_empty() {
        line(out, format_args!("# no file was found: these are the defaults"));
    }
    line(out, format_args!("[general]"));
    line(out, format_args!("SERVER={server}"));
    line(out, format_args!("PORT={port}"));
    line(out, format_args!("STORE={store}"));
    match &log.file {
        Some(file) => line(out, format_args!("LOG_FILE={}", file.display())),
        None => line(out, format_args!("LOG_FILE=")),
    }
    line(out, format_args!("LOGLEVEL={}", log.level.name()));
    line(out, format_args!("LOG_FORMAT={}", log.format.name()));
    line(out, format_args!("LONG_POLL={}", seconds_text(Ms::try_from(long_poll.as_millis()).unwrap_or(Ms::MAX))));
    line(out, format_args!("MAX_WAITING={max_waiting}"));
    match audit {
        Some(AuditLog::File(file)) => line(out, format_args!("AUDIT_LOG={}", file.display())),
        Some(AuditLog::Journal) => line(out, format_args!("AUDIT_LOG=journal")),
        None => line(out, format_args!("AUDIT_LOG=")),
    }
    line(out, format_args!("TRUSTED_PROXIES={}", join(trusted_proxies)));
    line(out, format_args!("ALLOWED_HOSTS={}", join(allowed_hosts)));
    line(out, format_args!("ALLOWED_ORIGINS={}", join(allowed_origins)));
    line(out, format_args!("ON_DOUBT={on_doubt}"));
    // The sections below say everything about the lock of DEFAULT_LOCK, but for its pause.
    let paused = definitions.iter().find(|definition| definition.paused);
    match paused.map(|definition| &definition.target) {
        Some(Target::Lock(name)) => line(out, format_args!("DEFAULT_LOCK={name}\nDEFAULT_LOCK_SIZE=0")),
        _ => line(out, format_args!("DEFAULT_LOCK=")),
    }
    keys(out, access);
    if let Some(TlsFiles { cert, key, client_ca }) = tls {
        line(out, format_args!("\n[tls]\nCERT={}\nKEY={}", cert.display(), key.display()));
        if let Some(client_ca) = client_ca {
            line(out, format_args!("CLIENT_CA={}", client_ca.display()));
        }
    }
    line(out, format_args!("\n[fleetlock]\nPREFIX={fleetlock_prefix}"));
    if !config.terraform_locks.targets().is_empty() {
        line(out, format_args!("\n[terraform]\nLOCKS={}", config.terraform_locks));
    }
    for definition in definitions {
        lock(out, definition);
    }
    line(out, format_args!(""));
}

fn join(pieces: &[impl ToString]) -> String {
    pieces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The keys in the order of their names; digests are no secrets.
fn keys(out: &mut String, access: &Access) {
    if access.is_open() {
        return;
    }
    let anonymous = access.anonymous();
    line(out, format_args!("\n[anonymous]"));
    grants(out, anonymous);
    for key in access.keys() {
        line(out, format_args!("\n[key {}]", key.name));
        if !key.secrets.is_empty() {
            line(out, format_args!("SECRET_HASH={}", join(&key.secrets)));
        }
        grants(out, &key.grants);
    }
}

fn grants(out: &mut String, grants: &Grants) {
    let Grants { rights, locks, max_priority } = grants;
    line(out, format_args!("RIGHTS={rights}\nLOCKS={locks}\nMAX_PRIORITY={max_priority}"));
}

fn lock(out: &mut String, definition: &Definition) {
    let Definition { target, settings, paused } = definition;
    match target {
        Target::Lock(name) => line(out, format_args!("\n[lock {name}]")),
        Target::Template(prefix) => line(out, format_args!("\n[lock {}]", prefix.pattern())),
    }
    let never = |ms: Option<Ms>| seconds_text(ms.unwrap_or(0));
    match &settings.capacity {
        _ if *paused => line(out, format_args!("# size 1, and starts paused")),
        Capacity::Size(size) => line(out, format_args!("SIZE={size}")),
        Capacity::Named(names) => {
            let names: Vec<&str> = names.iter().map(lock_core::SlotName::as_str).collect();
            line(out, format_args!("SLOTS={}", names.join(", ")));
        }
    }
    line(out, format_args!("GRACE_TIME={}", seconds_text(settings.grace)));
    line(out, format_args!("EXPIRATION_TIME={}", never(settings.expiration)));
    line(out, format_args!("MAX_LOCK_TIME={}", never(settings.max_lock)));
    if let Some(max_hold) = settings.max_hold {
        line(out, format_args!("MAX_HOLD_TIME={}", seconds_text(max_hold)));
    }
    if let Some(max_ttl) = settings.max_ttl {
        line(out, format_args!("MAX_TTL={}", seconds_text(max_ttl)));
    }
    if settings.lock_delay > 0 {
        line(out, format_args!("LOCK_DELAY={}", seconds_text(settings.lock_delay)));
    }
    if settings.max_queue as usize != LOCK_TICKETS_MAX {
        line(out, format_args!("MAX_QUEUE={}", settings.max_queue));
    }
    if !settings.description.is_empty() {
        line(out, format_args!("DESCRIPTION={}", settings.description));
    }
}
