//! The three rights.

use std::fmt;

/// Something that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See locks, their holders and waiters, events and metrics.
    Observe,
    /// Ask for permits; renew and release one's own.
    Use,
    /// Change locks and end everybody's tickets. It includes the other two.
    Admin,
}

impl Right {
    pub const ALL: [Self; 3] = [Self::Observe, Self::Use, Self::Admin];

    /// As it is written in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Use => "use",
            Self::Admin => "admin",
        }
    }

    /// The right that is written like this, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.word().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    observe: bool,
    r#use: bool,
    admin: bool,
}

impl Rights {
    pub const NONE: Self = Self { observe: false, r#use: false, admin: false };
    pub const ALL: Self = Self { observe: true, r#use: true, admin: true };

    /// Whether this right is among them. An administrator has all.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.admin
            || match right {
                Right::Observe => self.observe,
                Right::Use => self.r#use,
                Right::Admin => false,
            }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        let mut all = Self::NONE;
        for right in rights {
            match right {
                Right::Observe => all.observe = true,
                Right::Use => all.r#use = true,
                Right::Admin => all.admin = true,
            }
        }
        all
    }
}

impl fmt::Display for Rights {
    /// As the configuration writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = [(self.r#use, Right::Use), (self.observe, Right::Observe), (self.admin, Right::Admin)];
        let words: Vec<&str> = own.into_iter().filter(|(has, _)| *has).map(|(_, right)| right.word()).collect();
        f.write_str(if words.is_empty() { "none".to_owned() } else { words.join(", ") }.as_str())
    }
}
