//! Names that cannot hold a bad value: locks, templates and slots.

use crate::limits::{LOCK_NAME_BYTES_MAX, SLOT_NAME_BYTES_MAX, TAG_BYTES_MAX};
use crate::text::is_unsafe;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// What no lock's name contains, beside unsafe characters.
const LOCK_FORBIDDEN: &[char] = &['/', '*', '?'];

/// Why a text is no name. The message says what is wrong and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the name is empty")]
    Empty,
    /// The text is longer than the bound.
    #[error("the name has {bytes} bytes, {max} are allowed")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The text holds a character that no name has.
    #[error("the name contains {0:?}, which no name may contain")]
    Character(char),
    /// The text begins or ends with a blank.
    #[error("the name begins or ends with a blank")]
    Blank,
    /// The text is `.` or `..`, which URLs give another meaning.
    #[error("'.' and '..' are not allowed as names")]
    Dots,
}

fn check(text: &str, max: usize, forbidden: &[char]) -> Result<(), NameError> {
    check_stored(text, max, forbidden)?;
    text.chars().find(|c| is_unsafe(*c)).map_or(Ok(()), |bad| Err(NameError::Character(bad)))
}

/// What held of names at all times. Later rules bind new names only, so that an older store can be read.
fn check_stored(text: &str, max: usize, forbidden: &[char]) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max {
        return Err(NameError::TooLong { bytes: text.len(), max });
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || forbidden.contains(c)) {
        return Err(NameError::Character(bad));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(NameError::Blank);
    }
    if text == "." || text == ".." {
        return Err(NameError::Dots);
    }
    Ok(())
}

/// The name of a lock: 1 to 200 bytes of UTF-8 without [unsafe characters](is_unsafe), blanks at its ends, `/`, `*` and `?`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockName(Arc<str>);

impl LockName {
    /// Checks the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, LOCK_NAME_BYTES_MAX, LOCK_FORBIDDEN)?;
        Ok(Self(Arc::from(text)))
    }

    /// The same for a name that a store holds, which may be older than the list of unsafe characters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        check_stored(text, LOCK_NAME_BYTES_MAX, LOCK_FORBIDDEN)?;
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for LockName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The part of a template's name before its `*`; `deploy-` for `[lock deploy-*]`. Empty for `[lock *]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Arc<str>);

impl Prefix {
    /// Checks a template's name, its final `*` included.
    ///
    /// # Errors
    /// What is wrong with it; a name without a final `*` is refused too.
    pub fn from_pattern(pattern: &str) -> Result<Self, NameError> {
        let Some(prefix) = pattern.strip_suffix('*') else {
            return Err(NameError::Empty);
        };
        if !prefix.is_empty() {
            // A prefix may end in a blank or be a dot: the instance's whole name is checked when it is made.
            check(&format!("{prefix}x"), LOCK_NAME_BYTES_MAX, LOCK_FORBIDDEN)?;
        }
        Ok(Self(Arc::from(prefix)))
    }

    /// The same for one that a store holds, see [`LockName::stored`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn stored(pattern: &str) -> Result<Self, NameError> {
        let Some(prefix) = pattern.strip_suffix('*') else {
            return Err(NameError::Empty);
        };
        if !prefix.is_empty() {
            check_stored(&format!("{prefix}x"), LOCK_NAME_BYTES_MAX, LOCK_FORBIDDEN)?;
        }
        Ok(Self(Arc::from(prefix)))
    }

    /// The text before the `*`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The template's name as it is written, with its `*`.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("{}*", self.0)
    }
}

impl Borrow<str> for Prefix {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.pattern(), f)
    }
}

/// The name of a slot: a port, a licence, a host. As a lock's name, but `/`, `*` and `?` are allowed and `,` is not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotName(Arc<str>);

impl SlotName {
    /// Checks the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, SLOT_NAME_BYTES_MAX, &[','])?;
        Ok(Self(Arc::from(text)))
    }

    /// The same for one that a store holds, see [`LockName::stored`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        check_stored(text, SLOT_NAME_BYTES_MAX, &[','])?;
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A property of slots, by which tickets select them (rule 14): no blanks, commas or braces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

const TAG_FORBIDDEN: &[char] = &[',', ' ', '{', '}'];

impl Tag {
    /// Checks a tag.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, TAG_BYTES_MAX, TAG_FORBIDDEN)?;
        Ok(Self(Arc::from(text)))
    }

    /// A tag that is stored already.
    ///
    /// # Errors
    /// What no version has ever allowed.
    pub fn stored(text: &str) -> Result<Self, NameError> {
        check_stored(text, TAG_BYTES_MAX, TAG_FORBIDDEN)?;
        Ok(Self(Arc::from(text)))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_names() {
        for good in ["a", "DefaultLock", "san ssh", "größe", "a.b", "...", "a*b".replace('*', "-").as_str()] {
            assert!(LockName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", " a", "a ", "a/b", "a*", "what?", "a\nb", ".", "..", "\u{7f}", &"x".repeat(201)] {
            assert!(LockName::new(bad).is_err(), "{bad:?}");
        }
        for older in ["a\u{ad}b", "a\u{202e}b", "\u{feff}a"] {
            assert!(LockName::new(older).is_err() && LockName::stored(older).is_ok(), "{older:?}");
        }
    }

    #[test]
    fn template_names() {
        assert_eq!(Prefix::from_pattern("deploy-*").unwrap().as_str(), "deploy-");
        assert_eq!(Prefix::from_pattern("*").unwrap().as_str(), "");
        for bad in ["deploy-", "a*b*", "a/*", " a*"] {
            assert!(Prefix::from_pattern(bad).is_err(), "{bad:?}");
        }
    }
}
