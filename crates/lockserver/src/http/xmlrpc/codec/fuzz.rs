//! What must hold for any input at all: the body of the fuzz target, run on stable as well by `tests/fuzz_bodies.rs`.

use lock_core::limits::{BODY_BYTES_MAX, INFO_BYTES_MAX};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::decode::decode_text;
use super::encode::push_params;
use super::{MethodCall, Value, decode, encode_fault, encode_response, gunzip, is_xml_char};

/// Decodes `data` as a request, in several charsets, plain and unpacked, and checks what must hold.
///
/// # Panics
/// If something does not hold that must hold.
pub fn fuzz(data: &[u8]) {
    for charset in [None, Some("utf-8"), Some("iso-8859-1"), Some("utf-16"), Some("shift_jis"), Some("no such")] {
        match decode(data, charset) {
            Ok(call) => check_call(&call),
            // The text of an error goes into a fault, and quotes the request.
            Err(error) => {
                let text = error.to_string();
                let one_line = !text.contains(char::is_control);
                assert!(one_line && text.len() < 1000, "an error's text is one line, and bounded: {text:?}");
                check_answer(&encode_fault(1, &text));
            }
        }
    }
    const UNPACKED_MAX: usize = 4096;
    if let Ok(unpacked) = gunzip(data, UNPACKED_MAX) {
        assert!(unpacked.len() <= UNPACKED_MAX);
        if let Ok(call) = decode(&unpacked, None) {
            check_call(&call);
        }
    }
    let text = String::from_utf8_lossy(&data[..data.len().min(BODY_BYTES_MAX)]);
    check_answer(&encode_response(&Value::String(text.into_owned())));
}

fn check_call(call: &MethodCall) {
    let again = decode_text(&request(call)).expect("a call that was decoded decodes when it is written again");
    // The texts are compared because NaN is not equal to itself.
    assert_eq!(format!("{call:?}"), format!("{again:?}"), "and is the same call");
    for value in &call.params {
        check_answer(&encode_response(value));
        let text = value.to_text();
        let bounded = !matches!(value, Value::String(_) | Value::DateTime(_));
        assert!(!bounded || text.len() < 2 * INFO_BYTES_MAX, "the work for a text is bounded");
    }
}

/// The request of a call. Answers leave carriage returns as they are, and parsers make line feeds of them.
fn request(call: &MethodCall) -> String {
    let mut out = String::from("<methodCall>\n<methodName>");
    out.push_str(&call.method.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    out.push_str("</methodName>\n");
    push_params(&mut out, &call.params);
    out.push_str("</methodCall>\n");
    out.replace('\r', "&#13;")
}

/// The answer is XML to a parser that is not ours.
fn check_answer(answer: &str) {
    assert!(answer.chars().all(is_xml_char), "only characters of XML: {answer:?}");
    let mut reader = Reader::from_str(answer);
    reader.config_mut().enable_all_checks(true);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().expect("an answer is well-formed") {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Text(_) | Event::Decl(_) | Event::Empty(_) => {}
            Event::GeneralRef(name) => assert!(["amp", "lt", "gt"].contains(&&*name), "an unknown entity: {name:?}"),
            Event::Eof => break,
            other => panic!("an answer has no {other:?}"),
        }
    }
    assert_eq!(depth, 0, "every element is closed");
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Text that XML can carry, with much of what it has to escape.
    fn text() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            any::<char>().prop_filter("a character of XML", |c| is_xml_char(*c)),
            prop::sample::select(vec!['&', '<', '>', '"', '\'', ']', '\r', '\n', '\t', ' ', ';', '#', 'x']),
        ];
        vec(c, 0..20).prop_map(String::from_iter)
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<i8>().prop_map(|number| Value::Int(number.into())),
            any::<bool>().prop_map(Value::Boolean),
            text().prop_map(Value::String),
            any::<f64>().prop_map(Value::Double),
            "[0-9TZ:+-]{0,24}".prop_map(Value::DateTime),
            vec(any::<u8>(), 0..130).prop_map(Value::Base64),
            Just(Value::Nil),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::Array),
                vec((text(), inner), 0..5).prop_map(Value::Struct),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Mutated documents are seldom calls; these all are.
        #[test]
        fn every_call_survives_being_written_and_read(
            method in "[!-~]{1,200}",
            params in vec(value(), 0..5),
        ) {
            let call = MethodCall { method, params };
            let again = decode_text(&request(&call)).expect("a call");
            prop_assert_eq!(format!("{call:?}"), format!("{again:?}"));
            check_call(&call);
        }
    }
}
