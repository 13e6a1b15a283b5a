//! What files say of the server to use: `/etc/lockserver/client.conf` for all of this machine, `lockserver/client.conf` among the
//! user's settings. The names are those of the variables; what the command line and the environment say comes first.

use crate::cli::{Connection, VARIABLES_OF_FILES, seconds};
use crate::exit::Failure;
use crate::nearest::nearest;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Below the root of the system.
const OF_MACHINE: &str = "etc/lockserver/client.conf";
/// Below the user's settings.
const OF_USER: &str = "lockserver/client.conf";
/// The largest file that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// What the files say together; the user's comes before the machine's, setting by setting.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// With the file that names them.
    servers: Option<(Vec<String>, PathBuf)>,
    key_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    cert_key: Option<PathBuf>,
    connect_timeout: Option<Duration>,
}

impl Settings {
    /// Reads the files of this machine and this user. One that is not there says nothing.
    pub(crate) fn read() -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        Self::read_from(Path::new("/"), user.filter(|path| path.is_absolute()).as_deref())
    }

    fn read_from(root: &Path, user: Option<&Path>) -> Result<Self, Failure> {
        let mut settings = Self::default();
        for path in [user.map(|user| user.join(OF_USER)), Some(root.join(OF_MACHINE))].into_iter().flatten() {
            if let Some(text) = text_of(&path)? {
                settings.add(&text, &path)?;
            }
        }
        if settings.cert.is_some() != settings.cert_key.is_some() {
            let text =
                "LOCK_CERT and LOCK_CERT_KEY belong together: one of them stands in client.conf without the other";
            return Err(Failure::usage(text));
        }
        Ok(settings)
    }

    /// The servers that a file names, and which file.
    pub(crate) fn servers(&self) -> Option<(&[String], &Path)> {
        self.servers.as_ref().map(|(servers, path)| (servers.as_slice(), path.as_path()))
    }

    /// Adds what a file says that none before it has said.
    fn add(&mut self, text: &str, path: &Path) -> Result<(), Failure> {
        let mut seen = Vec::new();
        for (place, line) in text.lines().enumerate() {
            let wrong = |what: String| Failure::usage(format!("{}:{}: {what}", path.display(), place + 1));
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (name, value) =
                line.split_once('=').map(|(name, value)| (name.trim(), unquoted(value.trim()))).ok_or_else(|| {
                    wrong("a line is NAME=VALUE, such as LOCK_SERVER=https://lock.example.com:9090".to_owned())
                })?;
            if seen.contains(&name) {
                return Err(wrong(format!("{name} is set twice; remove one")));
            }
            if value.is_empty() {
                return Err(wrong(format!("{name} has no value; write one, or remove the line")));
            }
            seen.push(name);
            self.set(name, value, path).map_err(wrong)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str, path: &Path) -> Result<(), String> {
        let file = || match Path::new(value) {
            absolute if absolute.is_absolute() => Ok(absolute.to_owned()),
            _ => Err(format!("{name}: `{value}` is not an absolute path; begin it with /")),
        };
        let keep = |place: &mut Option<PathBuf>| -> Result<(), String> {
            let file = file()?;
            place.get_or_insert(file);
            Ok(())
        };
        match name {
            "LOCK_SERVER" => {
                let servers = value.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
                self.servers.get_or_insert_with(|| (servers, path.to_owned()));
                Ok(())
            }
            "LOCK_KEY_FILE" => keep(&mut self.key_file),
            "LOCK_CA" => keep(&mut self.ca),
            "LOCK_CERT" => keep(&mut self.cert),
            "LOCK_CERT_KEY" => keep(&mut self.cert_key),
            "LOCK_CONNECT_TIMEOUT" => {
                let time = seconds(value).map_err(|why| format!("{name}: {why}"))?;
                self.connect_timeout.get_or_insert(time);
                Ok(())
            }
            // Not with the secret in the message.
            "LOCK_KEY" => {
                Err("a secret may not be in this file: put it into its own file, and name that with LOCK_KEY_FILE"
                    .to_owned())
            }
            other => Err(match nearest(other, VARIABLES_OF_FILES) {
                Some(known) => format!("there is no setting {other}; did you mean {known}?"),
                None => format!("there is no setting {other}; known are {}", VARIABLES_OF_FILES.join(", ")),
            }),
        }
    }

    /// Fills in what the command line and the environment leave open. `own`: the servers that are asked if neither names one.
    /// A key and a certificate are shown to those only: not to any server that somebody happens to name.
    pub(crate) fn complete(self, connection: &mut Connection, own: &[String]) {
        let is_own = connection.server.iter().all(|server| own.contains(&server.trim().to_owned()));
        let has_key = connection.key_file.is_some() || std::env::var_os("LOCK_KEY").is_some_and(|key| !key.is_empty());
        if is_own && !has_key {
            connection.key_file = self.key_file;
        }
        if is_own && connection.cert.is_none() && connection.cert_key.is_none() {
            (connection.cert, connection.cert_key) = (self.cert, self.cert_key);
        }
        connection.ca = connection.ca.take().or(self.ca);
        connection.connect_timeout = connection.connect_timeout.or(self.connect_timeout);
    }
}

/// A value as some write it for a shell.
fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

/// The text of a file that not everybody may write: else anybody could have our key sent to a server of theirs.
fn text_of(path: &Path) -> Result<Option<String>, Failure> {
    let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    match std::fs::metadata(path) {
        // A folder that we may not enter has nothing for us: that of a server's configuration, say.
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(wrong(format!("it cannot be read: {error}"))),
        Ok(_) => {}
    }
    let file = File::open(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let metadata = file.metadata().map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if !metadata.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err(wrong(format!("everybody on this machine may write it; chmod o-w {}", path.display())));
    }
    if metadata.len() > BYTES_MAX {
        return Err(wrong(format!("it has more than {BYTES_MAX} bytes")));
    }
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    fn connection(servers: &[&str]) -> Connection {
        let server = servers.iter().map(|one| (*one).to_owned()).collect();
        Connection {
            server,
            local: false,
            is_named: false,
            key_file: None,
            ca: None,
            cert: None,
            cert_key: None,
            connect_timeout: None,
        }
    }

    #[test]
    fn the_users_file_comes_before_the_machines_setting_by_setting() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("home/.config");
        let machine =
            "# of the site\nLOCK_SERVER = https://a:9090, https://b:9090\nLOCK_CONNECT_TIMEOUT=1m\nLOCK_CA='/ca.pem'\n";
        let path = write(folder.path(), OF_MACHINE, machine);
        assert_eq!(Settings::read_from(folder.path(), None).unwrap().servers().unwrap().1, path);
        write(&user, OF_USER, "LOCK_KEY_FILE=/home/me/key\nLOCK_CONNECT_TIMEOUT=5\n");
        let settings = Settings::read_from(folder.path(), Some(&user)).unwrap();
        let own = ["https://a:9090".to_owned(), "https://b:9090".to_owned()];
        assert_eq!(settings.servers(), Some((&own[..], path.as_path())));
        let mut mine = connection(&[]);
        settings.clone().complete(&mut mine, &own);
        assert_eq!(mine.key_file.as_deref(), Some(Path::new("/home/me/key")));
        assert_eq!(
            (mine.ca.as_deref(), mine.connect_timeout),
            (Some(Path::new("/ca.pem")), Some(Duration::from_secs(5)))
        );
        // A key is not shown to a server that somebody names, unless it is one of those.
        for (server, shown) in [("https://elsewhere:9090", false), ("https://b:9090", true)] {
            let mut named = connection(&[server]);
            settings.clone().complete(&mut named, &own);
            assert_eq!(named.key_file.is_some(), shown, "{server}");
        }
        assert_eq!(Settings::read_from(&folder.path().join("none"), None).unwrap(), Settings::default());
    }

    #[test]
    fn mistakes_are_told_with_file_and_line_and_never_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("\nLOCK_SEVRER=x", "client.conf:2: there is no setting LOCK_SEVRER; did you mean LOCK_SERVER?"),
            ("COLOUR=red", "client.conf:1: there is no setting COLOUR; known are LOCK_CA"),
            ("LOCK_SERVER", "client.conf:1: a line is NAME=VALUE"),
            ("LOCK_SERVER=", "client.conf:1: LOCK_SERVER has no value"),
            ("LOCK_CA=/a\nLOCK_CA=/b", "client.conf:2: LOCK_CA is set twice"),
            ("LOCK_KEY_FILE=key", "client.conf:1: LOCK_KEY_FILE: `key` is not an absolute path"),
            ("LOCK_CONNECT_TIMEOUT=soon", "client.conf:1: LOCK_CONNECT_TIMEOUT: a time from 0 is expected"),
            ("LOCK_KEY=lsk_hidden", "client.conf:1: a secret may not be in this file"),
        ] {
            write(folder.path(), OF_MACHINE, text);
            let said = format!("{:?}", Settings::read_from(folder.path(), None).unwrap_err());
            assert!(said.contains(why) && !said.contains("hidden"), "{said}");
        }
        let path = write(folder.path(), OF_MACHINE, "LOCK_SERVER=http://a");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let said = format!("{:?}", Settings::read_from(folder.path(), None).unwrap_err());
        assert!(said.contains("everybody on this machine may write it"), "{said}");
    }
}
