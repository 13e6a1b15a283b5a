//! The secret of a key, and the file that it is kept in.

use crate::Error;
use reqwest::header::HeaderValue;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// The largest file that is read; a secret has some fifty bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    pub(crate) fn new(secret: &str) -> Self {
        Self(secret.trim().to_owned())
    }

    /// The only word in a file that not everybody can read. A user that can write it could make us somebody else; one that can read
    /// it is one of us, which a group of one's own may be.
    pub(crate) fn from_file(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::KeyFile { path: path.to_owned(), why };
        let text = read(path).map_err(|error| match error.kind() {
            // Our own words.
            io::ErrorKind::Other => wrong(error.to_string()),
            _ => wrong(format!("it cannot be read: {error}")),
        })?;
        match text.trim() {
            "" => Err(wrong("there is no key in it".to_owned())),
            secret if secret.contains(char::is_whitespace) => {
                Err(wrong("it has more than the secret of one key; keep only that".to_owned()))
            }
            secret => Ok(Self::new(secret)),
        }
    }

    /// The value of `Authorization`.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).map_err(|_| Error::Key)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// How long a pipe is read, the other end of which may be a command that fetches the key.
const PIPE_WITHIN: Duration = Duration::from_secs(10);

fn read(path: &Path) -> io::Result<String> {
    // Looked at before it is opened: a device might do anything then. Then once more what was opened.
    let check = |metadata: &fs::Metadata| {
        // What goes through a pipe is nowhere to be read by others: `--key-file <(pass show locks)`.
        if metadata.file_type().is_fifo() {
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        if metadata.permissions().mode() & 0o007 != 0 {
            let text = format!("everybody on this machine may read or write it; chmod o= {}", path.display());
            return Err(io::Error::other(text));
        }
        Ok(())
    };
    check(&fs::metadata(path)?)?;
    // Of a pipe that nobody writes to, opening would never return.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let opened = file.metadata()?;
    check(&opened)?;
    let mut bytes = Vec::new();
    if opened.file_type().is_fifo() {
        read_pipe(file, &mut bytes)?;
    } else {
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    // Not with the bytes in the message.
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not text"))
}

/// To its end, or until there is too much.
fn read_pipe(mut pipe: File, bytes: &mut Vec<u8>) -> io::Result<()> {
    let end = Instant::now() + PIPE_WITHIN;
    while bytes.len() as u64 <= FILE_BYTES_MAX {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::other("the pipe brought no key in time"));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos().max(1_000_000)) };
        let mut fds = [PollFd::new(&pipe, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut piece = [0; 1024];
        match pipe.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_no_file_that_everybody_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut pipe = File::options().write(true).open(path).unwrap();
                for piece in ["lsk_", "hidden", "\n"] {
                    io::Write::write_all(&mut pipe, piece.as_bytes()).unwrap();
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(Key::from_file(&path).unwrap(), Key::new("lsk_hidden"));
        writer.join().unwrap();
    }

    #[test]
    fn a_secret_is_not_shown() {
        let key = Key::new(" lsk_hidden\n");
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_eq!(key.authorization().unwrap(), "Bearer lsk_hidden");
        assert!(!format!("{:?}", key.authorization().unwrap()).contains("hidden"));
        let wrong = Key::new("lsk_\nhidden").authorization().unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains("hidden"));
    }

    #[test]
    fn files_that_everybody_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let with = |text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Key::from_file(&path)
        };
        for mode in [0o600, 0o400, 0o640, 0o440] {
            assert_eq!(with(b"lsk_hidden\n", mode).unwrap(), Key::new("lsk_hidden"), "{mode:o}");
            fs::remove_file(&path).unwrap();
        }
        for (text, mode, why) in [
            (&b"lsk_hidden\n"[..], 0o644, "everybody"),
            (b"lsk_hidden\n", 0o606, "everybody"),
            (b"lsk_hidden\n", 0o602, "everybody"),
            (b" \n", 0o600, "no key in it"),
            (b"lsk_hidden\nlsk_hidden2\n", 0o600, "more than"),
            (b"lsk_hidden\xff", 0o600, "not text"),
            (&[b'x'; 5000], 0o600, "more than 4096 bytes"),
        ] {
            let error = with(text, mode).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(why) && !said.contains("hidden"), "{said}");
            fs::remove_file(&path).unwrap();
        }
        assert!(Key::from_file(&path).unwrap_err().to_string().contains("No such file"));
        assert!(Key::from_file(folder.path()).unwrap_err().to_string().contains("not a file"));
    }
}
