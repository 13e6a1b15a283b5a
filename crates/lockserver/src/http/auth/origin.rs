//! Keeps pages of other sites from acting through somebody's browser.
//!
//! A browser says whose page made it send a request: in `Origin` (RFC 6454), and in `Sec-Fetch-Site` (W3C Fetch Metadata).
//! No other client sends these. `Host` is checked where only this machine can reach the server: a page elsewhere could
//! have its own name resolve to 127.0.0.1 (DNS rebinding), but not the names that are let in here.

use super::AuthSettings;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use std::borrow::Cow;
use std::net::IpAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request is refused for where it comes from: what to tell.
pub(super) type Foreign = String;

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the request calls the server: of HTTP/2 and absolute requests their authority, else `Host`. What nobody can read is
/// a name too, and none of this server's.
fn authority<'r>(uri: &'r Uri, host: Option<&'r HeaderValue>) -> Option<Cow<'r, str>> {
    let host = || host.map(|value| String::from_utf8_lossy(value.as_bytes()));
    uri.authority().map(|authority| Cow::Borrowed(authority.as_str())).or_else(host)
}

/// As browsers write a host in `Origin`: lower case, without the usual port of the scheme. Proxies often add that to `Host`.
fn as_in_origin(host: &str, scheme: &str) -> String {
    let host = host.to_lowercase();
    let usual = if scheme == "https" { ":443" } else { ":80" };
    host.strip_suffix(usual).map(str::to_owned).unwrap_or(host)
}

/// Without port and brackets.
fn host_of(authority: &str) -> &str {
    // What stands before an @ is no part of the name, and may be a secret.
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.trim_end_matches('.')
}

/// Whether clients may call the server by this name.
///
/// # Errors
/// What to tell.
pub(super) fn check_host(settings: &AuthSettings, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("the header Host is sent twice".to_owned());
    }
    if settings.allowed_hosts.is_empty() && !settings.loopback {
        return Ok(());
    }
    // Clients that speak HTTP/1.0 say nothing.
    let Some(authority) = authority(uri, host) else { return Ok(()) };
    let host = host_of(&authority);
    // What most clients say; an address reads the same in capitals.
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let host = host.to_lowercase();
    let known = host == "localhost"
        || host.ends_with(".localhost")
        || settings.allowed_hosts.contains(&host)
        || settings.own_names.contains(&host);
    if known {
        return Ok(());
    }
    Err(format!(
        "this server does not go by the name {host:?}; add it to ALLOWED_HOSTS in the configuration, or use its address"
    ))
}

/// What the origin of a request is to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// No page sent it, or a page of this server.
    Own,
    /// A page that the configuration lets in.
    Allowed,
}

/// The origin of the page that sent the request, if the configuration lets it in.
pub(super) fn allowed(settings: &AuthSettings, headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::ORIGIN)?;
    settings.allowed_origins.contains(&value.to_str().ok()?.to_lowercase()).then(|| value.clone())
}

/// Whose page sent the request, if one did. `opens_page`: the route shows a page, to which others may link.
///
/// # Errors
/// What to tell: the page is somebody else's.
pub(super) fn check_origin(
    settings: &AuthSettings,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    opens_page: bool,
) -> Result<Origin, Foreign> {
    if let Some(value) = headers.get(header::ORIGIN) {
        let origin = value.to_str().unwrap_or("").to_lowercase();
        if settings.allowed_origins.contains(&origin) {
            return Ok(Origin::Allowed);
        }
        let own = authority(uri, headers.get(header::HOST));
        let is_own = origin
            .split_once("://")
            .zip(own)
            .is_some_and(|((scheme, host), own)| as_in_origin(host, scheme) == as_in_origin(&own, scheme));
        if !is_own {
            return Err(
                "a page of another site may not use this server; ALLOWED_ORIGINS in the configuration lets one in"
                    .into(),
            );
        }
        return Ok(Origin::Own);
    }
    let follows_link = opens_page && *method == Method::GET && text(headers, FETCH_MODE) == Some("navigate");
    if text(headers, FETCH_SITE) == Some("cross-site") && !follows_link {
        return Err("a page of another site may not use this server".into());
    }
    Ok(Origin::Own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn names_of_the_server() {
        let mut settings = AuthSettings::default();
        let check = |settings: &AuthSettings, host: &str| {
            check_host(settings, &Uri::from_static("/"), &headers(&[("host", host)])).is_ok()
        };
        for good in
            ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3", "a.localhost", "localhost."]
        {
            assert!(check(&settings, good), "{good}");
        }
        for bad in [
            "locälhost",
            "localhost\u{e9}",
            "evil.example.org",
            "evil.example.org:9090",
            "localhost.evil.org",
            "",
            "127.0.0.1.evil.org",
        ] {
            assert!(!check(&settings, bad), "{bad}");
        }
        assert!(check_host(&settings, &Uri::from_static("/"), &HeaderMap::new()).is_ok());
        let evil = Uri::from_static("http://evil.example.org/");
        assert!(check_host(&settings, &evil, &headers(&[("host", "localhost")])).is_err(), "the authority counts");
        let check_bytes = |host: &[u8]| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_bytes(host).unwrap())]);
            check_host(&settings, &Uri::from_static("/"), &headers).is_ok()
        };
        assert!(!check_bytes(b"localhost\xff") && !check_bytes(b"evil.example.org\xff"), "unreadable is not absent");
        settings.own_names = vec!["ip6-localhost".into()];
        assert!(check(&settings, "IP6-localhost:9090") && !check(&settings, "localhost.localdomain"));
        settings.allowed_hosts = vec!["locks.example.org".into()];
        assert!(check(&settings, "Locks.example.org:9090") && !check(&settings, "x.example.org"));
        settings.loopback = false;
        assert!(!check(&settings, "x.example.org"));
        settings.allowed_hosts.clear();
        assert!(check(&settings, "x.example.org"));
    }

    #[test]
    fn pages_of_others() {
        let settings =
            AuthSettings { allowed_origins: vec!["https://ok.example.org".into()], ..AuthSettings::default() };
        let check = |lines: &[(&str, &str)], opens_page| {
            let mut all = vec![("host", "locks:9090")];
            all.extend(lines);
            check_origin(&settings, &Method::GET, &Uri::from_static("/"), &headers(&all), opens_page)
        };
        assert_eq!(check(&[], false), Ok(Origin::Own));
        assert_eq!(check(&[("origin", "http://locks:9090")], false), Ok(Origin::Own));
        assert_eq!(
            check(&[("origin", "https://LOCKS:9090")], false),
            Ok(Origin::Own),
            "behind a proxy that speaks TLS"
        );
        for (host, origin, own) in [
            ("locks.example.org:443", "https://locks.example.org", true),
            ("locks.example.org", "https://locks.example.org:443", true),
            ("locks.example.org:80", "http://locks.example.org", true),
            ("locks.example.org:80", "https://locks.example.org", false),
            ("locks.example.org:8443", "https://locks.example.org", false),
        ] {
            let lines = headers(&[("host", host), ("origin", origin)]);
            let checked = check_origin(&settings, &Method::GET, &Uri::from_static("/"), &lines, false);
            assert_eq!(checked.is_ok(), own, "{host} {origin}: the usual port may be written or not");
        }
        assert_eq!(check(&[("origin", "https://ok.example.org")], false), Ok(Origin::Allowed));
        for foreign in ["http://evil.org", "http://locks", "null", "", "http://locks:9091", "locks:9090"] {
            assert!(check(&[("origin", foreign)], true).is_err(), "{foreign}");
        }
        assert_eq!(check(&[("sec-fetch-site", "same-origin")], false), Ok(Origin::Own));
        assert_eq!(check(&[("sec-fetch-site", "none")], false), Ok(Origin::Own));
        assert!(check(&[("sec-fetch-site", "cross-site")], false).is_err());
        assert!(check(&[("sec-fetch-site", "cross-site")], true).is_err());
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(check(&link, true), Ok(Origin::Own), "a link to the page");
        assert!(check(&link, false).is_err());
    }
}
