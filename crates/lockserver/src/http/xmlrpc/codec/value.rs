//! The values of XML-RPC, and how one becomes the text of an `info`.

use std::fmt::Write;

use lock_core::limits::INFO_BYTES_MAX;

use super::base64;

/// One value of a call or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `int`, `i4`, `i8` and their smaller sisters.
    Int(i64),
    /// `boolean`.
    Boolean(bool),
    /// `string`, or text without a type. White space is kept.
    String(String),
    /// `double`.
    Double(f64),
    /// `dateTime.iso8601`: the text as it came, without the blanks around it. Nothing here needs the instant.
    DateTime(String),
    /// `base64`: the bytes.
    Base64(Vec<u8>),
    /// `array`.
    Array(Vec<Self>),
    /// `struct`: the members as they came. A name may occur twice; the last one counts, as it did in 0.36.
    Struct(Vec<(String, Self)>),
    /// `nil`, an extension of the specification.
    Nil,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodCall {
    /// Name of the method: 1 to [`METHOD_NAME_BYTES_MAX`](lock_core::limits::METHOD_NAME_BYTES_MAX) bytes, without the
    /// blanks around it. Nobody has looked whether there is such a method.
    pub method: String,
    /// Parameters, in order.
    pub params: Vec<Value>,
}

impl Value {
    /// The value for a human: a string as it is, an integer in decimal, everything else compact and much like JSON.
    ///
    /// What is no string is written until it is longer than [`INFO_BYTES_MAX`] and hardly further, so that code that cuts
    /// over-long texts still sees that this one was.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::String(text) | Self::DateTime(text) => text.clone(),
            Self::Base64(bytes) => {
                let mut out = String::new();
                push_base64(&mut out, bytes);
                out
            }
            _ => {
                let mut out = String::new();
                self.push_json(&mut out);
                out
            }
        }
    }

    fn push_json(&self, out: &mut String) {
        match self {
            Self::Int(number) => push(out, format_args!("{number}")),
            Self::Boolean(yes) => push(out, format_args!("{yes}")),
            Self::Double(number) => push(out, format_args!("{number:?}")),
            Self::String(text) | Self::DateTime(text) => push_quoted(out, text),
            Self::Base64(bytes) => {
                out.push('"');
                push_base64(out, bytes);
                out.push('"');
            }
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if full(out) {
                        return;
                    }
                    if i > 0 {
                        out.push(',');
                    }
                    item.push_json(out);
                }
                out.push(']');
            }
            Self::Struct(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if full(out) {
                        return;
                    }
                    if i > 0 {
                        out.push(',');
                    }
                    push_quoted(out, name);
                    out.push(':');
                    value.push_json(out);
                }
                out.push('}');
            }
            Self::Nil => out.push_str("null"),
        }
    }
}

const fn full(out: &str) -> bool {
    out.len() > INFO_BYTES_MAX
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

fn push_base64(out: &mut String, bytes: &[u8]) {
    // One group of three bytes more than fits.
    let enough = bytes.len().min(INFO_BYTES_MAX / 4 * 3 + 3);
    base64::encode(&bytes[..enough], out);
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if full(out) {
            return;
        }
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_text() {
        let text = |s: &str| Value::String(s.to_owned());
        let cases = [
            (text(" as it \"is\"\n"), " as it \"is\"\n"),
            (Value::Int(-7), "-7"),
            (Value::Boolean(true), "true"),
            (Value::Double(1.0), "1.0"),
            (Value::DateTime("20260101T00:00:00".to_owned()), "20260101T00:00:00"),
            (Value::Base64(vec![0, 255]), "AP8="),
            (Value::Nil, "null"),
            (Value::Array(vec![]), "[]"),
            (Value::Struct(vec![]), "{}"),
            (
                Value::Struct(vec![
                    ("host".to_owned(), text("n\"1\n")),
                    ("jobs".to_owned(), Value::Array(vec![Value::Int(1), Value::Nil, Value::Base64(vec![1])])),
                    ("at".to_owned(), Value::DateTime("2026".to_owned())),
                ]),
                r#"{"host":"n\"1\n","jobs":[1,null,"AQ=="],"at":"2026"}"#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(value.to_text(), expected, "{value:?}");
        }
    }

    #[test]
    fn the_work_is_bounded_and_too_long_is_seen() {
        let long = Value::String("\u{1}".repeat(10 * INFO_BYTES_MAX));
        let many = [
            Value::Array(vec![long; 100]),
            Value::Struct(vec![("k".repeat(2 * INFO_BYTES_MAX), Value::Nil); 100]),
            Value::Array(vec![Value::Int(i64::MIN); INFO_BYTES_MAX]),
            Value::Base64(vec![7; 10 * INFO_BYTES_MAX]),
        ];
        for value in many {
            let length = value.to_text().len();
            assert!(length > INFO_BYTES_MAX && length < 2 * INFO_BYTES_MAX, "{length}");
        }
    }
}
