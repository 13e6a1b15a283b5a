//! Changes of a lock, each with the old and the new value and its author, for readers that look later.

use crate::limits::INFO_KEPT_BYTES_MAX;
use crate::{Capacity, LockRecord, Ms, Pause, Settings, SlotTags, text};
use std::fmt;
use std::sync::Arc;

/// One thing about a lock that is another now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockChange {
    /// Which: a setting by its name in the configuration, in small letters, or `paused` or `retiring`.
    pub setting: &'static str,
    /// What it was.
    pub from: SettingValue,
    /// What it is.
    pub to: SettingValue,
}

/// What something is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// It is not set.
    None,
    /// Yes or no.
    Flag(bool),
    /// A number.
    Count(u64),
    /// A time; `None` for never.
    Time(Option<Ms>),
    /// Words, cut to [`INFO_KEPT_BYTES_MAX`]; names of slots with commas.
    Text(Arc<str>),
}

impl fmt::Display for LockChange {
    /// For the log: `size 2 -> 3`, `max_hold_time never -> 600 s`, `paused`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting, &self.to) {
            ("paused", SettingValue::Flag(true)) => f.write_str("paused"),
            ("paused", SettingValue::Flag(false)) => f.write_str("resumed"),
            ("retiring", SettingValue::Flag(true)) => f.write_str("its section is gone from the configuration"),
            ("retiring", SettingValue::Flag(false)) => f.write_str("its section is in the configuration again"),
            (setting, to) => write!(f, "{setting} {} -> {to}", self.from),
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Time(None) => f.write_str("never"),
            Self::Time(Some(ms)) => write!(f, "{} s", *ms as f64 / 1000.0),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// All of a lock that can change and is told.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    settings: Settings,
    pause: Option<Pause>,
    retiring: bool,
}

impl Condition {
    pub(crate) fn of(record: &LockRecord) -> Self {
        Self { settings: record.settings.clone(), pause: record.pause.clone(), retiring: record.retiring }
    }

    /// What is another in the record; and the pause, if one began or changed.
    pub(crate) fn changes(&self, now: &LockRecord) -> (Vec<LockChange>, Option<Pause>) {
        let (pause, retiring) = (self.pause != now.pause, self.retiring != now.retiring);
        let flag =
            |setting, from, to| LockChange { setting, from: SettingValue::Flag(from), to: SettingValue::Flag(to) };
        let mut changes = between(&self.settings, &now.settings);
        changes.extend(pause.then(|| flag("paused", self.pause.is_some(), now.pause.is_some())));
        changes.extend(retiring.then(|| flag("retiring", self.retiring, now.retiring)));
        (changes, now.pause.clone().filter(|_| pause))
    }
}

/// The settings that differ. Destructured, so that a new one cannot be forgotten.
#[must_use]
pub fn between(before: &Settings, after: &Settings) -> Vec<LockChange> {
    let all = |of: &Settings| {
        let Settings {
            capacity,
            tags,
            pick,
            grace,
            expiration,
            max_lock,
            max_hold,
            max_ttl,
            lock_delay,
            max_queue,
            max_per_owner,
            min_hold,
            description,
        } = of;
        [
            ("size", value_of(capacity)),
            ("tags", tags_of(tags)),
            ("pick", words(&Arc::from(pick.as_str()))),
            ("grace_time", SettingValue::Time(Some(*grace))),
            ("expiration_time", SettingValue::Time(*expiration)),
            ("max_lock_time", SettingValue::Time(*max_lock)),
            ("max_hold_time", SettingValue::Time(*max_hold)),
            ("max_ttl", SettingValue::Time(*max_ttl)),
            ("lock_delay", SettingValue::Time(Some(*lock_delay))),
            ("max_queue", SettingValue::Count((*max_queue).into())),
            ("max_per_owner", max_per_owner.map_or(SettingValue::None, |max| SettingValue::Count(max.into()))),
            ("min_hold_time", SettingValue::Time(Some(*min_hold))),
            ("description", words(description)),
        ]
    };
    let pairs = all(before).into_iter().zip(all(after));
    let changed = pairs.filter(|((_, from), (_, to))| from != to);
    changed.map(|((setting, from), (_, to))| LockChange { setting, from, to }).collect()
}

fn value_of(capacity: &Capacity) -> SettingValue {
    match capacity {
        Capacity::Size(size) => SettingValue::Count((*size).into()),
        Capacity::Named(names) => {
            let names: Vec<&str> = names.iter().map(crate::SlotName::as_str).collect();
            words(&Arc::from(names.join(", ")))
        }
    }
}

fn tags_of(tags: &SlotTags) -> SettingValue {
    let of_slot = |(name, own): &(crate::SlotName, Vec<crate::Tag>)| {
        let own: Vec<&str> = own.iter().map(crate::Tag::as_str).collect();
        format!("{name} {{{}}}", own.join(" "))
    };
    match tags.is_empty() {
        true => SettingValue::None,
        false => words(&Arc::from(tags.iter().map(of_slot).collect::<Vec<_>>().join(", "))),
    }
}

fn words(words: &Arc<str>) -> SettingValue {
    SettingValue::Text(text::cut(words, INFO_KEPT_BYTES_MAX))
}
