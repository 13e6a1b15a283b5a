//! What a client says of itself in its request's `Authorization`.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a request says of its sender.
#[derive(PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// A key's secret, with the key's name if that was said.
    Secret { name: Option<String>, secret: String },
    /// Something that is neither Bearer (RFC 6750) nor Basic (RFC 7617).
    Unreadable,
}

/// Reads `Authorization: Bearer SECRET`, or Basic with the key's name as the user: so a URL is enough for clients that know
/// no more.
pub(super) fn read(headers: &HeaderMap) -> Credentials {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), rest) = (all.next(), all.next()) else { return Credentials::None };
    let text = if rest.is_none() { value.to_str().ok() } else { None };
    text.and_then(parse).unwrap_or(Credentials::Unreadable)
}

fn parse(text: &str) -> Option<Credentials> {
    let (scheme, value) = text.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Secret { name: None, secret: value.to_owned() });
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Credentials::Secret {
        name: Some(user.to_owned()).filter(|user| !user.is_empty()),
        secret: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[&str]) -> Credentials {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        read(&headers)
    }

    fn secret(name: Option<&str>, secret: &str) -> Credentials {
        Credentials::Secret { name: name.map(str::to_owned), secret: secret.to_owned() }
    }

    #[test]
    fn the_two_ways_to_say_it() {
        assert!(said(&[]) == Credentials::None);
        assert!(said(&["Bearer lsk_a"]) == secret(None, "lsk_a"));
        assert!(said(&["bearer  lsk_a "]) == secret(None, "lsk_a"));
        let basic = |text: &str| said(&[&format!("Basic {}", STANDARD.encode(text))]);
        assert!(basic("ci:lsk_a") == secret(Some("ci"), "lsk_a"));
        assert!(basic(":lsk_a") == secret(None, "lsk_a"));
        assert!(basic("ci:a:b") == secret(Some("ci"), "a:b"));
        assert!(basic("ci:") == secret(Some("ci"), ""));
    }

    #[test]
    fn what_nobody_can_read_is_not_nothing() {
        for bad in ["", "Bearer", "lsk_a", "Digest a", "Basic !!", "Basic YQ==", "Basic /w=="] {
            assert!(said(&[bad]) == Credentials::Unreadable, "{bad}");
        }
        assert!(said(&["Bearer a", "Bearer b"]) == Credentials::Unreadable);
    }
}
