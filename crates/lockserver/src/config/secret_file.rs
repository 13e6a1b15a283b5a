//! Files with secrets, which not everybody on the machine may read.

use lock_core::limits::SECRET_FILE_BYTES_MAX;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Reads such a file whole.
pub(super) fn read_secret_file(path: &Path) -> io::Result<String> {
    // Looked at before it is opened: a pipe would hang the start.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(io::Error::other(
            "everybody on this machine may read or write it; take that right away (chmod o= FILE)",
        ));
    }
    let mut content = String::new();
    fs::File::open(path)?.take(SECRET_FILE_BYTES_MAX as u64 + 1).read_to_string(&mut content)?;
    if content.len() > SECRET_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {SECRET_FILE_BYTES_MAX} bytes")));
    }
    Ok(content)
}
