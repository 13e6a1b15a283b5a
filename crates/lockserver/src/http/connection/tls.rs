//! TLS between the socket and HTTP.
//!
//! HTTP/1 does not read while a request waits. TLS does, up to a bound, because the good-bye of a client (`close_notify`)
//! is a record among the others: it must be decrypted to be seen.

use super::io::Socket;
use super::link::Link;
use super::turns::Turns;
use crate::os;
use crate::tls::names;
use lock_core::limits::TLS_AHEAD_BYTES_MAX;
use rustls::ServerConfig;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read as _};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: a record of type handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// For clients that do not know.
const USE_HTTPS: &str = "this server speaks TLS; use https://\n";

/// Why there is no TLS on a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTls {
    /// It ended before.
    #[error("the client went before it said anything")]
    Gone,
    /// The client speaks something else; if it is HTTP it was told so.
    #[error("the client does not speak TLS")]
    NotTls,
    /// No agreement.
    #[error("{0}")]
    Handshake(#[from] io::Error),
}

/// An encrypted connection. Its clones are for one task.
#[derive(Clone)]
pub(super) struct Tls(Arc<Mutex<State>>);

struct State {
    stream: TlsStream<Socket>,
    /// Decrypted, and not taken by HTTP yet.
    ahead: VecDeque<u8>,
    /// The client will send nothing more.
    ended: bool,
    /// HTTP waits for bytes: it will see the end by itself.
    wanted: bool,
}

/// Shakes hands. The client's names are noted in its [`Connection`](super::Connection).
pub(super) async fn accept(link: &Arc<Link>, config: Arc<ServerConfig>, turns: &Arc<Turns>) -> Result<Tls, NoTls> {
    match link.client.stream.first_byte().await? {
        None => return Err(NoTls::Gone),
        Some(HANDSHAKE) => {}
        Some(other) => {
            // The methods of HTTP are capital letters.
            if other.is_ascii_uppercase() {
                let answer = format!(
                    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{USE_HTTPS}",
                    USE_HTTPS.len()
                );
                // A fresh socket takes so few bytes, or is gone.
                let _ = link.client.stream.try_write(answer.as_bytes());
            }
            return Err(NoTls::NotTls);
        }
    }
    let mut handshake = pin!(TlsAcceptor::from(config).accept(Socket(Arc::clone(link))));
    let while_it_is_there = poll_fn(|context| {
        // A client that is gone by its turn costs nothing more.
        if os::look(&*link.client.stream).is_ok_and(|look| look.failed) {
            return Poll::Ready(Err(NoTls::Gone));
        }
        handshake.as_mut().poll(context).map_err(NoTls::from)
    });
    let stream = turns.paced(link.client.peer().network(), while_it_is_there).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    link.client.secured(certificate.map_or_else(Vec::new, |certificate| names(certificate)));
    Ok(Tls(Arc::new(Mutex::new(State { stream, ahead: VecDeque::new(), ended: false, wanted: false }))))
}

impl Tls {
    /// Whether HTTP/2 was agreed on.
    pub(super) fn is_http2(&self) -> bool {
        self.lock().stream.get_ref().1.alpn_protocol() == Some(b"h2")
    }

    /// While HTTP does not read: takes what arrives, up to a bound, and says whether the client has said good-bye.
    pub(super) fn look_ahead(&self, context: &mut Context<'_>) -> bool {
        let mut state = self.lock();
        let mut bytes = [0; 4096];
        while !state.wanted && !state.ended && state.ahead.len() < TLS_AHEAD_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut bytes);
            match state.poll_read_more(context, &mut buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Pending => break,
                // HTTP meets the same error when it reads or writes.
                Poll::Ready(Err(_)) => state.ended = true,
            }
            state.ahead.extend(buffer.filled());
        }
        state.ended
    }

    /// Says good-bye as far as the socket takes it now.
    pub(super) fn say_goodbye(&self) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.lock().stream).poll_shutdown(&mut context);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads behind what is ahead.
    fn poll_read_more(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match ready!(Pin::new(&mut self.stream).poll_read(context, buffer)) {
            Ok(()) => self.ended |= buffer.filled().len() == before && buffer.remaining() > 0,
            // A FIN without a good-bye. HTTP knows by itself whether something is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Tls {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if !state.ahead.is_empty() {
            let read = state.ahead.read(buffer.initialize_unfilled())?;
            buffer.advance(read);
            return Poll::Ready(Ok(()));
        }
        if state.ended {
            return Poll::Ready(Ok(()));
        }
        let read = state.poll_read_more(context, buffer);
        state.wanted = read.is_pending();
        read
    }
}

impl AsyncWrite for Tls {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.lock().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.lock().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_shutdown(context)
    }
}
