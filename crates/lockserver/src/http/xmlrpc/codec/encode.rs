//! Answers, byte for byte as 0.36 wrote them: Python 2.7's `xmlrpclib`, one value a line.

use std::fmt::Write;

use super::{Value, base64, is_xml_char};

const HEAD: &str = "<?xml version='1.0' encoding='UTF-8'?>\n<methodResponse>\n";
const FOOT: &str = "</methodResponse>\n";

/// The answer with `value`, in UTF-8.
#[must_use]
pub fn encode_response(value: &Value) -> String {
    let mut out = String::from(HEAD);
    out.push_str("<params>\n<param>\n");
    push_value(&mut out, value);
    out.push_str("</param>\n</params>\n");
    out.push_str(FOOT);
    out
}

/// The answer that is a fault, in UTF-8.
#[must_use]
pub fn encode_fault(code: i64, text: &str) -> String {
    let mut out = String::from(HEAD);
    out.push_str("<fault>\n");
    push_struct(&mut out, [("faultCode", &Value::Int(code)), ("faultString", &Value::String(text.to_owned()))]);
    out.push_str("</fault>\n");
    out.push_str(FOOT);
    out
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        // `int` has 32 bits; beyond it the extension that clients of today know.
        Value::Int(number) if i32::try_from(*number).is_ok() => push_plain(out, "int", format_args!("{number}")),
        Value::Int(number) => push_plain(out, "i8", format_args!("{number}")),
        Value::Boolean(yes) => push_plain(out, "boolean", format_args!("{}", u8::from(*yes))),
        Value::String(text) => push_escaped(out, "string", text),
        Value::Double(number) => push_plain(out, "double", format_args!("{}", double(*number))),
        Value::DateTime(text) => push_escaped(out, "dateTime.iso8601", text),
        Value::Base64(bytes) => {
            // Lines of 76 characters.
            out.push_str("<value><base64>\n");
            for line in bytes.chunks(57) {
                base64::encode(line, out);
                out.push('\n');
            }
            out.push_str("</base64></value>\n");
        }
        Value::Array(items) => {
            out.push_str("<value><array><data>\n");
            for item in items {
                push_value(out, item);
            }
            out.push_str("</data></array></value>\n");
        }
        Value::Struct(members) => push_struct(out, members.iter().map(|(name, value)| (name.as_str(), value))),
        Value::Nil => out.push_str("<value><nil/></value>\n"),
    }
}

fn push_struct<'a>(out: &mut String, members: impl IntoIterator<Item = (&'a str, &'a Value)>) {
    out.push_str("<value><struct>\n");
    for (name, value) in members {
        out.push_str("<member>\n<name>");
        escape(out, name);
        out.push_str("</name>\n");
        push_value(out, value);
        out.push_str("</member>\n");
    }
    out.push_str("</struct></value>\n");
}

fn push_plain(out: &mut String, tag: &str, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<value><{tag}>{text}</{tag}></value>");
}

fn push_escaped(out: &mut String, tag: &str, text: &str) {
    let _ = write!(out, "<value><{tag}>");
    escape(out, text);
    let _ = writeln!(out, "</{tag}></value>");
}

/// The three characters that `xmlrpclib` escapes; what XML cannot carry becomes U+FFFD.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if is_xml_char(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
}

/// As Python's `repr`: the shortest digits that read back the same; exponents have a sign and two digits.
fn double(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_python_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (number, text) in cases {
            assert_eq!(double(number), text);
        }
    }
}
