//! The connection's socket as HTTP reads and writes it, telling the connection's state what passes.

use super::client::Connection;
use super::stream::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The socket of a [`Connection`], which is shared so that others may look at it. Only one task may read and write.
pub(super) struct Socket(pub(super) Arc<Connection>);

impl Socket {
    /// Writes with `write` as soon as the socket takes bytes, and notes progress or its absence.
    fn poll_writing(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let connection = &self.0;
        loop {
            let Poll::Ready(ready) = connection.stream.poll_write_ready(context) else {
                connection.flow(|flow| flow.blocked(Instant::now()));
                return Poll::Pending;
            };
            ready?;
            match write(&connection.stream) {
                Ok(bytes) => {
                    connection.flow(|flow| flow.wrote(bytes));
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
        let connection = &self.0;
        loop {
            ready!(connection.stream.poll_read_ready(context))?;
            let before = buffer.filled().len();
            match connection.stream.try_read_buf(buffer) {
                Ok(_) => {
                    // What came brought acknowledgements along: who waits for one hears of it before the next request.
                    if !connection.flow(|flow| flow.is_settled()) {
                        connection.settle();
                    }
                    connection.flow(|flow| flow.read(&buffer.filled()[before..], Instant::now()));
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

    /// HTTP calls this when it has nothing left to write: whatever answer had ended before is in the kernel's hands now.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.flow(|flow| flow.flushed(Instant::now())) {
            self.0.settle();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end_writing();
        Poll::Ready(Ok(()))
    }
}
