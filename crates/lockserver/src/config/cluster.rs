//! `[cluster]`: how servers that share a store reach one another, and what they believe one another by.

use super::problem::{Place, Report};
use super::secret_file::read_secret_file;
use super::section::Options;
use super::setting::{Setting, Value};
use super::value::{absolute, base_url, quote};
use crate::store::StoreChoice;
use crate::tls::Trust;
use lock_core::limits::{CLUSTER_NAME_BYTES_MAX, CLUSTER_SECRET_BYTES_MIN};
use lock_core::text::is_unsafe;
use std::path::PathBuf;
use std::sync::Arc;

/// What a server of several knows of itself and of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// What the others call it.
    pub name: String,
    /// Where they reach it, without a slash at the end.
    pub advertise: String,
    /// The file of the secret that all of them share.
    pub secret_file: PathBuf,
    /// What is in it.
    pub secret: Secret,
    /// Authorities for the certificates of the others, PEM; without it those of the system.
    pub ca: Option<PathBuf>,
    /// The same, read.
    pub trust: Trust,
}

/// A secret, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Arc<str>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The section in the making.
#[derive(Default)]
pub(super) struct Draft {
    name: Option<String>,
    advertise: Option<String>,
    secret: Option<(PathBuf, Secret)>,
    ca: Option<(PathBuf, Trust)>,
}

/// A setting of the section.
type Cluster = Setting<Draft, ClusterConfig>;

/// In the order in which they are printed and documented.
pub(super) static CLUSTER: [Cluster; 4] = [
    Cluster::new("ADVERTISE", "")
        .restart()
        .read(|draft, value| {
            value.put(&mut draft.advertise, |text| base_url(text, "the address of a server", None).map(Some))
        })
        .print(|cluster| Some(cluster.advertise.clone()))
        .doc("Where the other servers reach this one: `http://HOST:PORT`, or `https://HOST:PORT` with `[tls]`"),
    Cluster::new("SECRET_FILE", "")
        .restart()
        .read(|draft, value| value.put(&mut draft.secret, |text| secret(text).map(Some)))
        .print(|cluster| Some(cluster.secret_file.display().to_string()))
        .doc("Absolute path of a file with a secret that all servers share, 16 bytes or more"),
    Cluster::new("NAME", "")
        .restart()
        .read(|draft, value| value.put(&mut draft.name, |text| name(text).map(Some)))
        .print(|cluster| Some(cluster.name.clone()))
        .doc("The name of this server. Without it its host name"),
    Cluster::new("CA", "")
        .restart()
        .read(|draft, value| value.put(&mut draft.ca, |text| authorities(text).map(Some)))
        .print(|cluster| cluster.ca.as_ref().map(|path| path.display().to_string()))
        .doc("Authorities for the servers' certificates, PEM. Without it those of the system"),
];

/// The section, and what a store that several share says of this server. Without it nothing can be given to a leader.
pub(super) fn check(
    section: Option<&(Place, Options)>,
    store: &mut StoreChoice,
    report: &mut Report,
) -> Option<ClusterConfig> {
    let StoreChoice::Etcd(shared) = store else {
        if let Some((at, _)) = section {
            report.warn(at, "this section has no effect, because the store is not in etcd");
        }
        return None;
    };
    let (at, options) = section?;
    let mut draft = Draft::default();
    for setting in &CLUSTER {
        if let Some(raw) = options.get(setting.name) {
            (setting.read)(&mut draft, &mut Value { text: &raw.text, place: &raw.place, report });
        }
    }
    for needed in ["ADVERTISE", "SECRET_FILE"] {
        if !options.contains_key(needed) {
            report.error(
                at,
                format!("{needed} is missing: servers that pass requests on need ADVERTISE and SECRET_FILE"),
            );
        }
    }
    if let Some(name) = draft.name {
        shared.name = name;
    }
    shared.url.clone_from(&draft.advertise);
    let (ca, trust) = draft.ca.unzip();
    let trust = match trust {
        Some(trust) => trust,
        None => Trust::read(None).map_err(|why| report.error(at, why)).ok()?,
    };
    let (secret_file, secret) = draft.secret?;
    Some(ClusterConfig { name: shared.name.clone(), advertise: draft.advertise?, secret_file, secret, ca, trust })
}

fn authorities(text: &str) -> Result<(PathBuf, Trust), String> {
    let path = absolute(text)?;
    Ok((path.to_owned(), Trust::read(Some(path))?))
}

fn secret(text: &str) -> Result<(PathBuf, Secret), String> {
    let path = absolute(text)?;
    let secret = read_secret_file(path).map_err(|error| format!("{} cannot be read: {error}", quote(text)))?;
    let secret = secret.trim_end();
    if secret.len() < CLUSTER_SECRET_BYTES_MIN {
        return Err(format!(
            "the secret in {} is shorter than {CLUSTER_SECRET_BYTES_MIN} bytes; make one with: head -c 32 /dev/urandom | base64",
            quote(text)
        ));
    }
    if secret.chars().any(is_unsafe) {
        return Err(format!("{} has more than one line, or invisible characters", quote(text)));
    }
    Ok((path.to_owned(), Secret(Arc::from(secret))))
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > CLUSTER_NAME_BYTES_MAX {
        return Err(format!("the name of a server has 1 to {CLUSTER_NAME_BYTES_MAX} bytes"));
    }
    if text.chars().any(is_unsafe) {
        return Err(format!("{} contains invisible characters", quote(text)));
    }
    Ok(text.to_owned())
}
