//! Lines in files that may take a part of one only: the log and the audit log.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes a line with its end, in one go as a rule; a disk that becomes full takes a part of it. Then `torn` is set, and the next line
/// does not continue that part.
///
/// # Errors
/// What the output says; a part of the line may be written.
pub(crate) fn write_line(output: &mut dyn Write, torn: &mut bool, mut line: String) -> io::Result<()> {
    if *torn {
        line.insert(0, '\n');
    }
    let mut written = 0;
    while written < line.len() {
        match output.write(&line.as_bytes()[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                written += bytes;
                *torn = written < line.len();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A character as JSON writes those that do not stand for themselves.
pub(crate) fn push_json_escape(line: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(line, "\\u{unit:04x}");
    }
}
