//! A key: its name, its secrets, and what it grants.

use super::{Digest, Patterns, Right, Rights};
use lock_core::LockName;
use lock_core::limits::{KEY_NAME_BYTES_MAX, PRIORITY_MAX};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text is no name of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    /// Empty, or too long.
    #[error("a key's name has 1 to {KEY_NAME_BYTES_MAX} bytes")]
    Length,
    /// A character that would have to be escaped somewhere: names stand in URLs, headers and certificates.
    #[error("the name contains {0:?}; a key's name has letters, digits, '-', '_', '.', '@', '/' and ':'")]
    Character(char),
}

/// The name of a key: what tickets show as their owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// Checks the text: 1 to 200 letters, digits, `-`, `_`, `.`, `@`, `/` and `:`, so that the names in certificates fit,
    /// URIs among them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() || text.len() > KEY_NAME_BYTES_MAX {
            return Err(KeyNameError::Length);
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.@/:".contains(*c)) {
            Some(bad) => Err(KeyNameError::Character(bad)),
            None => Ok(Self(Arc::from(text))),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be the user that a secret is the password of (RFC 7617: a user has no colon).
    #[must_use]
    pub fn may_have_secret(&self) -> bool {
        !self.0.contains(':')
    }

    /// The text as the user of a URL (RFC 3986): as it is, `@` and `/` would end the user there.
    #[must_use]
    pub fn in_url(&self) -> String {
        self.0.replace('@', "%40").replace('/', "%2F").replace(':', "%3A")
    }

    /// The text, to be kept.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl Borrow<str> for KeyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    pub rights: Rights,
    pub locks: Patterns,
    /// The highest priority that a request may have.
    pub max_priority: i8,
}

impl Grants {
    /// Use and observe every lock, at any priority.
    #[must_use]
    pub fn open() -> Self {
        let rights = [Right::Use, Right::Observe].into_iter().collect();
        Self { rights, locks: Patterns::all(), max_priority: PRIORITY_MAX }
    }

    /// Everything: the administrators' socket.
    #[must_use]
    pub fn everything() -> Self {
        Self { rights: Rights::ALL, ..Self::open() }
    }

    /// Whether this may be done with that lock.
    #[must_use]
    pub fn may(&self, right: Right, lock: &LockName) -> bool {
        self.rights.has(right) && self.locks.takes(lock)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub name: KeyName,
    /// Any of them is good, so that one can be changed without a gap. Without any, a certificate is needed.
    pub secrets: Vec<Digest>,
    pub grants: Grants,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["ci", "build-7.example.org", "ops@example.org", "spiffe://x_y/z", &"x".repeat(KEY_NAME_BYTES_MAX)]
        {
            assert!(KeyName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(KEY_NAME_BYTES_MAX + 1)] {
            assert!(KeyName::new(bad).is_err(), "{bad:?}");
        }
        assert!(KeyName::new("ci").unwrap().may_have_secret() && !KeyName::new("a:b").unwrap().may_have_secret());
    }
}
