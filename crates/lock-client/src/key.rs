//! The secret of a key, and the file that it is kept in.

use crate::Error;
use reqwest::header::HeaderValue;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

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

    /// The only word in a file that not everybody can read. Whoever can write it could make us somebody else; who can read
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
                Err(wrong("there is more in it than the secret of one key: keep only that in it".to_owned()))
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

fn read(path: &Path) -> io::Result<String> {
    // Looked at before it is opened: a pipe would hang us. Then once more what was opened.
    let check = |metadata: &fs::Metadata| {
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        if metadata.permissions().mode() & 0o007 != 0 {
            let text = format!("everybody on this machine may read or write it; chmod o= {}", path.display());
            return Err(io::Error::other(text));
        }
        Ok(())
    };
    check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    check(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    // Not with the bytes in the message.
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (b"lsk_hidden\nlsk_hidden2\n", 0o600, "more in it"),
            (b"lsk_hidden\xff", 0o600, "no text"),
            (&[b'x'; 5000], 0o600, "more than 4096 bytes"),
        ] {
            let error = with(text, mode).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(why) && !said.contains("hidden"), "{said}");
            fs::remove_file(&path).unwrap();
        }
        assert!(Key::from_file(&path).unwrap_err().to_string().contains("No such file"));
        assert!(Key::from_file(folder.path()).unwrap_err().to_string().contains("no file"));
    }
}
