//! One change of a setting, as events and locks tell it.

use crate::Seconds;
use serde::{Deserialize, Serialize};

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
