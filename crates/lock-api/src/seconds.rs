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
    use utoipa::openapi::{ObjectBuilder, RefOr, Type, schema::Schema};

    impl utoipa::PartialSchema for Seconds {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::Number)
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
