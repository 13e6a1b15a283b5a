//! The settings of `[general]`, which the environment and the flags may set as well.

use super::default_lock::{self, DefaultLock, read_grace, read_lease, read_size};
use super::problem::Place;
use super::setting::{Setting, Value};
use super::value::{join, quote, seconds, seconds_text, server, whole};
use super::{AuditLog, Config, LOG_LEVELS, LogFormat, LogLevel, StoreChoice, patterns, peers, store};
use crate::access::Patterns;
use lock_core::limits::{WAIT_MAX_MS, WAITING_REQUESTS_SETTABLE_MAX};
use lock_core::{LockName, Ms, Target};
use std::path::PathBuf;
use std::time::Duration;

/// A configuration in the making.
#[derive(Default)]
pub(super) struct Draft {
    /// Blank but for what `[general]` says; the other sections follow.
    pub(super) config: Config,
    /// `STORE`, unless it leaves that to the surroundings.
    pub(super) store: Option<StoreChoice>,
    /// Where that stands.
    pub(super) store_place: Place,
    pub(super) default_lock: DefaultLock,
}

/// A setting of `[general]`.
type General = Setting<Draft, Config>;

/// The address without `SERVER`.
pub(super) const SERVER_DEFAULT: &str = "127.0.0.1";

/// In the order in which they are printed and documented.
pub(super) static GENERAL: [General; 20] = [
    General::new("SERVER", SERVER_DEFAULT)
        .flag("--server")
        .first_line()
        .restart()
        .read(read_server)
        .print(|config| Some(config.server.clone()))
        .doc("Address or host name to listen on. `0.0.0.0` or `::` for all")
        .old(),
    General::new("PORT", "9090")
        .flag("--port")
        .restart()
        .read(|draft, value| value.put(&mut draft.config.port, port))
        .print(|config| Some(config.port.to_string()))
        .doc("0 picks a free one. With a [socket unit](start-scripts.md#the-socket-unit) its addresses count instead")
        .old(),
    General::new("STORE", "sqlite")
        .flag("--store")
        .restart()
        .read(|draft, value| {
            draft.store_place = value.place.clone();
            value.put(&mut draft.store, store::parse);
        })
        .print(|config| Some(config.store.to_string()))
        .doc(
            "`memory`, `sqlite:/absolute/path`, `sqlite` for the [default \
              place](#the-default-place-of-the-store), or the members of an [etcd](#etcd): \
              `etcd:http://HOST:2379,http://HOST:2379`",
        ),
    General::new("LOG_FILE", "")
        .flag("--log-file")
        .first_line()
        .read(|draft, value| value.put(&mut draft.config.log.file, log_file))
        .print(|config| Some(config.log.file.as_ref().map_or_else(String::new, |file| file.display().to_string())))
        .doc("Path. Without it, or if it cannot be opened: standard error")
        .old(),
    General::new("LOGLEVEL", "info")
        .flag("--log-level")
        .first_line()
        .read(read_log_level)
        .print(|config| Some(config.log.level.name().to_owned()))
        .doc(
            "`superdebug`, `debug`, `info`, `warning` or `error`. Above `info` the log leaves out changes by \
              administrators",
        )
        .old(),
    General::new("LOG_FORMAT", "classic")
        .read(|draft, value| value.put(&mut draft.config.log.format, log_format))
        .print(|config| Some(config.log.format.name().to_owned()))
        .doc("`classic` is 0.36's line, in local time, `json` an object a line, in UTC"),
    General::new("LONG_POLL", "20")
        .read(|draft, value| value.put(&mut draft.config.long_poll, long_poll))
        .print(|config| Some(seconds_text(Ms::try_from(config.long_poll.as_millis()).unwrap_or(Ms::MAX))))
        .doc(
            "How long XML-RPC's `get_lock` waits for its grant, 0 to 60. Keep it below the socket timeout of the \
              callers",
        ),
    General::new("MAX_WAITING", "2000")
        .read(|draft, value| value.put(&mut draft.config.max_waiting, max_waiting))
        .print(|config| Some(config.max_waiting.to_string()))
        .doc(
            "Requests that one key or address may have waiting, 1 to 100000. Fewer where [open \
              files](operations.md#open-files) are scarce",
        ),
    General::new("AUDIT_LOG", "")
        .read(|draft, value| value.put(&mut draft.config.audit, audit))
        .print(|config| {
            Some(match &config.audit {
                Some(AuditLog::File(file)) => file.display().to_string(),
                Some(AuditLog::Journal) => "journal".to_owned(),
                None => String::new(),
            })
        })
        .doc("Absolute path of the [audit log](security.md#the-audit-log), or `journal` for standard error"),
    General::new("TRUSTED_PROXIES", "")
        .read(|draft, value| value.put(&mut draft.config.trusted_proxies, peers::networks))
        .print(|config| Some(join(&config.trusted_proxies)))
        .doc("Addresses and networks (`10.0.0.0/8`) of proxies that may set `X-Forwarded-For`"),
    General::new("ALLOWED_HOSTS", "")
        .read(|draft, value| value.put(&mut draft.config.allowed_hosts, peers::hosts))
        .print(|config| Some(join(&config.allowed_hosts)))
        .doc(
            "Names for `Host`, beside the server's own. Without it any name, or `localhost` if only this machine \
              can reach the server",
        ),
    General::new("ALLOWED_ORIGINS", "")
        .read(|draft, value| value.put(&mut draft.config.allowed_origins, peers::origins))
        .print(|config| Some(join(&config.allowed_origins)))
        .doc("`https://host` of other web pages that may use the API"),
    General::new("METRICS_PER_INSTANCE", "")
        .read(|draft, value| value.put(&mut draft.config.metrics_per_instance, instances))
        .print(|config| Some(config.metrics_per_instance.to_string()))
        .doc(
            "Instances of templates with their own series in [`/metrics`](metrics.md): `deploy-*`, or \
              `deploy-production` for one",
        ),
    General::new("ON_DOUBT", "serve")
        .restart()
        .read(|draft, value| value.put(&mut draft.config.pause_in_doubt, on_doubt))
        .print(|config| Some(if config.pause_in_doubt { "pause" } else { "serve" }.to_owned()))
        .doc(
            "If the store has lost commits: `serve` with a warning, or `pause` every lock until an administrator \
              resumes it",
        ),
    General::new("LIFECYCLE_PERIOD", "1")
        // Read so that a bad one is not silent.
        .read(|_, value| {
            if let Err(error) = seconds(value.text) {
                value.warn(format!("{error}; the setting is not needed any more: remove it"));
            }
        })
        .doc("Not needed any more")
        .old(),
    General::new("DEFAULT_LOCK", "DefaultLock")
        .read(|draft, value| value.put(&mut draft.default_lock.name, default_lock::name))
        // The sections below it say everything about this lock, but for its pause.
        .print(|config| Some(paused(config).map_or_else(String::new, ToString::to_string)))
        .doc("Name of a lock. Empty for none. No `/`, `*` or `?`")
        .old(),
    General::new("DEFAULT_LOCK_SIZE", "1")
        .read(|draft, value| read_size(&mut draft.default_lock, value))
        .print(|config| paused(config).map(|_| "0".to_owned()))
        .doc("Permits. 0: size 1, and the lock starts paused")
        .old(),
    General::new("DEFAULT_LOCK_GRACE_TIME", "10")
        .read(|draft, value| read_grace(&mut draft.default_lock.settings.grace, value))
        .doc("As `GRACE_TIME` of a lock. 0 counts as 1")
        .old(),
    General::new("DEFAULT_LOCK_EXPIRATION_TIME", "300")
        .read(|draft, value| {
            let zero = "0 means that a query in the queue never expires";
            read_lease(&mut draft.default_lock.settings.expiration, value, zero);
        })
        .doc("As `EXPIRATION_TIME`")
        .old(),
    General::new("DEFAULT_LOCK_MAX_LOCK_TIME", "300")
        .read(|draft, value| {
            let zero = "0 means that a held lock is never taken back";
            read_lease(&mut draft.default_lock.settings.max_lock, value, zero);
        })
        .doc("As `MAX_LOCK_TIME`")
        .old(),
];

fn read_server(draft: &mut Draft, value: &mut Value<'_>) {
    if value.text.is_empty() {
        value.warn("empty: listening on all addresses, as 0.36 did; write SERVER=0.0.0.0");
        draft.config.server = "0.0.0.0".to_owned();
    } else {
        value.put(&mut draft.config.server, server);
    }
}

/// Nothing is no instance.
fn instances(text: &str) -> Result<Patterns, String> {
    if text.is_empty() { Ok(Patterns::default()) } else { patterns(text) }
}

fn port(text: &str) -> Result<u16, String> {
    u16::try_from(whole(text)?)
        .map_err(|_| format!("{} is not a port; ports are 1 to 65535, and 0 picks one", quote(text)))
}

fn log_file(text: &str) -> Result<Option<PathBuf>, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{} contains control characters", quote(text)));
    }
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn read_log_level(draft: &mut Draft, value: &mut Value<'_>) {
    draft.config.log.level = LogLevel::from_name(value.text).unwrap_or_else(|| {
        value.warn(format!("{} is not a log level and means debug, as in 0.36; {LOG_LEVELS}", quote(value.text)));
        LogLevel::Debug
    });
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    LogFormat::from_name(text).ok_or_else(|| format!("{} is not a log format; write classic or json", quote(text)))
}

fn long_poll(text: &str) -> Result<Duration, String> {
    let ms = seconds(text)?;
    if ms > WAIT_MAX_MS {
        return Err(format!("{} is too long; 0 to {} seconds", quote(text), WAIT_MAX_MS / 1000));
    }
    Ok(Duration::from_millis(ms))
}

fn max_waiting(text: &str) -> Result<usize, String> {
    let max = WAITING_REQUESTS_SETTABLE_MAX;
    let number = usize::try_from(whole(text)?).ok();
    number.filter(|n| (1..=max).contains(n)).ok_or_else(|| format!("{} is out of range; write 1 to {max}", quote(text)))
}

fn audit(text: &str) -> Result<Option<AuditLog>, String> {
    match text {
        "" => Ok(None),
        _ if text.eq_ignore_ascii_case("journal") => Ok(Some(AuditLog::Journal)),
        _ if !text.starts_with('/') || text.chars().any(char::is_control) => {
            Err(format!("{} is not an absolute path; begin it with /, or write journal", quote(text)))
        }
        _ => Ok(Some(AuditLog::File(PathBuf::from(text)))),
    }
}

fn on_doubt(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "pause" => Ok(true),
        "" | "serve" => Ok(false),
        _ => Err(format!("{} is neither 'serve' nor 'pause'", quote(text))),
    }
}

/// The lock that `DEFAULT_LOCK_SIZE=0` pauses: nothing else does.
fn paused(config: &Config) -> Option<&LockName> {
    config.definitions.iter().find_map(|definition| match &definition.target {
        Target::Lock(name) if definition.paused => Some(name),
        _ => None,
    })
}
