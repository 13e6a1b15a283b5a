//! The socket on which clients arrive: bound here, or handed over by the service manager.

use super::accept::Accept;
use super::stream::{Peer, Stream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, lookup_host};

/// Clients that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The name of the address has no address.
    #[error(
        "SERVER={server}: cannot find its address: {why}; write an IP address, or a name that this host can resolve"
    )]
    Unresolved {
        /// What was to be resolved.
        server: String,
        /// What the resolver said.
        why: String,
    },
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: it is in use; stop the program that listens there (`ss -ltnp` shows it), \
         or choose another PORT"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not permit it.
    #[error(
        "cannot listen on {address}: not permitted; choose a PORT above 1023, or give the service \
         CAP_NET_BIND_SERVICE or a socket of the service manager"
    )]
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
    },
    /// No interface of this host has the address.
    #[error("cannot listen on {address}: this host does not have that address; set SERVER to one it has, or 0.0.0.0")]
    NoSuchAddress {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else that the system reports.
    #[error("cannot listen on {address}: {error}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// What was handed over cannot be used.
    #[error(
        "the service manager handed over (LISTEN_FDS) {what}; lockserver takes exactly one listening TCP socket: \
         write one ListenStream=ADDRESS:PORT in its socket unit, or disable that unit"
    )]
    Inherited {
        /// What there was instead.
        what: String,
    },
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// The socket handed over by the service manager if there is one, else one bound to `server` and `port`.
    ///
    /// # Errors
    /// See [`Self::inherited`] and [`Self::bind`].
    pub async fn open(server: &str, port: u16) -> Result<Self, ListenError> {
        match Self::inherited()? {
            Some(listener) => Ok(listener),
            None => Self::bind(server, port).await,
        }
    }

    /// The socket handed over by the service manager (sd_listen_fds(3): `LISTEN_FDS`, `LISTEN_PID`), if it says that
    /// there is one. To be called once: the variables are taken out of the environment.
    ///
    /// # Errors
    /// [`ListenError::Inherited`] when there are several, or it is no listening TCP socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn inherited() -> Result<Option<Self>, ListenError> {
        let mut handed_over = listenfd::ListenFd::from_env();
        let refuse = |what: String| Err(ListenError::Inherited { what });
        match handed_over.len() {
            0 => Ok(None),
            1 => match handed_over.take_tcp_listener(0) {
                Ok(Some(socket)) => Self::adopt(socket).map(Some),
                Ok(None) => refuse("nothing".to_owned()),
                Err(error) => refuse(format!("something else ({error})")),
            },
            several => refuse(format!("{several} sockets")),
        }
    }

    /// Makes a listener of a socket that somebody else made.
    fn adopt(socket: std::net::TcpListener) -> Result<Self, ListenError> {
        let refuse = |error: io::Error| ListenError::Inherited { what: format!("a socket that fails ({error})") };
        if !SockRef::from(&socket).is_listener().map_err(refuse)? {
            return Err(ListenError::Inherited { what: "a socket that does not listen".to_owned() });
        }
        socket.set_nonblocking(true).map_err(refuse)?;
        let address = socket.local_addr().map_err(refuse)?;
        let inner = TcpListener::from_std(socket).map_err(refuse)?;
        Ok(Self { inner, address })
    }

    /// Binds to an address, or to the first usable address of a name, IPv4 before IPv6. IPv6 addresses may stand in
    /// brackets; `::` takes IPv4 clients too; port 0 lets the system choose.
    ///
    /// # Errors
    /// What is wrong, with the address and what to do.
    pub async fn bind(server: &str, port: u16) -> Result<Self, ListenError> {
        let unresolved = |why: String| ListenError::Unresolved { server: server.to_owned(), why };
        let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
        let mut addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => lookup_host((bare, port)).await.map_err(|error| unresolved(error.to_string()))?.collect(),
        };
        // Clients of 0.36 know IPv4 only, and `localhost` often has both.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let mut first_error = None;
        for address in addresses {
            match listen(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    first_error.get_or_insert_with(|| explain(address, error));
                }
            }
        }
        Err(first_error.unwrap_or_else(|| unresolved("it has none".to_owned())))
    }

    /// Where it listens; tells the port that was chosen for port 0.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Accept for Listener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (stream, address) = self.inner.accept().await?;
        Ok((Stream::Tcp(stream), Peer::Tcp(address)))
    }
}

fn listen(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_cloexec(true)?;
    // A restart must not wait for old connections to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let inner = TcpListener::from_std(socket.into())?;
    let address = inner.local_addr()?;
    Ok(Listener { inner, address })
}

fn explain(address: SocketAddr, error: io::Error) -> ListenError {
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address },
        _ => ListenError::Other { address, error },
    }
}
