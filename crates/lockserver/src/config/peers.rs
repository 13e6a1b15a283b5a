//! The settings of `[general]` about who speaks to the server from where: TRUSTED_PROXIES, ALLOWED_HOSTS, ALLOWED_ORIGINS.

use super::value::{list, quote, server};
use ipnet::IpNet;
use std::net::IpAddr;

/// Addresses, and networks as `10.0.0.0/8`.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let read = |one: &str| {
        let address = one.parse::<IpAddr>().map(IpNet::from);
        address
            .or_else(|_| one.parse())
            .map_err(|_| format!("{} is no address and no network; write 192.0.2.1 or 192.0.2.0/24", quote(one)))
    };
    list(text)?.into_iter().map(read).collect()
}

/// Names that clients may call this server by: lower case, without ports.
pub(super) fn hosts(text: &str) -> Result<Vec<String>, String> {
    list(text)?.into_iter().map(|one| server(one).map(|host| host.to_lowercase())).collect()
}

/// Origins of pages (RFC 6454): `https://host`, with a port if it is not the usual one.
pub(super) fn origins(text: &str) -> Result<Vec<String>, String> {
    let read = |one: &str| {
        let lower = one.to_lowercase();
        let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        match rest {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*']) => Ok(lower.clone()),
            _ => Err(format!("{} is no origin; write https://host or https://host:port, without a path", quote(one))),
        }
    };
    list(text)?.into_iter().map(read).collect()
}
