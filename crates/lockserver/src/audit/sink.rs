//! Where the audit log is written: a file, or standard error.

use crate::lines::write_line;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To standard error, which the service manager's journal keeps.
    Journal,
    File(PathBuf),
}

/// The place cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the audit log {} cannot be opened: {error}; check that its directory exists and that the server may write to it, \
     or change AUDIT_LOG. The server does not run without an audit log that is configured",
    .path.display()
)]
pub struct OpenError {
    path: PathBuf,
    error: io::Error,
}

/// A place that is open, for [`Audit::switch`](super::Audit::switch).
#[derive(Debug)]
pub struct Opened {
    pub(super) sink: Sink,
}

impl Opened {
    /// Opens the place; a file is made with mode 0640, and written at its end, wherever that is.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub fn open(place: &Place) -> Result<Self, OpenError> {
        let output: Box<dyn Write + Send> = match place {
            Place::Journal => Box::new(io::stderr()),
            Place::File(path) => {
                // A pipe that nobody reads must not keep the server from starting.
                let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
                let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path);
                Box::new(file.map_err(|error| OpenError { path: path.clone(), error })?)
            }
        };
        Ok(Self::with(place.clone(), output))
    }

    /// Whether [`Opened::open`] would work here and now, without making or changing anything.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub fn try_open(place: &Place) -> Result<(), OpenError> {
        let Place::File(path) = place else { return Ok(()) };
        crate::os::may_append(path).map_err(|error| OpenError { path: path.clone(), error })
    }

    /// This place, written like that.
    pub(super) fn with(place: Place, output: Box<dyn Write + Send>) -> Self {
        Self { sink: Sink { place, output, torn: false } }
    }
}

/// The open place.
pub(super) struct Sink {
    place: Place,
    output: Box<dyn Write + Send>,
    /// A part of a line was written: the next one must not continue it.
    torn: bool,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("place", &self.place).finish_non_exhaustive()
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Journal => f.write_str("standard error"),
            Place::File(path) => path.display().fmt(f),
        }
    }
}

impl Sink {
    /// Writes a line with its end.
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        write_line(&mut *self.output, &mut self.torn, line.to_owned())
    }
}
