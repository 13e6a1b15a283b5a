//! Words for people on standard output and standard error. The only place that writes there, but for the log.
//!
//! What is on the other side may be a full disk, a closed pipe, or nothing. A complaint that cannot be written takes neither
//! the work nor its exit status along: `eprintln!` would panic. A result that cannot be written is an error of its own.

use crate::{exit, stdout};
use std::fmt::Display;
use std::io::{self, Write as _};

/// A complaint on standard error, each of its lines with the name of the program. What cannot be written is lost.
pub fn complain(text: impl Display) {
    let lines: String = text.to_string().lines().map(|line| format!("lockserver: {line}\n")).collect();
    plainly(lines);
}

/// The same without the name of the program, for texts that say where they come from.
pub fn plainly(text: impl Display) {
    drop(io::stderr().lock().write_all(text.to_string().as_bytes()));
}

/// A line on standard output about what was done. It is done, whether anybody reads of it or not.
pub fn done(line: impl Display) {
    drop(result(format!("{line}\n").as_bytes()));
}

/// A result on standard output.
///
/// # Errors
/// If not all of it could be written; a reader that has gone away among that.
pub fn result(text: &[u8]) -> io::Result<()> {
    let mut out = stdout::lock()?;
    out.write_all(text)?;
    out.flush()
}

/// A report on standard output, as [`result`], and the exit code: this one, but an error if nobody can have read the report. A
/// reader that has seen enough (`| head`) is none.
#[must_use]
pub fn report(text: &[u8], code: u8) -> u8 {
    reported(result(text), code)
}

/// The exit code after a report was written, as [`report`] says.
#[must_use]
pub fn reported(written: io::Result<()>, code: u8) -> u8 {
    match written.and_then(|()| stdout::lock()?.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format!("standard output cannot be written: {error}"));
            if code == exit::OK { exit::CANNOT_CREATE } else { code }
        }
        _ => code,
    }
}
