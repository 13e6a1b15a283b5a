//! A client's socket of either kind, TCP or Unix, as one.

use super::crowd::Network;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

/// The peer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A client from the network; an IPv4 client of an IPv6 socket has its IPv4 address.
    Tcp(SocketAddr),
    /// A process of this machine that the administrators' socket let in.
    Local {
        /// The user it ran as when it connected (unix(7), `SO_PEERCRED`).
        uid: u32,
    },
}

impl Peer {
    /// The client's address without its port, or `uid:N`: what tickets show as `from`, and what limits count by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Local { uid } => format!("uid:{uid}"),
        }
    }
}

impl Peer {
    /// The network that counts as one client.
    pub(super) fn network(&self) -> Network {
        match self {
            Self::Tcp(address) => Some(lock_core::network(address.ip())),
            Self::Local { .. } => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Local { uid } => write!(f, "uid:{uid}"),
        }
    }
}

/// A connected socket.
pub enum Stream {
    Tcp(TcpStream),
    Local(UnixStream),
}

/// The same call on either kind.
macro_rules! on_either {
    ($stream:expr, $one:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($one) => $call,
            Stream::Local($one) => $call,
        }
    };
}

impl Stream {
    pub(super) fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        on_either!(self, stream => stream.try_io(interest, f))
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        on_either!(self, stream => stream.ready(interest).await)
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        on_either!(self, stream => stream.readable().await)
    }

    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read_ready(context))
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_write_ready(context))
    }

    /// The first byte, left where it is; none at the end. The administrators' socket has no need of it.
    pub(super) async fn first_byte(&self) -> io::Result<Option<u8>> {
        match self {
            Self::Tcp(stream) => {
                let mut byte = [0];
                Ok((stream.peek(&mut byte).await? == 1).then_some(byte[0]))
            }
            Self::Local(_) => Ok(None),
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        on_either!(self, stream => stream.try_read(buffer))
    }

    pub(super) fn try_read_buf(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        on_either!(self, stream => stream.try_read_buf(buffer))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        on_either!(self, stream => stream.try_write(bytes))
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        on_either!(self, stream => stream.try_write_vectored(slices))
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        on_either!(self, stream => stream.as_fd())
    }
}

/// Where connections come from.
pub trait Accept: Send {
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Stream, Peer)>> + Send;

    /// At the end: a connection that the kernel has let in already, and that would be thrown out with the socket. None if
    /// somebody goes on listening on it, who will take it.
    fn accept_waiting(&self) -> Option<(Stream, Peer)> {
        None
    }
}
