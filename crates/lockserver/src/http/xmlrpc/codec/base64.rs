//! Base64 as XML-RPC uses it (RFC 4648, section 4), few enough lines to need no crate.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends `bytes` in one line, padded.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = word >> (18 - 6 * place) & 63;
            let letter = if place <= group.len() { ALPHABET[sextet as usize] } else { b'=' };
            out.push(char::from(letter));
        }
    }
}

/// Bytes of a text in which white space counts for nothing and the padding may be missing; else what is wrong.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut letters, mut padding) = (0_u32, 0_u32, 0_u32);
    for c in text.bytes().filter(|c| !super::is_xml_space(char::from(*c))) {
        if c == b'=' {
            padding += 1;
            continue;
        }
        let Some(sextet) = sextet(c) else {
            return Err("it has a character that is not of the base64 alphabet");
        };
        if padding > 0 {
            return Err("something follows its padding");
        }
        word = word << 6 | u32::from(sextet);
        letters += 1;
        if letters % 4 == 0 {
            out.extend_from_slice(&word.to_be_bytes()[1..]);
            word = 0;
        }
    }
    let rest = letters % 4;
    if rest == 1 {
        return Err("a character is missing");
    }
    if padding > 0 && (rest == 0 || rest + padding != 4) {
        return Err("its padding does not fit its length");
    }
    let tail = (word << (6 * (4 - rest))).to_be_bytes();
    match rest {
        2 => out.push(tail[1]),
        3 => out.extend_from_slice(&tail[1..3]),
        _ => {}
    }
    Ok(out)
}

const fn sextet(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
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
        for bad in ["Z", "Zg=", "Zg===", "Zm9v=", "=", "Zg==Zg==", "Zm9-", "Zm9\u{e9}", "====", "Z==="] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
