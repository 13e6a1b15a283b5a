//! A JSON object on a line, in the making.

use crate::wall::timestamp;
use lock_core::WallMs;
use lock_core::text::is_unsafe;
use std::fmt::Write as _;

/// As each line gives times.
pub(super) fn moment(at: WallMs) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A JSON object in the making.
pub(super) struct Line(String);

impl Line {
    pub(super) fn new(at: WallMs) -> Self {
        Self(format!("{{\"time\":\"{}\"", moment(at)))
    }

    pub(super) fn word(&mut self, word: &str) -> &mut Self {
        self.text("audit", word)
    }

    /// A value that is JSON already.
    pub(super) fn plain(&mut self, name: &str, value: &str) -> &mut Self {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    pub(super) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.plain(name, &value.to_string())
    }

    pub(super) fn seconds(&mut self, name: &str, ms: u64) -> &mut Self {
        self.plain(name, &(ms as f64 / 1000.0).to_string())
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.plain(name, &serde_json::Value::from(value).to_string())
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Nobody in particular has no key, and that is said.
    pub(super) fn who(&mut self, fields: [&str; 2], key: Option<&str>, from: &str) -> &mut Self {
        let [key_field, from_field] = fields;
        match key {
            Some(name) => self.text(key_field, name),
            None => self.plain(key_field, "null"),
        };
        self.text(from_field, from)
    }

    pub(super) fn status(&mut self, status: Option<u16>) -> &mut Self {
        match status {
            Some(status) => self.number("status", status.into()),
            None => self,
        }
    }

    /// The whole line. What ends lines somewhere, drives a terminal or shows text in another order than it is written stands
    /// in texts only, where JSON has another way to write it.
    pub(super) fn finish(self) -> String {
        let mut line = String::with_capacity(self.0.len() + 2);
        for c in self.0.chars() {
            if is_unsafe(c) {
                crate::lines::push_json_escape(&mut line, c);
            } else {
                line.push(c);
            }
        }
        line.push_str("}\n");
        line
    }
}
