//! Lines in files that may take a part of one only: the log and the audit log.

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
