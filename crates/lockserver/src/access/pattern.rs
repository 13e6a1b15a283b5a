//! Which locks a key is for.

use lock_core::{LockName, NameError, Prefix};
use std::fmt;

/// A lock's name, or the beginning of names and a `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This lock.
    One(LockName),
    /// Every lock whose name begins so.
    Beginning(Prefix),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.ends_with('*') {
            Prefix::from_pattern(text).map(Self::Beginning)
        } else {
            LockName::new(text).map(Self::One)
        }
    }

    /// Whether the lock is meant.
    #[must_use]
    pub fn takes(&self, lock: &LockName) -> bool {
        match self {
            Self::One(name) => name == lock,
            Self::Beginning(prefix) => lock.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Whether every lock of that beginning is meant.
    fn takes_all(&self, beginning: &Prefix) -> bool {
        match self {
            Self::One(_) => false,
            Self::Beginning(prefix) => beginning.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => name.fmt(f),
            Self::Beginning(prefix) => f.write_str(&prefix.pattern()),
        }
    }
}

/// Several patterns; what one of them takes, all take together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Every lock.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Pattern::Beginning(Prefix::from_pattern("*").expect("the shortest pattern"))])
    }

    /// These.
    #[must_use]
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Whether the lock is meant.
    #[must_use]
    pub fn takes(&self, lock: &LockName) -> bool {
        self.0.iter().any(|pattern| pattern.takes(lock))
    }

    /// Whether every lock of that beginning is meant.
    #[must_use]
    pub fn takes_all(&self, beginning: &Prefix) -> bool {
        self.0.iter().any(|pattern| pattern.takes_all(beginning))
    }

    /// Whether every lock is meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().any(|pattern| matches!(pattern, Pattern::Beginning(prefix) if prefix.as_str().is_empty()))
    }
}

impl fmt::Display for Patterns {
    /// As the configuration writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            pattern.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::new(texts.iter().map(|text| Pattern::parse(text).unwrap()).collect())
    }

    #[test]
    fn names_and_beginnings() {
        let some = patterns(&["san-ssh", "deploy-*"]);
        let takes = |name: &str| some.takes(&LockName::new(name).unwrap());
        assert!(takes("san-ssh") && takes("deploy-web") && takes("deploy-"));
        assert!(!takes("san-ssh-2") && !takes("deploy") && !takes("x"));
        assert_eq!(some.to_string(), "san-ssh, deploy-*");
    }

    #[test]
    fn a_beginning_within_a_beginning() {
        let some = patterns(&["deploy-prod*", "x"]);
        let takes_all = |text: &str| some.takes_all(&Prefix::from_pattern(text).unwrap());
        assert!(takes_all("deploy-prod*") && takes_all("deploy-prod-eu*"));
        assert!(!takes_all("deploy-*") && !takes_all("*") && !takes_all("x*"));
        assert!(Patterns::all().takes_all(&Prefix::from_pattern("*").unwrap()) && Patterns::all().is_all());
        assert!(!some.is_all() && patterns(&["a", "*"]).is_all());
    }

    #[test]
    fn nothing_takes_nothing() {
        assert!(!patterns(&[]).takes(&LockName::new("x").unwrap()));
    }
}
