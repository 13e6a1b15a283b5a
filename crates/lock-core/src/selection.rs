//! Which slots a ticket will have, and which of those it gets (rule 14).

use crate::{SlotName, Tag};

/// Tags of slots by their names, of those that have some.
pub type SlotTags = Vec<(SlotName, Vec<Tag>)>;

/// Which slots a ticket will have. What is in it is a set: in whatever order, each once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Exactly these.
    Slots(Vec<SlotName>),
    /// Any that have all of these tags.
    Tags(Vec<Tag>),
}

/// Which of the slots that fit is given: of those with the fewest tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pick {
    /// The lowest.
    #[default]
    First,
    /// The one that has been unused for longest.
    Lru,
}

impl Pick {
    /// All of them, in the order above.
    pub const ALL: [Self; 2] = [Self::First, Self::Lru];

    /// The word used in APIs, configuration and stores; never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lru => "lru",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pick| pick.as_str() == word)
    }
}

impl Selection {
    /// The same in order: two that select the same are equal then.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let mut selection = self.clone();
        match &mut selection {
            Self::Slots(names) => names.sort(),
            Self::Tags(tags) => tags.sort(),
        }
        selection
    }

    /// About the bytes of it as JSON.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Slots(names) => names.iter().map(|name| name.as_str().len() + 3).sum(),
            Self::Tags(tags) => tags.iter().map(|tag| tag.as_str().len() + 3).sum(),
        }
    }
}
