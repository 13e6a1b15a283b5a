//! A client that sends without end keeps no thread: after each turn its connection is told that nothing more has come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// How much of a connection is read before its task leaves its thread to others.
pub(super) struct Pace {
    /// Bytes a turn; the last read may go beyond.
    turn: usize,
    read: usize,
}

impl Pace {
    pub(super) const fn new(turn: usize) -> Self {
        Self { turn, read: 0 }
    }

    /// Reads from `io`. After each turn nothing comes, and the task is woken at once, behind those that are ready already.
    pub(super) fn poll_read(
        &mut self,
        io: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read >= self.turn {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = io.poll_read(context, buffer);
        if result.is_pending() {
            self.read = 0;
        }
        self.read += buffer.filled().len() - before;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sender_without_end_is_read_a_turn_at_a_time() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut endless = tokio::io::repeat(b'x');
        let mut pace = Pace::new(1000);
        for turn in 1..=3 {
            let mut bytes = 0;
            loop {
                let mut buffer = [0; 300];
                let mut buffer = ReadBuf::new(&mut buffer);
                match pace.poll_read(Pin::new(&mut endless), &mut context, &mut buffer) {
                    Poll::Ready(read) => read.expect("it reads"),
                    Poll::Pending => break,
                }
                bytes += buffer.filled().len();
            }
            assert_eq!(bytes, 1200);
            assert_eq!(woken.0.load(Ordering::Relaxed), turn, "it goes on by itself");
        }
    }

    #[test]
    fn reads_that_end_within_a_turn_are_never_held_up() {
        let (mut here, mut there) = tokio::io::duplex(1000);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut pace = Pace::new(1000);
        for _ in 0..10 {
            assert!(tokio::io::AsyncWrite::poll_write(Pin::new(&mut there), &mut context, &[1; 600]).is_ready());
            let before = woken.0.load(Ordering::Relaxed);
            let mut buffer = [0; 600];
            let mut buffer = ReadBuf::new(&mut buffer);
            assert!(pace.poll_read(Pin::new(&mut here), &mut context, &mut buffer).is_ready());
            assert_eq!(buffer.filled().len(), 600);
            buffer.clear();
            assert!(
                pace.poll_read(Pin::new(&mut here), &mut context, &mut buffer).is_pending(),
                "nothing more is there"
            );
            assert_eq!(woken.0.load(Ordering::Relaxed), before);
        }
    }
}
