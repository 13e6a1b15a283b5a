//! Values that are one text in every store: names, ids, words. Whatever is not exactly one value is refused.

use lock_core::{EndedAs, LockName, Pick, Prefix, QueueLease, SlotName, Tag, TicketId, WithheldCause};
use std::borrow::Cow;
use std::sync::Arc;

/// A value that is one text.
pub(crate) trait Scalar: Sized {
    /// The text.
    fn to_text(&self) -> Cow<'_, str>;

    /// The value of a text, or what is wrong with it.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl Scalar for Arc<str> {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl Scalar for LockName {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::stored(text).map_err(|error| format!("not a name of a lock: {error}"))
    }
}

impl Scalar for SlotName {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::stored(text).map_err(|error| format!("{text:?} is not the name of a slot: {error}"))
    }
}

impl Scalar for Prefix {
    /// The name of the template, with its `*`.
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.pattern())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::stored(text).map_err(|error| format!("not a name of a template: {error}"))
    }
}

impl Scalar for Tag {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::stored(text).map_err(|error| format!("{text:?} is not a tag: {error}"))
    }
}

impl Scalar for Pick {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_word(text).ok_or_else(|| format!("{text:?} is neither 'first' nor 'lru'"))
    }
}

impl Scalar for TicketId {
    /// A UUID in lower case with hyphens, as its client knows it.
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(uuid::Uuid::from_u128(self.0).hyphenated().to_string())
    }

    /// Only the one way of writing, so that two texts are two tickets. The text is a secret and stays out of the error.
    fn from_text(text: &str) -> Result<Self, String> {
        let mut again = uuid::Uuid::encode_buffer();
        let id = uuid::Uuid::try_parse(text).ok().filter(|id| id.hyphenated().encode_lower(&mut again) == text);
        id.map(|id| Self(id.as_u128())).ok_or_else(|| "not a UUID in lower case with hyphens".to_owned())
    }
}

impl Scalar for EndedAs {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_word(text).ok_or_else(|| format!("{text:?} is not a way to end"))
    }
}

impl Scalar for WithheldCause {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_word(text).ok_or_else(|| format!("{text:?} does not name a cause to withhold permits"))
    }
}

impl Scalar for QueueLease {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Minute => "minute",
            Self::Expiration => "expiration",
        })
    }

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "minute" => Ok(Self::Minute),
            "expiration" => Ok(Self::Expiration),
            _ => Err(format!("{text:?} is neither 'minute' nor 'expiration'")),
        }
    }
}

/// Whether a range of slots may stand behind the one before it: the core relies on ranges that are sorted, disjoint and not
/// adjacent.
pub(crate) fn may_follow(before: Option<&(u32, u32)>, (first, last): (u32, u32)) -> bool {
    first <= last && before.is_none_or(|(_, end)| u64::from(first) > u64::from(*end) + 1)
}
