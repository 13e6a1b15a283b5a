//! `[general]`, the environment and the flags: texts to checked values.

use super::default_lock::DefaultLock;
use super::document::Document;
use super::problem::{Place, Report};
use super::reader::Reader;
use super::store::StoreText;
use super::value::{quote, seconds, server, whole};
use super::{AuditLog, LOG_LEVELS, LogConfig, LogFormat, LogLevel, peers};
use ipnet::IpNet;
use lock_core::Ms;
use lock_core::limits::{WAIT_MAX_MS, WAITING_REQUESTS_MAX, WAITING_REQUESTS_SETTABLE_MAX};
use std::path::PathBuf;
use std::time::Duration;

/// The address without `SERVER`.
pub(super) const SERVER_DEFAULT: &str = "127.0.0.1";
const PORT_DEFAULT: u16 = 9090;
const LONG_POLL_DEFAULT: Ms = 20_000;

/// The checked values.
pub(super) struct General {
    pub(super) server: String,
    pub(super) port: u16,
    pub(super) store: StoreText,
    pub(super) store_place: Place,
    pub(super) log: LogConfig,
    pub(super) long_poll: Duration,
    pub(super) max_waiting: usize,
    pub(super) audit: Option<AuditLog>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) pause_in_doubt: bool,
    pub(super) default_lock: Option<DefaultLock>,
}

/// Checks everything of `[general]` that is in the document; the environment and the flags have been added to it.
pub(super) fn check(document: &Document, report: &mut Report) -> General {
    let mut reader = Reader { document, report };
    let default_lock = reader.default_lock();
    reader.lifecycle_period();
    let (store, store_place) = reader.store();
    General {
        server: reader.server(),
        port: reader.port(),
        store,
        store_place,
        log: LogConfig { file: reader.log_file(), level: reader.log_level(), format: reader.log_format() },
        long_poll: reader.long_poll(),
        max_waiting: reader.max_waiting(),
        audit: reader.audit(),
        trusted_proxies: reader.list("TRUSTED_PROXIES", peers::networks),
        allowed_hosts: reader.list("ALLOWED_HOSTS", peers::hosts),
        allowed_origins: reader.list("ALLOWED_ORIGINS", peers::origins),
        pause_in_doubt: reader.on_doubt(),
        default_lock,
    }
}

impl Reader<'_> {
    fn server(&mut self) -> String {
        let default = || SERVER_DEFAULT.to_owned();
        let Some((text, place)) = self.first_line("SERVER") else {
            return default();
        };
        if text.is_empty() {
            self.report.warn(&place, "empty: listening on all addresses, as 0.36 did; write SERVER=0.0.0.0");
            return "0.0.0.0".to_owned();
        }
        self.checked(&place, server(&text)).unwrap_or_else(default)
    }

    fn port(&mut self) -> u16 {
        let Some((text, place)) = self.text("PORT") else {
            return PORT_DEFAULT;
        };
        let port = whole(&text).and_then(|n| {
            u16::try_from(n)
                .map_err(|_| format!("{} is not a port; ports are 1 to 65535, and 0 picks one", quote(&text)))
        });
        self.checked(&place, port).unwrap_or(PORT_DEFAULT)
    }

    fn store(&mut self) -> (StoreText, Place) {
        let Some((text, place)) = self.text("STORE") else {
            return (StoreText::Default, Place::elsewhere("STORE"));
        };
        let store = StoreText::parse(&text);
        (self.checked(&place, store).unwrap_or(StoreText::Default), place)
    }

    fn log_file(&mut self) -> Option<PathBuf> {
        let (text, place) = self.first_line("LOG_FILE")?;
        if text.chars().any(char::is_control) {
            self.report.error(&place, format!("{} contains control characters", quote(&text)));
        }
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn log_level(&mut self) -> LogLevel {
        let Some((text, place)) = self.first_line("LOGLEVEL") else {
            return LogLevel::Info;
        };
        LogLevel::from_name(&text).unwrap_or_else(|| {
            let problem = format!("{} is no log level and means debug, as in 0.36; {}", quote(&text), LOG_LEVELS);
            self.report.warn(&place, problem);
            LogLevel::Debug
        })
    }

    fn log_format(&mut self) -> LogFormat {
        let Some((text, place)) = self.text("LOG_FORMAT") else {
            return LogFormat::Classic;
        };
        let format = LogFormat::from_name(&text)
            .ok_or_else(|| format!("{} is no log format; write classic or json", quote(&text)));
        self.checked(&place, format).unwrap_or(LogFormat::Classic)
    }

    fn long_poll(&mut self) -> Duration {
        let wait = self.text("LONG_POLL").and_then(|(text, place)| {
            let wait = seconds(&text).and_then(|ms| {
                let max = WAIT_MAX_MS / 1000;
                if ms > WAIT_MAX_MS { Err(format!("{} is too long; 0 to {max} seconds", quote(&text))) } else { Ok(ms) }
            });
            self.checked(&place, wait)
        });
        Duration::from_millis(wait.unwrap_or(LONG_POLL_DEFAULT))
    }

    fn on_doubt(&mut self) -> bool {
        let Some((text, place)) = self.text("ON_DOUBT") else { return false };
        match text.to_lowercase().as_str() {
            "pause" => true,
            "" | "serve" => false,
            _ => {
                let problem = format!("{} is neither 'serve' nor 'pause'", quote(&text));
                self.report.error(&place, problem);
                false
            }
        }
    }

    fn max_waiting(&mut self) -> usize {
        let Some((text, place)) = self.text("MAX_WAITING") else {
            return WAITING_REQUESTS_MAX;
        };
        let max = whole(&text).and_then(|n| match usize::try_from(n) {
            Ok(n) if (1..=WAITING_REQUESTS_SETTABLE_MAX).contains(&n) => Ok(n),
            _ => Err(format!("{} is out of bounds; 1 to {WAITING_REQUESTS_SETTABLE_MAX}", quote(&text))),
        });
        self.checked(&place, max).unwrap_or(WAITING_REQUESTS_MAX)
    }

    fn audit(&mut self) -> Option<AuditLog> {
        let (text, place) = self.text("AUDIT_LOG")?;
        if text.is_empty() {
            return None;
        }
        if text.eq_ignore_ascii_case("journal") {
            return Some(AuditLog::Journal);
        }
        if !text.starts_with('/') || text.chars().any(char::is_control) {
            self.report.error(&place, format!("{} is no whole path; begin it with /, or write journal", quote(&text)));
        }
        Some(AuditLog::File(PathBuf::from(text)))
    }

    /// A list, empty without the setting.
    fn list<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<Vec<T>, String>) -> Vec<T> {
        let Some((text, place)) = self.text(name).filter(|(text, _)| !text.is_empty()) else {
            return Vec::new();
        };
        self.checked(&place, read(&text)).unwrap_or_default()
    }

    /// Read so that a bad one is not silent; nothing depends on it, since grants wait for no timer.
    fn lifecycle_period(&mut self) {
        let Some((text, place)) = self.text("LIFECYCLE_PERIOD") else {
            return;
        };
        if let Err(error) = seconds(&text) {
            self.report.warn(&place, format!("{error}; the setting is not needed any more: remove it"));
        }
    }
}
