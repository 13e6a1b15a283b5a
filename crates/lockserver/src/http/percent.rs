//! Percent-encoding (RFC 3986, section 2.1) undone.

/// Why a text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PercentError {
    /// Not two digits.
    #[error("has a % without two hexadecimal digits; write %25 for a %")]
    Digits,
    /// Bytes that are no text.
    #[error("is no UTF-8 once its %XX are decoded")]
    Utf8,
}

/// `%XX` undone. What is no such escape, or no UTF-8 then, is refused rather than guessed at.
///
/// # Errors
/// What is wrong with it, to be put behind the name of its place.
pub(super) fn decode(raw: &str) -> Result<String, PercentError> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(PercentError::Digits);
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| PercentError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_or_refused() {
        assert_eq!(decode("san%20ssh").unwrap(), "san ssh");
        assert_eq!(decode("gr%C3%B6%c3%9fe+").unwrap(), "größe+");
        for bad in ["%", "a%2", "%zz", "%+1"] {
            assert_eq!(decode(bad), Err(PercentError::Digits), "{bad}");
        }
        for bad in ["%ff", "%C3"] {
            assert_eq!(decode(bad), Err(PercentError::Utf8), "{bad}");
        }
    }
}
