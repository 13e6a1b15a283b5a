//! What must hold of any bytes as the body of an XML-RPC request.

use lock_core::limits::{BODY_BYTES_MAX, INFO_BYTES_MAX};
use lockserver::http::xmlrpc::codec::{MethodCall, Value, decode, encode_fault, encode_response, gunzip};
use quick_xml::Reader;
use quick_xml::events::Event;

/// Decodes `data` as a request, in several charsets, plain and unpacked, and checks what must hold.
pub(crate) fn fuzz_xmlrpc(data: &[u8]) {
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

/// Checks that a call survives being written and read, and what must hold of its values.
pub(crate) fn check_call(call: &MethodCall) {
    let written = request(call);
    // Escapes make it longer: what filled a body may fit into none any more.
    if written.len() <= BODY_BYTES_MAX {
        let again = decode(written.as_bytes(), None).expect("a call that was decoded decodes when it is written again");
        // The texts are compared because NaN is not equal to itself.
        assert_eq!(format!("{call:?}"), format!("{again:?}"), "and is the same call");
    }
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
    out.push_str("</methodName>\n<params>\n");
    for value in &call.params {
        let answer = encode_response(value);
        let (start, end) = (answer.find("<param>").expect("its value"), answer.rfind("</params>").expect("its end"));
        out.push_str(&answer[start..end]);
    }
    out.push_str("</params>\n</methodCall>\n");
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

/// Whether XML 1.0 can carry the character at all, escaped or not (production `Char` of the recommendation).
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
