//! Durations on the wire.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A duration in seconds with millisecond resolution: `30` or `0.25`. Whole seconds are written without decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Seconds(u64);

impl Seconds {
    /// From milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// What people write, in files and on command lines: `90` or `0.5` (seconds), `20m`, `1.5h`, `1h30m`, `2 days`. `None` for
    /// anything else.
    #[must_use]
    pub fn from_words(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut sum = 0.0;
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            // Neither a sign nor an exponent, which `parse` would take.
            let number: f64 = rest[..end].parse().ok()?;
            let behind = rest[end..].trim_start();
            let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
            let (unit, next) = behind.split_at(end);
            let is_all = rest.len() == text.trim().len() && next.is_empty();
            sum += number * unit_s(unit).or_else(|| (unit.is_empty() && is_all).then_some(1.0))?;
            rest = next.trim_start();
            if rest.is_empty() {
                break;
            }
        }
        (0.0..=MAX_S).contains(&sum).then(|| Self((sum * 1000.0).round() as u64))
    }
}

/// A unit of time in seconds.
fn unit_s(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_millis(seconds.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            _ => write!(f, "{}", self.0 as f64 / 1000.0),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1000 {
            0 => serializer.serialize_u64(self.0 / 1000),
            _ => serializer.serialize_f64(self.0 as f64 / 1000.0),
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor)
    }
}

/// The longest duration that is read, in seconds: a century. What is allowed where is the server's decision.
const MAX_S: f64 = 3_200_000_000.0;

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Seconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds that is not negative")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Seconds, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Seconds, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Seconds, E> {
        if !(0.0..=MAX_S).contains(&value) {
            return Err(E::invalid_value(Unexpected::Float(value), &self));
        }
        Ok(Seconds((value * 1000.0).round() as u64))
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use super::Seconds;
    use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type, schema::Schema};

    impl utoipa::PartialSchema for Seconds {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::Number)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
                .minimum(Some(0.0))
                .description(Some("Seconds, with at most three decimals"))
                .into()
        }
    }

    impl utoipa::ToSchema for Seconds {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words() {
        for (text, ms) in [
            ("90", 90_000),
            (" 0.25 ", 250),
            ("250ms", 250),
            ("20m", 1_200_000),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            ("1 h 30 min", 5_400_000),
            ("2 days", 172_800_000),
            ("0", 0),
        ] {
            assert_eq!(Seconds::from_words(text).map(Seconds::as_ms), Some(ms), "{text}");
        }
        for bad in [
            "",
            "-1",
            "+1",
            "1x",
            "m",
            "1m30",
            "1 2",
            "inf",
            "NaN",
            "1e3",
            "1..5",
            ".",
            "1h-30m",
            "40000d",
            "1\u{a0}m m",
        ] {
            assert_eq!(Seconds::from_words(bad), None, "{bad}");
        }
    }

    #[test]
    fn on_the_wire() {
        for (json, ms) in [("30", 30_000), ("0.25", 250), ("0", 0), ("1.5", 1500), ("2.0", 2000)] {
            let read: Seconds = serde_json::from_str(json).unwrap();
            assert_eq!(read.as_ms(), ms, "{json}");
        }
        assert_eq!(serde_json::to_string(&[Seconds::from_ms(30_000), Seconds::from_ms(250)]).unwrap(), "[30,0.25]");
        for bad in ["-1", "-0.5", "\"1\"", "null", "1e300", "true"] {
            assert!(serde_json::from_str::<Seconds>(bad).is_err(), "{bad}");
        }
    }
}
