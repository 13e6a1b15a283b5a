//! Who may do what: keys, rights, and the locks that they are for. It decides; where a request carries its key, and what
//! a refusal looks like, the protocols know.

mod key;
mod pattern;
mod right;
mod secret;

pub use key::{Grants, Key, KeyName, KeyNameError};
pub use pattern::{Patterns, parse as parse_pattern};
pub use right::{Right, Rights};
pub use secret::{Digest, SECRET_PREFIX, Secret, SecretError};

use std::collections::HashMap;
use std::sync::Arc;

/// A request that may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// A key would help: 401. Otherwise 403.
    pub unauthorized: bool,
    /// Why, and what to do.
    pub text: String,
}

/// All keys of a server, and what is allowed without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    keys: HashMap<KeyName, Arc<Key>>,
    /// Which key a secret belongs to.
    digests: HashMap<Digest, KeyName>,
    anonymous: Arc<Grants>,
    open: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self::open()
    }
}

impl Access {
    /// No keys: every client that reaches the server may use and observe every lock. So it was with 0.36.
    #[must_use]
    pub fn open() -> Self {
        Self { keys: HashMap::new(), digests: HashMap::new(), anonymous: Arc::new(Grants::open()), open: true }
    }

    /// These keys, and what is allowed without one.
    ///
    /// # Errors
    /// Two keys that share a secret: it would not tell who somebody is. Their names.
    pub fn new(keys: Vec<Key>, anonymous: Grants) -> Result<Self, (KeyName, KeyName)> {
        let mut digests: HashMap<Digest, KeyName> = HashMap::new();
        for key in &keys {
            for digest in &key.secrets {
                if let Some(other) = digests.insert(*digest, key.name.clone())
                    && other != key.name
                {
                    return Err((other, key.name.clone()));
                }
            }
        }
        let keys = keys.into_iter().map(|key| (key.name.clone(), Arc::new(key))).collect();
        Ok(Self { keys, digests, anonymous: Arc::new(anonymous), open: false })
    }

    /// The keys, in the order of their names.
    #[must_use]
    pub fn keys(&self) -> Vec<&Arc<Key>> {
        let mut keys: Vec<&Arc<Key>> = self.keys.values().collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys
    }

    /// Whether anybody is let in as nobody in particular, because nothing was said about it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether there are keys.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What is allowed without a key.
    #[must_use]
    pub const fn anonymous(&self) -> &Arc<Grants> {
        &self.anonymous
    }

    /// The key whose secret this is; of that name, if one is given.
    ///
    /// The secret is compared by its digest. How long the look-up takes may tell of digests, which say nothing about the
    /// 256 random bits of a secret; the last comparison takes the same time whatever it finds.
    #[must_use]
    pub fn by_secret(&self, name: Option<&str>, secret: &str) -> Option<&Arc<Key>> {
        let digest = Digest::of(secret);
        let key = self.keys.get(self.digests.get(&digest)?)?;
        let named = name.is_none_or(|name| name == key.name.as_str());
        (named && key.secrets.iter().any(|one| one.same(&digest))).then_some(key)
    }

    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Key>> {
        self.keys.get(name)
    }

    /// The key that a client's certificate stands for: the first of its names that a key without secret has.
    #[must_use]
    pub fn by_certificate<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<&Arc<Key>> {
        let known = |name: &str| self.keys.get(name).filter(|key| key.secrets.is_empty());
        // Names of hosts are the same in either case.
        names.into_iter().find_map(|name| known(name).or_else(|| known(&name.to_ascii_lowercase())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, secrets: &[&str]) -> Key {
        let name = KeyName::new(name).unwrap();
        Key { name, secrets: secrets.iter().map(|one| Digest::of(one)).collect(), grants: Grants::open() }
    }

    fn name(found: Option<&Arc<Key>>) -> Option<&str> {
        found.map(|key| key.name.as_str())
    }

    #[test]
    fn a_secret_is_that_of_one_key() {
        let access = Access::new(vec![key("ci", &["lsk_a", "lsk_b"]), key("ops", &["lsk_c"])], Grants::open()).unwrap();
        assert_eq!(name(access.by_secret(None, "lsk_a")), Some("ci"));
        assert_eq!(name(access.by_secret(None, "lsk_b")), Some("ci"));
        assert_eq!(name(access.by_secret(Some("ops"), "lsk_c")), Some("ops"));
        for (name, secret) in
            [(Some("ci"), "lsk_c"), (Some("none"), "lsk_a"), (None, ""), (None, "lsk_"), (None, "lsk_A")]
        {
            assert_eq!(access.by_secret(name, secret), None, "{name:?} {secret}");
        }
        assert!(access.has_keys() && !access.is_open());
    }

    #[test]
    fn a_secret_shared_by_two_keys_is_refused() {
        let twice = Access::new(vec![key("ci", &["lsk_a"]), key("ops", &["lsk_a"])], Grants::open()).unwrap_err();
        assert_eq!((twice.0.as_str(), twice.1.as_str()), ("ci", "ops"));
        assert!(Access::new(vec![key("ci", &["lsk_a", "lsk_a"])], Grants::open()).is_ok());
    }

    #[test]
    fn a_certificate_names_a_key_without_secret_only() {
        let access = Access::new(vec![key("ci", &["lsk_a"]), key("build.example.org", &[])], Grants::open()).unwrap();
        assert_eq!(name(access.by_certificate(["x", "build.example.org"])), Some("build.example.org"));
        assert_eq!(access.by_certificate(["ci"]), None, "this one has a secret to show");
        assert_eq!(access.by_secret(Some("build.example.org"), ""), None);
    }

    #[test]
    fn nothing_said_is_open() {
        assert!(Access::open().is_open() && !Access::open().has_keys());
        let grants = Access::open();
        assert!(grants.anonymous().rights.has(Right::Use) && !grants.anonymous().rights.has(Right::Admin));
    }
}
