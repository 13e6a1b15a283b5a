//! Which locks a key is for.

use lock_core::{LockName, NameError, Prefix, Target};
use std::fmt;
use std::sync::Arc;

/// Locks by their names and by the beginnings of their names; what one of them takes, all take together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Arc<[Target]>);

/// Reads a lock's name, or the beginning of names and a `*`.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Target, NameError> {
    if text.ends_with('*') {
        Prefix::from_pattern(text).map(Target::Template)
    } else {
        LockName::new(text).map(Target::Lock)
    }
}

impl Patterns {
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::from([parse("*").expect("the shortest pattern")]))
    }

    #[must_use]
    pub fn new(patterns: Vec<Target>) -> Self {
        Self(Arc::from(patterns))
    }

    /// Whether the lock is meant.
    #[must_use]
    pub fn takes(&self, lock: &LockName) -> bool {
        self.0.iter().any(|pattern| pattern.takes(lock))
    }

    /// Whether every lock of that beginning is meant.
    #[must_use]
    pub fn takes_all(&self, beginning: &Prefix) -> bool {
        self.0.iter().any(
            |pattern| matches!(pattern, Target::Template(prefix) if beginning.as_str().starts_with(prefix.as_str())),
        )
    }

    /// Whether every lock is meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.iter().any(|pattern| matches!(pattern, Target::Template(prefix) if prefix.as_str().is_empty()))
    }

    /// The patterns themselves.
    #[must_use]
    pub fn targets(&self) -> Arc<[Target]> {
        self.0.clone()
    }
}

impl fmt::Display for Patterns {
    /// As the configuration writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match pattern {
                Target::Lock(name) => write!(f, "{name}")?,
                Target::Template(prefix) => f.write_str(&prefix.pattern())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::new(texts.iter().map(|text| parse(text).unwrap()).collect())
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
