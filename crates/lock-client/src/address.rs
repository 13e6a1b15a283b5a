//! Addresses of servers: `https://HOST:PORT`, `http://HOST:PORT` or the path of a Unix socket.

use crate::Error;
use std::path::PathBuf;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Base of every URL, `http` or `https`, without a slash at the end.
    Http(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `https://HOST:PORT`, `http://HOST:PORT`, `HOST:PORT` (which is `http`), `unix:/PATH` or `/PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address { address: without_secret(text), why: why.to_owned() };
        let text = text.trim();
        let unix = text.get(..5).filter(|begin| begin.eq_ignore_ascii_case("unix:")).map(|_| &text[5..]);
        if let Some(path) = unix.or_else(|| text.starts_with('/').then_some(text)) {
            let path = path.strip_prefix("//").map_or(path, |rest| rest);
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(wrong("the path is not absolute"))
            };
        }
        // Schemes are the same in capital letters (RFC 3986, 3.1).
        let after = |scheme: &str| match (text.get(..scheme.len()), text.get(scheme.len()..)) {
            (Some(begin), Some(rest)) if begin.eq_ignore_ascii_case(scheme) => Some(rest),
            _ => None,
        };
        let (scheme, rest) = match after("https://") {
            Some(rest) => ("https", rest),
            None => ("http", after("http://").unwrap_or(text)),
        };
        if rest.contains("://") {
            return Err(wrong("only https, http and unix are known"));
        }
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(wrong("there is no host in it"));
        }
        let url = format!("{scheme}://{rest}");
        match reqwest::Url::parse(&url) {
            Ok(parsed) if parsed.query().is_some() || parsed.fragment().is_some() => Err(wrong("it ends in a query")),
            // An address is shown to everybody: in messages, and to what `lockctl run` runs.
            Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => Err(wrong(
                "the secret of a key may not be in it; put it into LOCK_KEY, or into a file that LOCK_KEY_FILE names",
            )),
            Ok(_) => Ok(Self::Http(url)),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }

    /// Whether it is spoken to in TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Http(url) if url.starts_with("https://"))
    }

    /// What every path is put behind.
    pub(crate) fn base(&self) -> &str {
        match self {
            Self::Http(url) => url,
            Self::Unix(_) => "http://localhost",
        }
    }
}

/// An address without user and password, for messages.
fn without_secret(text: &str) -> String {
    let begin = text.find("://").map_or(0, |at| at + 3);
    match text.rfind('@') {
        Some(at) if at >= begin => format!("{}...{}", &text[..begin], &text[at..]),
        _ => text.to_owned(),
    }
}

/// One segment of a path, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let http = |url: &str| Some(Address::Http(url.to_owned()));
        let cases = [
            ("http://127.0.0.1:9090", http("http://127.0.0.1:9090")),
            ("http://127.0.0.1:9090/", http("http://127.0.0.1:9090")),
            ("locks.example.org:9090", http("http://locks.example.org:9090")),
            ("[::1]:9090", http("http://[::1]:9090")),
            ("HTTP://127.0.0.1:9090", http("http://127.0.0.1:9090")),
            ("HttpS://LOCKS", http("https://LOCKS")),
            ("UNIX:/run/admin.sock", Some(Address::Unix("/run/admin.sock".into()))),
            ("FTP://locks", None),
            ("unix:/run/lockserver/admin.sock", Some(Address::Unix("/run/lockserver/admin.sock".into()))),
            ("unix:///run/admin.sock", Some(Address::Unix("/run/admin.sock".into()))),
            ("/run/admin.sock", Some(Address::Unix("/run/admin.sock".into()))),
            ("unix:admin.sock", None),
            ("https://locks", http("https://locks")),
            ("https://locks.example.org:9090/", http("https://locks.example.org:9090")),
            ("https://", None),
            ("https://http://locks", None),
            ("ftp://locks", None),
            ("http://", None),
            ("", None),
            ("http://locks:port", None),
            ("http://locks/?a=b", None),
            ("http://ci:lsk_hidden@locks:9090", None),
            ("lsk_hidden@locks:9090", None),
            ("http://ci:lsk_hidden/with@slash@locks:9090", None),
            ("ftp://ci:lsk_hidden@locks", None),
        ];
        for (text, expected) in cases {
            let address = Address::parse(text);
            assert!(!format!("{address:?}").contains("hidden"), "{address:?}");
            assert_eq!(address.ok(), expected, "{text}");
            let tls = expected.is_some_and(|address| address.is_tls());
            assert_eq!(tls, text.to_lowercase().starts_with("https://locks"), "{text}");
        }
    }

    #[test]
    fn names_of_locks_in_paths() {
        for (name, path) in
            [("san-ssh", "san-ssh"), ("a b", "a%20b"), ("50%", "50%25"), ("ü", "%C3%BC"), ("a;b#", "a%3Bb%23")]
        {
            assert_eq!(segment(name), path);
        }
    }
}
