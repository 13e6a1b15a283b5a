//! The sockets on which clients arrive: bound here, or handed over by the service manager.

use super::address::{ListenError, addresses, fits, unresolved};
use super::handed::HandedOver;
use super::stream::{Accept, Peer, Stream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// Clients that may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// File descriptors as high as few connections get, for servers that may open many files or few. The kernel's table grows with them.
const ABOVE_CONNECTIONS: [RawFd; 2] = [15_000, 1000];
/// How long the service manager may take to let go of an address that is not ours any more, and how often that is tried.
const LET_GO_TIME: Duration = Duration::from_secs(5);
const LET_GO_LOOK: Duration = Duration::from_millis(20);

/// Where the listening sockets are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Bound here.
    Bound,
    /// Bound by an earlier process, and kept by the service manager.
    Kept,
    /// A socket unit's.
    Given,
}

/// Listening TCP sockets; at least one.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    address: SocketAddr,
    origin: Origin,
    /// Somebody else goes on listening on these sockets after us: who waits to be accepted is left to the next process.
    goes_on: bool,
}

impl Listener {
    /// The sockets of a socket unit if there are any; else the one that was kept (see [`HandedOver::drop_unfit`]); else one
    /// that is bound to `server` and `port`.
    ///
    /// # Errors
    /// See [`Self::bind`]; and when a socket that was handed over fails.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn open(server: &str, port: u16, handed: HandedOver) -> Result<Self, ListenError> {
        let HandedOver { given, kept, dropped } = handed;
        if !given.is_empty() {
            Self::adopt(given, Origin::Given)
        } else if !kept.is_empty() {
            Self::adopt(kept, Origin::Kept)
        } else if dropped {
            Self::bind_when_free(server, port).await
        } else {
            Self::bind(server, port).await
        }
    }

    /// Makes a listener of sockets that somebody else made.
    fn adopt(sockets: Vec<std::net::TcpListener>, origin: Origin) -> Result<Self, ListenError> {
        let refuse = |error: io::Error| ListenError::Inherited { what: format!("a socket that fails ({error})") };
        let mut adopted = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true).map_err(refuse)?;
            adopted.push(TcpListener::from_std(socket).map_err(refuse)?);
        }
        let address = adopted[0].local_addr().map_err(refuse)?;
        Ok(Self { sockets: adopted, address, origin, goes_on: true })
    }

    /// [`Self::bind`], after a socket of ours that the service manager is just closing.
    async fn bind_when_free(server: &str, port: u16) -> Result<Self, ListenError> {
        let end = Instant::now() + LET_GO_TIME;
        loop {
            match Self::bind(server, port).await {
                Err(ListenError::InUse { .. }) if Instant::now() < end => sleep(LET_GO_LOOK).await,
                other => return other,
            }
        }
    }

    /// Binds to an address, or to the first usable address of a name, IPv4 before IPv6. IPv6 addresses may stand in
    /// brackets; `::` takes IPv4 clients too; port 0 lets the system choose.
    ///
    /// # Errors
    /// What is wrong, with the address and what to do.
    pub async fn bind(server: &str, port: u16) -> Result<Self, ListenError> {
        let addresses = addresses(server, port).await?;
        let mut first_error = None;
        for address in addresses {
            match listen(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    first_error.get_or_insert_with(|| explain(address, error));
                }
            }
        }
        Err(first_error.unwrap_or_else(|| unresolved(server, "it has none")))
    }

    /// Where it listens; tells the port that was chosen for port 0. Of several sockets the first.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where all its sockets listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Where the sockets are from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The sockets, for the service manager to keep.
    #[must_use]
    pub fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd).collect()
    }

    /// The service manager has them: who waits to be accepted at the end is left to it.
    pub const fn is_kept(&mut self) {
        self.goes_on = true;
    }

    /// Whether SERVER and PORT are what it listens on.
    pub async fn is_at(&self, server: &str, port: u16) -> bool {
        let there = self.addresses();
        let wanted = addresses(server, port).await;
        wanted.is_ok_and(|wanted| wanted.iter().any(|one| there.iter().any(|there| fits(*one, *there))))
    }
}

impl Accept for Listener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let (stream, address) = poll_fn(|context| {
            for socket in &self.sockets {
                if let Poll::Ready(accepted) = socket.poll_accept(context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await?;
        Ok((Stream::Tcp(stream), Peer::Tcp(address)))
    }

    fn accept_waiting(&self) -> Option<(Stream, Peer)> {
        if self.goes_on {
            return None;
        }
        // Not by tokio, which knows only what it was told of so far.
        let (socket, address) = self.sockets.iter().find_map(|socket| SockRef::from(socket).accept().ok())?;
        socket.set_nonblocking(true).ok()?;
        let stream = TcpStream::from_std(socket.into()).ok()?;
        Some((Stream::Tcp(stream), Peer::Tcp(address.as_socket()?)))
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
    let socket = TcpListener::from_std(refused_first(socket).into())?;
    let address = socket.local_addr()?;
    Ok(Listener { sockets: vec![socket], address, origin: Origin::Bound, goes_on: false })
}

/// The same socket under a file descriptor above those of connections. When the process is killed, Linux closes the highest ones
/// first. A client that is cut off, and tries again at once, is then refused and finds another server. Accepted by a
/// socket that is about to be closed, it would be cut off twice, which kills a client of 0.36.
fn refused_first(socket: Socket) -> Socket {
    let high = ABOVE_CONNECTIONS.iter().find_map(|least| rustix::io::fcntl_dupfd_cloexec(&socket, *least).ok());
    high.map_or(socket, Socket::from)
}

fn explain(address: SocketAddr, error: io::Error) -> ListenError {
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress { address },
        _ => ListenError::Other { address, error },
    }
}
