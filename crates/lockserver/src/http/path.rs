//! The parts of a path that its route leaves open, decoded once and in one place: the gate and the handler must not
//! understand the same path differently.

use axum::extract::MatchedPath;
use axum::http::request::Parts;
use lock_core::{LockName, NameError};

/// Why a part of a path or query cannot be decoded (RFC 3986, section 2.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathError {
    /// Not two digits.
    #[error("has a % without two hexadecimal digits; write %25 for a %")]
    Digits,
    /// Bytes that are no text.
    #[error("is no UTF-8 once its %XX are decoded")]
    Utf8,
    /// Not the name of a lock.
    #[error("names no lock: {0}")]
    Name(NameError),
}

/// `%XX` undone. What is no such escape, or no UTF-8 then, is refused rather than guessed at.
///
/// # Errors
/// What is wrong with it, to be put behind the name of its place.
pub(super) fn decode(raw: &str) -> Result<String, PathError> {
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

/// The part that the route calls so, if it has one.
///
/// # Errors
/// It cannot be decoded.
pub(super) fn part(parts: &Parts, name: &str) -> Option<Result<String, PathError>> {
    let route = parts.extensions.get::<MatchedPath>()?;
    find(route.as_str(), parts.uri.path(), name).map(decode)
}

/// The lock that the path names, if its route has a place for one.
///
/// # Errors
/// It cannot be decoded, or is no name of a lock.
pub(super) fn lock(parts: &Parts) -> Option<Result<LockName, PathError>> {
    Some(part(parts, "lock")?.and_then(|text| LockName::new(&text).map_err(PathError::Name)))
}

/// The segment of the path at the place of `{name}` in the route. None of our routes has a part of several segments.
fn find<'p>(route: &str, path: &'p str, name: &str) -> Option<&'p str> {
    let is_it = |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(name);
    route.split('/').zip(path.split('/')).find_map(|(pattern, segment)| is_it(pattern).then_some(segment))
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
        let route = "/v1/locks/{lock}/tickets/{number}";
        assert_eq!(find(route, "/v1/locks/a%2Fb/tickets/7", "lock"), Some("a%2Fb"));
        assert_eq!(find(route, "/v1/locks/a%2Fb/tickets/7", "number"), Some("7"));
        assert_eq!(find(route, "/v1/locks/a/tickets/7", "id"), None);
        assert_eq!(find("/v1/locks", "/v1/locks", "lock"), None);
    }
}
