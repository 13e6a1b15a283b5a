//! Which proxy leads to a server, by the variables of the environment that curl(1) reads. Proxies learn every request and the
//! secret in it, so this is decided here and not by a library: docs/lockctl.md has the rules, and the Python client the same.

use crate::Error;
use reqwest::{Proxy, Url};
use std::env;
use std::net::IpAddr;

/// The proxy for this server, if there is one, and how messages name it: with its variable, and without user and password.
///
/// # Errors
/// [`Error::Proxy`] with the variable that is wrong.
pub(crate) fn of_environment(server: &str) -> Result<Option<(Proxy, String)>, Error> {
    let Ok(url) = Url::parse(server) else { return Ok(None) };
    let variable = |name: &str| env::var(name).ok();
    let Some((name, proxy)) = choose(&url, &variable) else { return Ok(None) };
    let wrong = |why: String| Error::Proxy { variable: name.clone(), why };
    let proxy = address(&proxy).map_err(|why| wrong(why.to_owned()))?;
    let through = format!("through the proxy {} (variable {name})", proxy.origin().ascii_serialization());
    match Proxy::all(proxy) {
        Ok(proxy) => Ok(Some((proxy, through))),
        Err(error) => Err(wrong(error.without_url().to_string())),
    }
}

/// The variable that counts for this server, and its value. A variable that is empty is not there.
fn choose(server: &Url, variable: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let set = |name: &str| {
        let value = variable(name)?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| (name.to_owned(), trimmed.to_owned()))
    };
    let both = |name: &str| set(name).or_else(|| set(&name.to_uppercase()));
    let host = Host::of(server)?;
    let except = both("no_proxy").map(|(_, value)| value).unwrap_or_default();
    if host.is_this_machine() || passes_by(&except, &host, server.port_or_known_default().unwrap_or(0)) {
        return None;
    }
    let own = if server.scheme() == "https" {
        both("https_proxy")
    } else if set("REQUEST_METHOD").is_some() {
        // In a CGI program HTTP_PROXY is what the client's header `Proxy` says.
        set("http_proxy")
    } else {
        both("http_proxy")
    };
    own.or_else(|| both("all_proxy"))
}

/// The address of a proxy; `http` if it names no scheme.
fn address(text: &str) -> Result<Url, &'static str> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| "it is not an address such as http://proxy.example.com:3128")?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        "http" | "https" => Err("there is no host in it"),
        _ => Err("only proxies of http and https are known"),
    }
}

/// What hosts files call the addresses of loopback.
const THIS_MACHINE: [&str; 4] = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];

/// A host as an address or a name.
#[derive(Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Host {
    fn of(url: &Url) -> Option<Self> {
        url.host_str().map(Self::read)
    }

    fn read(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(bare.trim_end_matches('.').to_lowercase()),
        }
    }

    /// What is sent to it never leaves this machine.
    fn is_this_machine(&self) -> bool {
        match self {
            // Connected to, an address that stands for none is loopback.
            Self::Address(address) => address.is_loopback() || address.is_unspecified(),
            Self::Name(name) => THIS_MACHINE.contains(&name.as_str()) || name.ends_with(".localhost"),
        }
    }
}

/// Whether `NO_PROXY` has this host: `*` has all; names have what is below them too, with or without a dot before; an address may
/// be one of a network (`10.0.0.0/8`); with a port an entry is for that port only.
fn passes_by(except: &str, host: &Host, port: u16) -> bool {
    except.split([',', ' ', '\t']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let (entry, its_port) = without_port(entry);
        if its_port.is_some_and(|its_port| its_port != port) {
            return false;
        }
        match host {
            Host::Address(address) => has_address(entry, *address),
            Host::Name(name) => {
                let entry = entry.trim_start_matches('.').trim_end_matches('.').to_lowercase();
                !entry.is_empty()
                    && name.strip_suffix(&entry).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    })
}

/// An entry and its port. The colons of a bare IPv6 address are none of a port.
fn without_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((before, port)) if !before.contains(':') || before.ends_with(']') => match port.parse() {
            Ok(port) => (before, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn has_address(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, bits.trim_end_matches(']').parse::<u32>().ok()),
        None => (entry, Some(u32::MAX)),
    };
    let (Host::Address(network), Some(bits)) = (Host::read(network.trim_matches(['[', ']'])), bits) else {
        return false;
    };
    let same = |one: u128, other: u128, width: u32| {
        let bits = bits.min(width);
        bits == 0 || (one ^ other) >> (width - bits) == 0
    };
    match (network, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize)]
    struct Case {
        environment: BTreeMap<String, String>,
        server: String,
        proxy: Option<String>,
        wrong: Option<String>,
    }

    /// The Python client reads the same cases.
    #[test]
    fn the_environment_decides_who_gets_request_and_secret() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/fixtures/proxies.json")).unwrap();
        assert!(cases.len() > 30);
        for case in cases {
            let server = Url::parse(&case.server).unwrap();
            let chosen = choose(&server, &|name| case.environment.get(name).cloned());
            let found = chosen.map(|(name, value)| address(&value).map_err(|_| name));
            let shown = format!("{:?} {}", case.environment, case.server);
            match found {
                None => assert!(case.proxy.is_none() && case.wrong.is_none(), "{shown}"),
                Some(Ok(url)) => assert_eq!(Some(url.as_str().trim_end_matches('/')), case.proxy.as_deref(), "{shown}"),
                Some(Err(name)) => assert_eq!(Some(name), case.wrong, "{shown}"),
            }
        }
    }
}
