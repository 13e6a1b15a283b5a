//! Base64 as XML-RPC uses it (RFC 4648, section 4).

use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

/// Clients pad or do not, and some leave bits of their last character set.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Appends `bytes` in one line, padded.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    LENIENT.encode_string(bytes, out);
}

/// Bytes of a text in which white space counts for nothing and the padding may be missing; else what is wrong.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    let letters: Vec<u8> = text.bytes().filter(|c| !super::is_xml_space(char::from(*c))).collect();
    LENIENT.decode(letters).map_err(|error| match error {
        DecodeError::InvalidByte(_, b'=') | DecodeError::InvalidPadding => "its padding does not fit its length",
        DecodeError::InvalidByte(..) | DecodeError::InvalidLastSymbol { .. } => {
            "it has a character that is not of the base64 alphabet"
        }
        DecodeError::InvalidLength(_) => "a character is missing",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_and_every_length() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            let mut out = String::new();
            encode(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
            assert_eq!(decode(coded.trim_end_matches('=')).unwrap(), plain.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let mut out = String::new();
            encode(&all[length..], &mut out);
            assert_eq!(decode(&out).unwrap(), &all[length..]);
        }
    }

    #[test]
    fn blanks_are_nothing_and_damage_is_refused() {
        assert_eq!(decode(" Z\r\nm\t8\n=\n").unwrap(), b"fo");
        for bad in ["Z", "Zg===", "Zm9v=", "=", "Zg==Zg==", "Zm9-", "Zm9\u{e9}", "====", "Z==="] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
