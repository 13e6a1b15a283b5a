//! The parts of a path that its route leaves open, decoded once and in one place: the gate and the handler must not
//! understand the same path differently.

use axum::http::{Extensions, Uri};
use lock_core::{LockName, NameError};
use std::ops::Range;

/// Why a part of a path or query cannot be decoded (RFC 3986, section 2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    /// Not two digits.
    #[error("has a % without two hexadecimal digits; write %25 for a %")]
    Digits,
    /// Bytes that are no text.
    #[error("is not UTF-8 after its %XX are decoded")]
    Utf8,
    /// Not the name of a lock.
    #[error("is not a valid lock name: {0}")]
    Name(NameError),
}

/// `%XX` undone. What is no such escape, or no UTF-8 then, is refused rather than guessed at.
///
/// # Errors
/// What is wrong with it, to be put behind the name of its place.
pub(super) fn decode(raw: &str) -> Result<String, PathError> {
    if !raw.contains('%') {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(PathError::Digits);
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| PathError::Utf8)
}

/// What the path of a request has in the places that its route leaves open: among the extensions of each request that has a
/// route.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    /// Where in the path each part is.
    parts: Vec<(&'static str, Range<usize>)>,
    lock: Option<Result<LockName, PathError>>,
}

impl Matched {
    /// Of this path; the parts have been found in it.
    pub(super) fn new<'p>(path: &'p str, parts: impl Iterator<Item = (&'static str, &'p str)>) -> Self {
        let place = |part: &str| {
            let begin = part.as_ptr() as usize - path.as_ptr() as usize;
            begin..begin + part.len()
        };
        let parts: Vec<_> = parts.map(|(name, part)| (name, place(part))).collect();
        let mut matched = Self { parts, lock: None };
        let lock = matched.raw(path, "lock").map(decode);
        matched.lock = lock.map(|text| text.and_then(|text| LockName::new(&text).map_err(PathError::Name)));
        matched
    }

    fn raw<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        self.parts.iter().find(|(one, _)| *one == name).map(|(_, place)| &path[place.clone()])
    }
}

/// The part that the route calls so, if it has one.
///
/// # Errors
/// It cannot be decoded.
pub(super) fn part(extensions: &Extensions, uri: &Uri, name: &str) -> Option<Result<String, PathError>> {
    extensions.get::<Matched>()?.raw(uri.path(), name).map(decode)
}

/// The lock that the path names, if its route has a place for one.
///
/// # Errors
/// It cannot be decoded, or is not a valid lock name.
pub(super) fn lock(extensions: &Extensions) -> Option<&Result<LockName, PathError>> {
    extensions.get::<Matched>()?.lock.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_or_refused() {
        assert_eq!(decode("san%20ssh").unwrap(), "san ssh");
        assert_eq!(decode("gr%C3%B6%c3%9fe+").unwrap(), "größe+");
        assert_eq!(decode("%2541").unwrap(), "%41", "once");
        for bad in ["%", "a%2", "%zz", "%+1"] {
            assert_eq!(decode(bad), Err(PathError::Digits), "{bad}");
        }
        for bad in ["%ff", "%C3"] {
            assert_eq!(decode(bad), Err(PathError::Utf8), "{bad}");
        }
    }

    #[test]
    fn parts_by_their_place() {
        let path = "/v1/locks/a%2Db/tickets/7";
        let matched = Matched::new(path, [("lock", &path[10..15]), ("number", &path[24..25])].into_iter());
        assert_eq!([matched.raw(path, "lock"), matched.raw(path, "number")], [Some("a%2Db"), Some("7")]);
        assert_eq!(matched.raw(path, "id"), None);
        assert_eq!(matched.lock, Some(Ok(LockName::new("a-b").unwrap())));
    }
}
