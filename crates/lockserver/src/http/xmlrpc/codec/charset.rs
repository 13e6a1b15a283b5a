//! The bytes of a request to text, in whatever encoding they are.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::events::{BytesDecl, BytesStart};

use super::error::{DecodeError, quote};

/// The text of `body`, without its byte order mark. `charset` is that of the Content-Type header.
///
/// Order (RFC 7303, section 3): byte order mark, `charset`, XML declaration, UTF-8. Two kindnesses, for clients whose
/// library writes the header and not the body: a `charset` that nobody knows, or that the bytes do not fit, gives way to what
/// comes after it; and an 8-bit document that calls itself UTF-16 is taken as UTF-8, for it had to be read to say so.
/// Otherwise bytes that do not fit are an error: replacing them would make two different names of locks the same.
pub(super) fn to_text(body: &[u8], charset: Option<&str>) -> Result<String, DecodeError> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return strict(encoding, body, mark);
    }
    // The first `<` of UTF-16 without a mark (XML 1.0, appendix F).
    match body {
        [b'<', 0, ..] => return strict(UTF_16LE, body, 0),
        [0, b'<', ..] => return strict(UTF_16BE, body, 0),
        _ => {}
    }
    let declared = match declared_encoding(body) {
        Some(label) => known(&label)
            .map(|encoding| if is_utf16(encoding) { UTF_8 } else { encoding })
            .ok_or_else(|| DecodeError::UnknownEncoding(quote(&label))),
        None => Ok(UTF_8),
    };
    let header = charset
        .map(|label| label.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\''))
        .and_then(known)
        // Text of XML in UTF-16 has zero bytes, in its `<` at least; other text has none.
        .filter(|encoding| !is_utf16(encoding) || body.contains(&0));
    let Some(header) = header else {
        return strict(declared?, body, 0);
    };
    strict(header, body, 0).or_else(|error| match declared {
        Ok(declared) if declared != header => strict(declared, body, 0).map_err(|_| error),
        _ => Err(error),
    })
}

/// The encoding of a label. Python's `xmlrpclib` writes any of Python's spellings (`latin-1`, `iso8859_15`, `utf_8`) where
/// browsers know one or two, and the parser of 0.36 took them: dashes and underscores are as good as each other, or as none.
fn known(label: &str) -> Option<&'static Encoding> {
    let dashed = || label.replace('_', "-");
    let bare = || label.replace(['_', '-'], "");
    Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(dashed().as_bytes()))
        .or_else(|| Encoding::for_label(bare().as_bytes()))
}

fn is_utf16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// The encoding that the XML declaration names, if the body begins with one in an encoding like ASCII.
fn declared_encoding(body: &[u8]) -> Option<String> {
    const LONGEST: usize = 1024;
    let content = body.strip_prefix(b"<?")?;
    let end = content.iter().take(LONGEST).position(|byte| *byte == b'>')?;
    let content = std::str::from_utf8(&content[..end]).ok()?.strip_suffix('?')?;
    if !content.strip_prefix("xml")?.starts_with(super::is_xml_space) {
        return None;
    }
    let declaration = BytesDecl::from_start(BytesStart::from_content(content, 3));
    declaration.encoding()?.ok().map(Cow::into_owned)
}

fn strict(encoding: &'static Encoding, body: &[u8], mark: usize) -> Result<String, DecodeError> {
    let bytes = body.get(mark..).unwrap_or_default();
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
    let mut text = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    let at = match result {
        DecoderResult::InputEmpty => return Ok(text),
        DecoderResult::OutputFull => read,
        DecoderResult::Malformed(length, after) => read.saturating_sub(usize::from(length) + usize::from(after)),
    };
    Err(DecodeError::NotText { encoding: encoding.name(), byte: mark + at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn spellings_of_python_are_known() {
        for label in ["latin-1", "latin_1", "iso8859_1", "ISO-8859-1", "l1"] {
            let body = format!("<?xml version='1.0' encoding='{label}'?>\u{e9}");
            let body = encoding_rs::WINDOWS_1252.encode(&body).0;
            assert!(to_text(&body, None).is_ok_and(|text| text.ends_with('é')), "{label}");
        }
        assert!(to_text(b"<?xml version='1.0' encoding='utf_8'?>x", None).is_ok());
        assert!(to_text(b"<?xml version='1.0' encoding='no-such'?>x", None).is_err());
    }

    #[test]
    fn who_says_what_the_encoding_is() {
        let cases: &[(&[u8], Option<&str>, &str)] = &[
            (b"", None, ""),
            ("<é>".as_bytes(), None, "<é>"),
            ("\u{feff}<é>".as_bytes(), Some("iso-8859-1"), "<é>"),
            (b"<\xe9>", Some("ISO-8859-1"), "<é>"),
            (b"<\xe9>", Some(" \"latin1\" "), "<é>"),
            (b"<?xml version='1.0' encoding='koi8-r'?>\xc1", None, "<?xml version='1.0' encoding='koi8-r'?>а"),
            (
                b"<?xml version='1.0' encoding=\"KOI8-R\" ?>\xc1",
                Some("windows-1252"),
                "<?xml version='1.0' encoding=\"KOI8-R\" ?>Á",
            ),
            // The header lies: what the document says of itself fits.
            (b"<?xml version='1.0' encoding='koi8-r'?>\xc1", Some("utf-8"), "<?xml version='1.0' encoding='koi8-r'?>а"),
            (
                b"<?xml version='1.0' encoding='koi8-r'?>\xc1",
                Some("nonsense"),
                "<?xml version='1.0' encoding='koi8-r'?>а",
            ),
            (b"<?xml version='1.0' encoding='nonsense'?>", Some("utf-8"), "<?xml version='1.0' encoding='nonsense'?>"),
            ("<?xml version='1.0' encoding='utf-16'?>é".as_bytes(), None, "<?xml version='1.0' encoding='utf-16'?>é"),
            ("<é>".as_bytes(), Some("utf-16"), "<é>"),
            (b"<?xml-stylesheet encoding='koi8-r'?>\xc3\xa9", None, "<?xml-stylesheet encoding='koi8-r'?>é"),
        ];
        for (body, charset, text) in cases {
            assert_eq!(to_text(body, *charset).as_deref(), Ok(*text), "{body:?} {charset:?}");
        }
        for big in [false, true] {
            for text in ["<é>", "\u{feff}<é>"] {
                for charset in [None, Some("utf-8"), Some("utf-16")] {
                    assert_eq!(to_text(&utf16(text, big), charset).as_deref(), Ok("<é>"), "{big} {text:?} {charset:?}");
                }
            }
        }
        assert_eq!(to_text(&utf16("\n<é>", false), Some("utf-16le")).as_deref(), Ok("\n<é>"));
    }

    #[test]
    fn what_fits_nothing_is_refused_with_the_byte() {
        let not = |encoding, byte| Err(DecodeError::NotText { encoding, byte });
        assert_eq!(to_text(b"<a>\xff</a>", None), not("UTF-8", 3));
        assert_eq!(to_text(b"\xef\xbb\xbf<a>\xff</a>", None), not("UTF-8", 6));
        assert_eq!(to_text(b"<a>\xe9", Some("utf-8")), not("UTF-8", 3));
        assert_eq!(to_text(b"<\0a", None), not("UTF-16LE", 2));
        assert_eq!(to_text(b"<a>\xff", Some("shift_jis")), not("Shift_JIS", 3));
        let unknown = b"<?xml version='1.0' encoding='EBCDIC-X'?>";
        assert_eq!(to_text(unknown, None), Err(DecodeError::UnknownEncoding("EBCDIC-X".to_owned())));
        assert_eq!(to_text(unknown, Some("x-none")), Err(DecodeError::UnknownEncoding("EBCDIC-X".to_owned())));
    }
}
