//! Events: every change, as the stream tells it.

use crate::words::words;
use crate::{EndedAs, Seconds, Usage};
use serde::{Deserialize, Serialize};

words! {
    /// What changed.
    pub enum EventKind {
        /// A lock is new.
        LockCreated = "lock_created",
        /// Its settings changed, or it was paused or resumed.
        LockChanged = "lock_changed",
        /// It is gone.
        LockDeleted = "lock_deleted",
        /// Permits are withheld by somebody's word, or will be when they come back.
        PermitsWithheld = "permits_withheld",
        /// Withheld permits can be given again.
        PermitsRestored = "permits_restored",
        /// What was reported of permits that others use is too old to count any longer.
        ReportStale = "report_stale",
        /// A ticket was made.
        Queued = "queued",
        /// It has its permits.
        Granted = "granted",
        /// Its client knows.
        Held = "held",
        /// Nobody claimed the grant; back in the queue.
        Lapsed = "lapsed",
        /// The grant could not be told; granted anew.
        Undelivered = "undelivered",
        /// The ticket is over; see `ended_as`.
        Ended = "ended",
        /// A kind that this client does not know yet.
        #[serde(other)]
        Unknown = "unknown",
    }
}

/// What a setting is or was. Whether a number is a time in seconds says the name of the setting, which then ends in `_s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// Yes or no.
    Flag(bool),
    /// A number, or a time in seconds.
    Number(Seconds),
    /// Words; names of slots with commas.
    Text(String),
}

#[cfg(feature = "openapi")]
mod schema {
    use super::SettingValue;
    use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Type, schema::Schema};

    impl utoipa::PartialSchema for SettingValue {
        fn schema() -> RefOr<Schema> {
            let of = |kind| ObjectBuilder::new().schema_type(kind);
            OneOfBuilder::new().item(of(Type::Boolean)).item(of(Type::Number)).item(of(Type::String)).into()
        }
    }

    impl utoipa::ToSchema for SettingValue {}
}

/// One thing about a lock that is another now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockChange {
    /// Which setting, by its name in `settings`; or `paused`, or `retiring`.
    pub setting: String,
    /// What it was; `null` is never, or none.
    pub from: Option<SettingValue>,
    /// What it is; `null` is never, or none.
    pub to: Option<SettingValue>,
}

impl LockChange {
    /// For people: `size 2 -> 3`, `max_hold_time never -> 600 s`, `paused`.
    #[must_use]
    pub fn words(&self) -> String {
        let (name, unit) = self.setting.strip_suffix("_s").map_or((self.setting.as_str(), ""), |name| (name, " s"));
        let value = |value: &Option<SettingValue>| match value {
            None => if unit.is_empty() { "none" } else { "never" }.to_owned(),
            Some(SettingValue::Flag(flag)) => flag.to_string(),
            Some(SettingValue::Number(number)) => format!("{number}{unit}"),
            Some(SettingValue::Text(text)) => format!("\"{text}\""),
        };
        match (name, &self.to) {
            ("paused", Some(SettingValue::Flag(true))) => "paused".to_owned(),
            ("paused", Some(SettingValue::Flag(false))) => "resumed".to_owned(),
            ("retiring", Some(SettingValue::Flag(true))) => "its section is gone from the configuration".to_owned(),
            ("retiring", Some(SettingValue::Flag(false))) => "its section is in the configuration again".to_owned(),
            _ => format!("{name} {} -> {}", value(&self.from), value(&self.to)),
        }
    }
}

/// One change. The stream's `id` is its place, its `event` the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: String,
    /// The lock.
    pub lock: String,
    /// Number of the ticket, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The client's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// Name of the ticket's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Address of the ticket's client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Fencing token of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// From the making of the ticket to its grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_s: Option<Seconds>,
    /// How long it was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_s: Option<Seconds>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
    /// An administrator's words: why the ticket was ended, or the lock was paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What of the lock is another now, for `lock_changed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LockChange>,
    /// When the pause that began with this ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The author, if it was not a client with its own ticket: the name of a key or, without one, an address, `uid:N` for a local
    /// administrator, `configuration` for the server's files. Absent for what time did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The lock in numbers after this and what was stored together with it; not if the lock is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_words_and_on_the_wire() {
        let number = |ms| Some(SettingValue::Number(Seconds::from_ms(ms)));
        let text = |text: &str| Some(SettingValue::Text(text.to_owned()));
        let flag = |flag| Some(SettingValue::Flag(flag));
        for (setting, from, to, words) in [
            ("size", number(2000), number(3000), "size 2 -> 3"),
            ("max_hold_time_s", None, number(600_000), "max_hold_time never -> 600 s"),
            ("max_per_owner", None, number(2000), "max_per_owner none -> 2"),
            ("description", text(""), text("disk"), "description \"\" -> \"disk\""),
            ("paused", flag(false), flag(true), "paused"),
            ("paused", flag(true), flag(false), "resumed"),
            ("of_a_later_version", flag(false), flag(true), "of_a_later_version false -> true"),
        ] {
            let change = LockChange { setting: setting.to_owned(), from, to };
            assert_eq!(change.words(), words);
            let wire = serde_json::to_string(&change).unwrap();
            assert_eq!(serde_json::from_str::<LockChange>(&wire).unwrap(), change, "{wire}");
        }
        let wire = r#"{"setting":"size","from":2,"to":null}"#;
        assert_eq!(serde_json::from_str::<LockChange>(wire).unwrap().from, number(2000));
    }
}
