//! The settings of `[general]` about who speaks to the server from where: TRUSTED_PROXIES, ALLOWED_HOSTS, ALLOWED_ORIGINS.

use super::value::{list, quote, server};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses, and networks as `10.0.0.0/8`. IPv4 in IPv6 (`::ffff:10.0.0.1`) is IPv4, as the server sees its peers.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let read = |one: &str| {
        let address = one.parse::<IpAddr>().map(IpNet::from);
        address
            .or_else(|_| one.parse())
            .map_err(|_| format!("{} is neither an address nor a network; write 192.0.2.1 or 192.0.2.0/24", quote(one)))
    };
    each(text, |one| read(one).map(unmapped))
}

/// What each piece of a list means; of an empty text there is none.
fn each<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    if text.is_empty() { Ok(Vec::new()) } else { list(text)?.into_iter().map(read).collect() }
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    four.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// Names that clients may call this server by: lower case, without ports and the dot at their end, as they are compared.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    each(text, |one| {
        if one == "*" {
            return Err("'*' is not a name; leave the setting out for any name, or write each one".to_owned());
        }
        if let Some((host, port)) = one.rsplit_once(':')
            && !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && (!host.contains(':') || host.ends_with(']'))
        {
            return Err(format!("{} has a port; write {} alone: it holds for every port", quote(one), quote(host)));
        }
        if let Some((_, host)) = one.split_once("://") {
            let host = host.split(['/', '?', '#']).next().unwrap_or(host);
            return Err(format!("{} is a URL; write its host name alone: {}", quote(one), quote(host)));
        }
        server(one).map(|host| host.trim_end_matches('.').to_lowercase())
    })
}

/// Origins of pages (RFC 6454) as browsers send them: lower case, without the usual port of the scheme.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    each(text, origin)
}

fn origin(one: &str) -> Result<String, String> {
    if one == "*" {
        return Err("'*' would admit every page; write each allowed origin: https://host".to_owned());
    }
    let no_origin =
        || format!("{} is not an origin; write https://host or https://host:port, without a path", quote(one));
    let lower = one.to_lowercase();
    let (scheme, rest) = lower.split_once("://").ok_or_else(no_origin)?;
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(no_origin()),
    };
    if !lower.is_ascii() {
        return Err(format!("{} has letters outside ASCII; write the name as xn--...", quote(one)));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let port = port.map_or(Ok(usual), |port| match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => Err(no_origin()),
    })?;
    let six = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match six {
        Some(six) => six.parse::<Ipv6Addr>().map(|six| format!("[{six}]")).map_err(|_| no_origin())?,
        None => server(host).ok().filter(|host| !host.contains(':')).ok_or_else(no_origin)?,
    };
    Ok(if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") })
}
