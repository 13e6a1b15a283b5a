//! Which server, and with which key.

use crate::cli::{Cli, Connection};
use crate::exit::Failure;
use crate::local::{self, Local};
use crate::say;
use crate::settings::Settings;
use lock_client::{Client, Error, Patience, Retry, Silence};
use rustix::fs::{Access, access};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Without any other word.
const DEFAULT: &str = "http://127.0.0.1:9090";

/// A client as the options and the environment say.
pub(crate) fn client(cli: &Cli, servers: &Servers) -> Result<Client, Failure> {
    let connection = &cli.connection;
    let within = connection.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    // A wait that has an end is bounded as a whole: see `AcquireOptions`.
    let patience = match cli.takes() {
        true => Patience { within, nowhere_is_final: false },
        false => Patience { within: within.min(LOOK_WITHIN), nowhere_is_final: true },
    };
    let mut builder = Client::builder()
        .servers(&servers.names)
        .timeout(Duration::from_secs(10))
        .retry(Retry { rounds: u32::MAX, within, ..Retry::default() })
        .patience(patience);
    // JSON is for programs, which wait for one object.
    if !cli.json {
        builder = builder.on_silence(say_silence);
    }
    // The local server has no keys, and those of others are none of its business.
    if servers.local.is_some() {
        return Ok(builder.build()?);
    }
    if let Some(path) = &connection.key_file {
        builder = builder.key_file(path)?;
    } else if let Some(key) = std::env::var("LOCK_KEY").ok().filter(|key| !key.is_empty()) {
        builder = builder.key(key);
    }
    if let Some(path) = &connection.ca {
        builder = builder.ca_certificate(pem(path)?);
    }
    if let (Some(cert), Some(key)) = (&connection.cert, &connection.cert_key) {
        builder = builder.identity(pem(cert)?, pem(key)?);
    }
    builder.build().map_err(|error| match (&error, &servers.file) {
        (Error::Address { .. }, Some(path)) => Failure::usage(format!("{}: LOCK_SERVER: {error}", path.display())),
        _ => error.into(),
    })
}

/// How long a server is tried by those who wait for a grant without an end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for all others, at most.
pub(crate) const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// Says that a server does not answer, and how long it is tried still.
fn say_silence(silence: &Silence) {
    let why = silence.why.as_deref().map(|why| why.split(" (os error").next().unwrap_or(why));
    let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
    let text = format!("{} does not answer{why}, trying for {:.0} s", silence.server, silence.left.as_secs_f64());
    say::say(&say::clean(&text));
}

/// The largest file of certificates that is read: several times what systems have.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

fn pem(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(PEM_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", path.display())))
}

/// The servers to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Servers {
    /// Their addresses, to be tried in turn.
    pub(crate) names: Vec<String>,
    /// Why these, for people.
    pub(crate) why: String,
    /// The file that names them.
    pub(crate) file: Option<PathBuf>,
    /// The server of this user, if that is asked.
    pub(crate) local: Option<Local>,
}

/// What is to be done with which server: the options and the environment, what files say, the local administrator's socket if we may use
/// it, or the default port here. What files say of keys and times is filled in. The server of this user is started if it is asked.
pub(crate) fn choose(connection: &mut Connection) -> Result<Servers, Failure> {
    if connection.local {
        if connection.is_named {
            return Err(Failure::usage("--local and --server name two servers: leave one of them out"));
        }
        return of_this_user("named by --local");
    }
    let settings = Settings::read()?;
    let own = match settings.servers() {
        Some((names, path)) => {
            let why = format!("named in {}", path.display());
            Servers { names: names.to_vec(), why, file: Some(path.to_owned()), local: None }
        }
        None => of_this_machine(),
    };
    let named = connection.server.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    connection.server = named.collect();
    settings.complete(connection, &own.names);
    let chosen = match connection.server.is_empty() {
        true => own,
        false => {
            let why = "named by --server or LOCK_SERVER".to_owned();
            Servers { names: connection.server.clone(), why, file: None, local: None }
        }
    };
    if chosen.names.iter().any(|name| name == local::NAME) {
        if chosen.names.len() > 1 {
            return Err(Failure::usage("`local` stands alone as a server: what it holds is not held by others"));
        }
        return of_this_user(&chosen.why);
    }
    connection.server.clone_from(&chosen.names);
    Ok(chosen)
}

fn of_this_user(why: &str) -> Result<Servers, Failure> {
    let local = Local::ready()?;
    let why = format!("your own on this machine, {why}");
    Ok(Servers { names: vec![local.address()], why, file: None, local: Some(local) })
}

fn of_this_machine() -> Servers {
    let usable = |path: &PathBuf| access(path, Access::READ_OK | Access::WRITE_OK).is_ok();
    match sockets().into_iter().find(usable) {
        Some(path) => Servers {
            names: vec![format!("unix:{}", path.display())],
            why: "the socket of the server on this machine: nothing names another one".to_owned(),
            file: None,
            local: None,
        },
        None => Servers {
            names: vec![DEFAULT.to_owned()],
            why: "the default: nothing names another one, and there is no socket that you may use".to_owned(),
            file: None,
            local: None,
        },
    }
}

/// Where a server that runs here puts its `admin.sock`.
fn sockets() -> Vec<PathBuf> {
    let user = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    let folders = [Some(PathBuf::from("/run")), user.map(PathBuf::from)];
    folders.into_iter().flatten().map(|folder| folder.join("lockserver/admin.sock")).collect()
}
