//! An event as one line of text. Whatever a client sends stays within its line and within its value.

use super::Format;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lock_core::limits::LOG_TEXT_BYTES_MAX;
use lock_core::text::is_unsafe;
use std::borrow::Cow;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Begins the name of a field that is in the JSON log alone: the classic log has it in its text.
const JSON_ONLY: &str = "json.";

/// What time it is and in which zone; a fixed one in tests.
#[derive(Debug, Clone)]
pub(super) enum Clock {
    System,
    #[cfg(test)]
    Fixed(Timestamp, TimeZone),
}

impl Clock {
    pub(super) fn system() -> Self {
        Self::System
    }

    pub(super) fn now(&self) -> Time {
        match self {
            // The zone may change while the server runs; `jiff` caches it.
            Self::System => Time { at: crate::wall::now_timestamp(), zone: TimeZone::system() },
            #[cfg(test)]
            Self::Fixed(at, zone) => Time { at: *at, zone: zone.clone() },
        }
    }
}

/// A moment, and the zone it is shown in.
#[derive(Debug)]
pub(super) struct Time {
    at: Timestamp,
    zone: TimeZone,
}

/// All of an event.
#[derive(Debug)]
pub(super) struct Record {
    time: Time,
    level: Level,
    target: Cow<'static, str>,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

/// What a field holds.
#[derive(Debug)]
enum Value {
    Text(String),
    /// Already as both formats write it: a number or a flag.
    Plain(String),
}

impl Record {
    pub(super) fn new(time: Time, event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let target = Cow::Owned(metadata.target().to_owned());
        let mut record = Self { time, level: *metadata.level(), target, message: String::new(), fields: Vec::new() };
        event.record(&mut record);
        record
    }

    /// A warning of the log about itself, which cannot go through `tracing`.
    pub(super) fn warning(time: Time, message: String) -> Self {
        let target = Cow::Borrowed(module_path!());
        Self { time, level: Level::WARN, target, message, fields: Vec::new() }
    }

    /// The line, with its end.
    pub(super) fn render(&self, format: Format) -> String {
        let mut line = String::with_capacity(128);
        match format {
            Format::Classic => self.classic(&mut line),
            Format::Json => self.json(&mut line),
        }
        line.push('\n');
        line
    }

    fn classic(&self, line: &mut String) {
        let local = self.time.at.to_zoned(self.time.zone.clone());
        let level = match self.level {
            Level::TRACE | Level::DEBUG => "DEBUG",
            Level::INFO => "INFO",
            Level::WARN => "WARNING",
            Level::ERROR => "ERROR",
        };
        let _ = write!(line, "[{level}] {} ", local.strftime("%Y-%m-%d %H:%M:%S,%3f"));
        escape(line, &self.message, &[], classic_escape);
        for (name, value) in self.fields.iter().filter(|(name, _)| !name.starts_with(JSON_ONLY)) {
            let _ = write!(line, " {name}=");
            match value {
                Value::Plain(text) => line.push_str(text),
                Value::Text(text) if is_one_word(text) => line.push_str(text),
                Value::Text(text) => {
                    line.push('"');
                    escape(line, text, &['"', '\\'], classic_escape);
                    line.push('"');
                }
            }
        }
    }

    fn json(&self, line: &mut String) {
        let level = match self.level {
            Level::TRACE => "superdebug",
            Level::DEBUG => "debug",
            Level::INFO => "info",
            Level::WARN => "warning",
            Level::ERROR => "error",
        };
        let time = self.time.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let _ = write!(line, "{{\"time\":\"{time}\",\"level\":\"{level}\",\"message\":");
        json_text(line, &self.message);
        line.push_str(",\"target\":");
        json_text(line, &self.target);
        for (name, value) in &self.fields {
            line.push(',');
            match name.trim_start_matches(JSON_ONLY) {
                // No object has a name twice.
                "time" | "level" | "message" | "target" => json_text(line, &format!("{name}_")),
                name => json_text(line, name),
            }
            line.push(':');
            match value {
                Value::Plain(text) => line.push_str(text),
                Value::Text(text) => json_text(line, text),
            }
        }
        line.push('}');
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Plain(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // It fails when it is full.
        let _ = write!(text, "{value:?}");
        self.add(field, Value::Text(text.finish()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded::default();
        let _ = text.write_str(value);
        self.add(field, Value::Text(text.finish()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity and no "not a number".
        let text = value.to_string();
        self.add(field, if value.is_finite() { Value::Plain(text) } else { Value::Text(text) });
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut text = Bounded::default();
        let mut next = Some(error);
        let mut separator = "";
        while let Some(error) = next {
            if write!(text, "{separator}{error}").is_err() {
                break;
            }
            separator = ": ";
            next = error.source();
        }
        self.add(field, Value::Text(text.finish()));
    }
}

/// A text that ends, with a mark, at the bound, and stops who writes it.
#[derive(Default)]
struct Bounded {
    text: String,
    cut: bool,
}

impl Bounded {
    fn finish(mut self) -> String {
        if self.cut {
            self.text.push('…');
        }
        self.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        let room = LOG_TEXT_BYTES_MAX - self.text.len();
        if more.len() <= room {
            self.text.push_str(more);
            return Ok(());
        }
        self.text.push_str(&more[..more.floor_char_boundary(room)]);
        self.cut = true;
        Err(fmt::Error)
    }
}

/// Whether a value can be told from what follows without quotes.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '\\') || is_unsafe(c))
}

/// Appends a text with its unsafe characters, and those of `also`, as `as_escape` writes them.
fn escape(line: &mut String, text: &str, also: &[char], as_escape: fn(&mut String, char)) {
    for c in text.chars() {
        if is_unsafe(c) || also.contains(&c) {
            as_escape(line, c);
        } else {
            line.push(c);
        }
    }
}

fn classic_escape(line: &mut String, c: char) {
    match c {
        '"' | '\\' => line.extend(['\\', c]),
        // `\n`, `\t` and `\r`; `\u{...}` for all others.
        _ if c.is_ascii() => line.extend(c.escape_default()),
        _ => line.extend(c.escape_unicode()),
    }
}

fn json_text(line: &mut String, text: &str) {
    line.push('"');
    escape(line, text, &['"', '\\'], |line, c| {
        let _ = match c {
            '"' | '\\' => write!(line, "\\{c}"),
            '\n' => write!(line, "\\n"),
            _ => {
                crate::lines::push_json_escape(line, c);
                Ok(())
            }
        };
    });
    line.push('"');
}
