//! The connection's socket as HTTP reads and writes it, telling the connection's state what passes: below TLS, where the
//! kernel's bytes are counted ([`Socket`]), and above it, where the bytes are HTTP's ([`Watched`], [`WatchedFrames`]).

use super::frames::{Frames, Passed};
use super::link::Link;
use super::pace::Pace;
use super::stream::Stream;
use axum::body::Bytes;
use lock_core::limits::STREAMS_TURN_BYTES;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The socket of a [`Link`], which is shared so that others may look at it. Only one task may read and write.
pub(super) struct Socket(pub(super) Arc<Link>);

impl Socket {
    /// Writes with `write` as soon as the socket takes bytes, and notes progress or its absence.
    fn poll_writing(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let link = &self.0;
        let stream = &link.client.stream;
        loop {
            let Poll::Ready(ready) = stream.poll_write_ready(context) else {
                link.flow(|flow| flow.blocked(Instant::now()));
                return Poll::Pending;
            };
            ready?;
            match write(stream) {
                Ok(bytes) => {
                    link.quietly(|flow| flow.wrote(bytes));
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let link = &self.0;
        let stream = &link.client.stream;
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read_buf(buffer) {
                Ok(_) => {
                    // What came brought acknowledgements along: who waits for one hears of it before the next request.
                    if !link.quietly(|flow| flow.is_settled()) {
                        link.poll_acks();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_writing(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end_writing();
        Poll::Ready(Ok(()))
    }
}

/// Everything that was written to it is in the kernel's hands: so is whatever answer had ended before.
fn flushed(link: &Arc<Link>) {
    if link.quietly(|flow| flow.flushed(Instant::now())) {
        link.poll_acks();
    }
}

/// What HTTP/1 reads and writes, encrypted below or not.
pub(super) struct Watched<T> {
    pub(super) io: T,
    pub(super) link: Arc<Link>,
    /// Was read before, and comes first.
    pub(super) ahead: Bytes,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        } else {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
        }
        // Mostly a whole request, which is told of in a moment.
        self.link.quietly(|flow| flow.read(&buffer.filled()[before..], Instant::now()));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// HTTP calls this when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        flushed(&self.link);
        if self.link.quietly(|flow| flow.requests()) == 0 {
            self.link.paid();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// What HTTP/2 reads and writes.
pub(super) struct WatchedFrames<T> {
    io: T,
    link: Arc<Link>,
    pace: Pace,
    read: Frames,
    written: Frames,
}

impl<T> WatchedFrames<T> {
    pub(super) const fn new(io: T, link: Arc<Link>) -> Self {
        Self { io, link, pace: Pace::new(STREAMS_TURN_BYTES), read: Frames::of_client(), written: Frames::of_server() }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedFrames<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        ready!(this.pace.poll_read(Pin::new(&mut this.io), context, buffer))?;
        let bytes = &buffer.filled()[before..];
        this.link.flow(|flow| {
            let whole = this.read.pass(bytes, |_, _| ());
            flow.frames_read(bytes.len(), this.read.is_within() && !bytes.is_empty(), whole, Instant::now());
        });
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedFrames<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        // Before they go: TLS may give them to the kernel at once.
        let before = this.link.quietly(|flow| flow.written());
        let taken = ready!(Pin::new(&mut this.io).poll_write(context, bytes))?;
        this.link.flow(|flow| {
            this.written.pass(&bytes[..taken], |frame, passed| match passed {
                Passed::Begun => flow.frame_begun(frame, before),
                Passed::Whole => flow.frame_written(frame),
            });
        });
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        flushed(&self.link);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
