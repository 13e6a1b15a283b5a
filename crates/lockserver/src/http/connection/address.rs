//! The address to listen on, and the errors of listening on it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::lookup_host;

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name of the address has no address.
    #[error(
        "SERVER={server}: cannot find its address: {why}; write an IP address, or a name that this host can resolve"
    )]
    Unresolved { server: String, why: String },
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: it is in use; stop the program that listens there (`ss -ltnp` shows it), \
         or choose another PORT"
    )]
    InUse { address: SocketAddr },
    /// The system does not permit it.
    #[error(
        "cannot listen on {address}: not permitted; choose a PORT above 1023, or give the service \
         CAP_NET_BIND_SERVICE or a socket of the service manager"
    )]
    NotPermitted { address: SocketAddr },
    /// No interface of this host has the address.
    #[error("cannot listen on {address}: this host does not have that address; set SERVER to one it has, or 0.0.0.0")]
    NoSuchAddress { address: SocketAddr },
    /// Anything else that the system reports.
    #[error("cannot listen on {address}: {error}")]
    Other { address: SocketAddr, error: io::Error },
    /// What was handed over cannot be used.
    #[error(
        "the service manager handed over (LISTEN_FDS) {what}; lockserver takes listening TCP sockets only: \
         write ListenStream=ADDRESS:PORT in its socket unit, or disable that unit"
    )]
    Inherited { what: String },
}

/// The addresses of SERVER, IPv4 before IPv6.
pub(super) async fn addresses(server: &str, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    let mut addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookup_host((bare, port)).await.map_err(|error| unresolved(server, &error.to_string()))?.collect(),
    };
    // Clients of 0.36 know IPv4 only, and `localhost` often has both.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

pub(super) fn unresolved(server: &str, why: &str) -> ListenError {
    ListenError::Unresolved { server: server.to_owned(), why: why.to_owned() }
}

/// Whether a socket that listens on `there` is one that was bound to `wanted`; port 0 is any port.
pub(super) fn fits(wanted: SocketAddr, there: SocketAddr) -> bool {
    wanted.ip() == there.ip() && (wanted.port() == there.port() || wanted.port() == 0)
}
