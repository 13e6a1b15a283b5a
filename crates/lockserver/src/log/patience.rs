//! Standard error that waits for its reader only a little: a pipe that nobody reads, or a stopped terminal, stops no thread of
//! the server. It is shared with other programs, so it cannot be made non-blocking.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// How long a reader that has kept up so far is waited for.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// A pipe that can be written takes so many bytes at once (pipe(7), `PIPE_BUF`).
const WRITTEN_AT_ONCE: usize = 4096;

/// A writer that gives up on a reader that does not read.
pub(super) struct Patience<T> {
    to: T,
    /// The reader did not read; it is not waited for until it does.
    over: bool,
}

impl<T> Patience<T> {
    pub(super) const fn with(to: T) -> Self {
        Self { to, over: false }
    }
}

impl<T: AsFd + Write> Write for Patience<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let patience = if self.over { Timespec::default() } else { PATIENCE };
        let mut output = [PollFd::new(&self.to, PollFlags::OUT)];
        if poll(&mut output, Some(&patience))? == 0 {
            self.over = true;
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "standard error has no reader"));
        }
        self.over = false;
        self.to.write(&bytes[..bytes.len().min(WRITTEN_AT_ONCE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::thread;

    #[test]
    fn a_reader_that_reads_no_more_is_not_waited_for() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut writer = Patience::with(writer);
        let mut write = |bytes: &[u8]| writer.write(bytes);
        let mut written = 0;
        let full = loop {
            match write(&[b'x'; 5000]) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert_eq!(
            (full.kind(), full.to_string()),
            (io::ErrorKind::WouldBlock, "standard error has no reader".to_owned())
        );
        for _ in 0..1000 {
            assert!(write(b"line\n").is_err());
        }
        let reading = thread::spawn(move || {
            let mut all = vec![0; written];
            reader.read_exact(&mut all).expect("what was written");
            reader
        });
        let _reader = reading.join().expect("it was read");
        assert_eq!(write(b"line\n").expect("there is room again"), 5);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(Patience::with(writer).write(b"line\n").expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    }
}
