//! `STORE=etcd:`, which names the members of etcd, and `[etcd]`: how the server comes to them.

use super::problem::{Place, Report};
use super::secret_file::read_secret_file;
use super::section::Options;
use super::setting::{Setting, Value};
use super::value::{absolute, base_url, list, quote, seconds, seconds_text};
use crate::store::{EtcdPlace, StoreChoice};
use lock_core::limits::{ETCD_ENDPOINTS_MAX, ETCD_LEASE_MAX_MS, ETCD_LEASE_MIN_MS, ETCD_PREFIX_BYTES_MAX};
use lock_core::text::is_unsafe;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// etcd's port for clients.
const PORT: u16 = 2379;

/// The section in the making.
#[derive(Default)]
pub(super) struct Draft {
    prefix: String,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    lease: Duration,
}

/// A setting of the section.
type Etcd = Setting<Draft, EtcdPlace>;

/// In the order in which they are printed and documented.
pub(super) static ETCD: [Etcd; 7] = [
    Etcd::new("PREFIX", EtcdPlace::PREFIX)
        .restart()
        .read(|draft, value| value.put(&mut draft.prefix, prefix))
        .print(|place| Some(place.prefix.clone()))
        .doc("The beginning of all keys. Servers that share members and prefix share the locks"),
    Etcd::new("CA", "")
        .restart()
        .read(|draft, value| put_file(&mut draft.ca, value))
        .print(|place| place.ca.as_ref().map(|path| path.display().to_string()))
        .doc("Authorities for etcd's certificates, PEM. Without it those of the system"),
    Etcd::new("CERT", "")
        .restart()
        .read(|draft, value| put_file(&mut draft.cert, value))
        .print(|place| place.identity.as_ref().map(|(cert, _)| cert.display().to_string()))
        .doc("A certificate for etcd to check, PEM"),
    Etcd::new("KEY", "")
        .restart()
        .read(|draft, value| put_file(&mut draft.key, value))
        .print(|place| place.identity.as_ref().map(|(_, key)| key.display().to_string()))
        .doc("Its private key, PEM"),
    Etcd::new("USER", "")
        .restart()
        .read(|draft, value| value.put(&mut draft.user, |text| user(text).map(Some)))
        .print(|place| place.user.as_ref().map(|(user, _)| user.clone()))
        .doc("A user of etcd that may read and write the keys below `PREFIX`"),
    Etcd::new("PASSWORD_FILE", "")
        .restart()
        .read(|draft, value| value.put(&mut draft.password_file, |text| password_file(text).map(Some)))
        .print(|place| place.user.as_ref().map(|(_, file)| file.display().to_string()))
        .doc("Absolute path of a file with the user's password"),
    Etcd::new("LEASE", "5")
        .restart()
        .read(|draft, value| value.put(&mut draft.lease, lease))
        .print(|place| Some(seconds_text(u64::try_from(place.lease.as_millis()).unwrap_or(u64::MAX))))
        .doc("Whole seconds, 3 to 60, after which another server takes over from a dead one"),
];

/// Reads the members' addresses, each as the client writes it.
pub(super) fn endpoints(text: &str) -> Result<Vec<String>, String> {
    let endpoints = list(text)?
        .into_iter()
        .map(|text| base_url(text, "a member of etcd", Some(PORT)))
        .collect::<Result<Vec<_>, _>>()?;
    if endpoints.len() > ETCD_ENDPOINTS_MAX {
        return Err(format!("{} members of etcd are too many; at most {ETCD_ENDPOINTS_MAX}", endpoints.len()));
    }
    let with_tls = endpoints.iter().filter(|one| is_tls(one)).count();
    if with_tls != 0 && with_tls != endpoints.len() {
        return Err("some members are reached by https and others by http; write all of them alike".to_owned());
    }
    Ok(endpoints)
}

fn is_tls(endpoint: &str) -> bool {
    endpoint.starts_with("https:")
}

/// Completes a store in etcd by the section.
pub(super) fn check(section: Option<&(Place, Options)>, store: &mut StoreChoice, report: &mut Report) {
    let StoreChoice::Etcd(place) = store else {
        if let Some((place, _)) = section {
            report.warn(
                place,
                "this section has no effect, because the store is not in etcd; STORE=etcd: names its members",
            );
        }
        return;
    };
    let Some((at, options)) = section else { return };
    let mut draft = Draft { prefix: place.prefix.clone(), lease: place.lease, ..Draft::default() };
    for setting in &ETCD {
        if let Some(raw) = options.get(setting.name) {
            (setting.read)(&mut draft, &mut Value { text: &raw.text, place: &raw.place, report });
        }
    }
    for (one, other) in [("CERT", "KEY"), ("KEY", "CERT"), ("USER", "PASSWORD_FILE"), ("PASSWORD_FILE", "USER")] {
        if options.contains_key(one) && !options.contains_key(other) {
            report.error(at, format!("{one} has no effect without {other}"));
        }
    }
    for name in ["CA", "CERT", "KEY"] {
        if let Some(raw) = options.get(name).filter(|_| !place.endpoints.iter().any(|one| is_tls(one))) {
            report.error(&raw.place, "STORE names the members of etcd by http, without TLS; write https");
        }
    }
    if draft.user.is_some() && !place.endpoints.iter().any(|one| is_tls(one)) {
        report.warn(
            at,
            "the password for etcd crosses the network in clear text, because STORE names the members by http; write \
             https",
        );
    }
    let Draft { prefix, ca, cert, key, user, password_file, lease } = draft;
    (place.prefix, place.ca, place.lease) = (prefix, ca, lease);
    place.identity = cert.zip(key);
    place.user = user.zip(password_file);
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the value is empty, so all of etcd would be the store; write a prefix for its keys".to_owned());
    }
    if text.len() > ETCD_PREFIX_BYTES_MAX {
        return Err(format!("the prefix has more than {ETCD_PREFIX_BYTES_MAX} bytes"));
    }
    if text.chars().any(is_unsafe) {
        return Err(format!("{} contains invisible characters", quote(text)));
    }
    Ok(text.to_owned())
}

fn user(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("the value is empty; write a user, or remove the line".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn put_file(target: &mut Option<PathBuf>, value: &mut Value<'_>) {
    value.put(target, |text| {
        let path = absolute(text)?;
        let opened = File::open(path).map_err(|error| format!("{} cannot be read: {error}", quote(text)))?;
        drop(opened);
        Ok(Some(path.to_owned()))
    });
}

fn password_file(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    let password = read_secret_file(path).map_err(|error| format!("{} cannot be read: {error}", quote(text)))?;
    if password.trim_end().is_empty() {
        return Err(format!("{} contains no password", quote(text)));
    }
    Ok(path.to_owned())
}

fn lease(text: &str) -> Result<Duration, String> {
    let ms = seconds(text)?;
    if !(ETCD_LEASE_MIN_MS..=ETCD_LEASE_MAX_MS).contains(&ms) || ms % 1000 != 0 {
        let (min, max) = (ETCD_LEASE_MIN_MS / 1000, ETCD_LEASE_MAX_MS / 1000);
        return Err(format!("{} is out of range; write {min} to {max} whole seconds", quote(text)));
    }
    Ok(Duration::from_millis(ms))
}
