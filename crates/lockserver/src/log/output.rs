//! Where lines go: a file, or standard error.

use super::Format;
use super::line::{Clock, Record};
use crate::lines::write_line;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The sink of the log, and what became of it.
pub(super) struct Output {
    standard_error: Box<dyn Write + Send>,
    clock: Clock,
    format: Format,
    /// As configured, even if it could not be opened.
    path: Option<PathBuf>,
    /// `None`: standard error.
    file: Option<File>,
    /// Lines that could not be written since the last one that could.
    lost: u64,
    /// Why the last one could not.
    failure: String,
    /// A part of a line was written: the next one must not continue it.
    torn: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("path", &self.path).field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Output {
    pub(super) fn new(standard_error: Box<dyn Write + Send>, clock: Clock, format: Format) -> Self {
        let failure = String::new();
        Self { standard_error, clock, format, path: None, file: None, lost: 0, failure, torn: false }
    }

    pub(super) fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Logs to this file from now on, or to standard error.
    pub(super) fn open(&mut self, path: Option<&Path>) {
        if path.is_some() && path == self.path.as_deref() {
            return self.reopen();
        }
        self.path = path.map(Path::to_owned);
        self.file = None;
        self.torn = false;
        self.reopen();
    }

    /// Opens the file again. If that fails, goes on with what is open, and says so.
    pub(super) fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open_file(path) {
            Ok(file) => {
                self.file = Some(file);
                self.torn = false;
            }
            Err(error) => {
                let instead = if self.file.is_some() { "the file that was open before" } else { "standard error" };
                self.warn(format!(
                    "the log file {} cannot be opened ({error}): logging to {instead}; check its directory and that the \
                     server may write to it, then reload",
                    path.display()
                ));
            }
        }
    }

    /// Writes a line, after a report of the lines that were lost before.
    pub(super) fn write(&mut self, record: &Record) {
        if self.lost > 0 {
            let report = format!("{} lines of the log were lost: {}", self.lost, self.failure);
            let report = Record::warning(self.clock.now(), report);
            if self.try_write(&report).is_err() {
                self.lost += 1;
                return;
            }
            self.lost = 0;
        }
        if let Err(error) = self.try_write(record) {
            self.lost += 1;
            self.failure = error.to_string();
        }
    }

    fn warn(&mut self, message: String) {
        let record = Record::warning(self.clock.now(), message);
        self.write(&record);
    }

    fn try_write(&mut self, record: &Record) -> io::Result<()> {
        let line = record.render(self.format);
        let sink: &mut dyn Write = match &mut self.file {
            Some(file) => file,
            None => &mut *self.standard_error,
        };
        write_line(sink, &mut self.torn, line)
    }
}

/// Always at the end of the file, wherever that is: logrotate's `copytruncate` cuts the file while it is open. A pipe that
/// nobody reads must not stop the server, so nothing is waited for.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}
