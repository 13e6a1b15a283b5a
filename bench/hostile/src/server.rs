//! The server that is attacked: a process of its own, with 1024 open files, a store on disk and a port of its choice.

use crate::client::{Client, Fault};
use crate::setting::{HOSTILE, KEYS, Setting, VICTIM, secret_of};
use rcgen::generate_simple_self_signed;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};
use tempfile::TempDir;

/// Where the victim comes from, and where the hostile client does.
pub(crate) const VICTIM_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
pub(crate) const HOSTILE_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How many files the server may open, as most systems give it.
const OPEN_FILES: u32 = 1024;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    directory: TempDir,
    at: SocketAddr,
    tls: Option<PathBuf>,
    keys: bool,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) fn start(binary: &Path, setting: Setting, keys: bool) -> Result<Self, Fault> {
        let directory = TempDir::with_prefix("hostile-")?;
        let config = directory.path().join("lockserver.conf");
        let tls = setting.tls.then(|| certificate(directory.path())).transpose()?;
        fs::write(&config, configuration(directory.path(), setting, keys))?;
        let log = fs::File::create(directory.path().join("log"))?;
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -n {OPEN_FILES}; exec \"$0\" \"$@\"")])
            .arg(binary)
            .args(["--port", "0", "--admin-socket", "admin.sock", "--store"])
            .arg(format!("sqlite:{}", directory.path().join("lockserver.db").display()))
            .arg("--config")
            .arg(&config)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let Some((_, at)) = line.trim().split_once("://") else {
            let log = fs::read_to_string(directory.path().join("log"))?;
            return Err(format!("the server did not start; it said {line:?} and {log}").into());
        };
        let at = at.parse()?;
        Ok(Self { process, directory, at, tls, keys })
    }

    /// The client whose lot is measured.
    pub(crate) fn victim(&self) -> Client {
        self.client(VICTIM_FROM, VICTIM)
    }

    /// The other one.
    pub(crate) fn hostile(&self) -> Client {
        self.client(HOSTILE_FROM, HOSTILE)
    }

    /// Some third one: a key, or an address where there are none.
    pub(crate) fn other(&self, number: u8) -> Client {
        self.client(Ipv4Addr::new(127, 0, 1, number), &format!("other{number}"))
    }

    fn client(&self, from: Ipv4Addr, key: &str) -> Client {
        let secret = self.keys.then(|| secret_of(key));
        Client { at: self.at, from, secret, tls: self.tls.clone() }
    }

    /// Memory that it had resident at most, in MB (10^6 bytes).
    pub(crate) fn peak_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(f64::INFINITY);
        kib * 1024.0 / 1e6
    }

    /// Bytes of its store, log included, in MB.
    pub(crate) fn disk_mb(&self) -> f64 {
        let entries = fs::read_dir(self.directory.path()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|one| one.len() as f64).sum::<f64>() / 1e6
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|one| one.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Warnings and errors in its log.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        let end = Instant::now() + Duration::from_secs(30);
        while asked.is_ok() && Instant::now() < end && self.runs() {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A certificate of its own; gives where it is in DER, for the clients.
fn certificate(directory: &Path) -> Result<PathBuf, Fault> {
    let made = generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(directory.join("tls.crt"), made.cert.pem())?;
    let key = directory.join("tls.key");
    fs::write(&key, made.signing_key.serialize_pem())?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let der = directory.join("tls.der");
    fs::write(&der, made.cert.der())?;
    Ok(der)
}

fn configuration(directory: &Path, setting: Setting, keys: bool) -> String {
    let place = directory.display();
    let mut text = format!("[general]\nSERVER=127.0.0.1\nLOGLEVEL=warning\nAUDIT_LOG={place}/audit.log\n");
    // Where there are keys the hostile one has its own locks, and nothing to do with the victim's.
    if keys {
        for (name, locks) in KEYS {
            let _ = write!(text, "[key {name}]\nSECRET_HASH={}\nLOCKS={locks}\n", crate::setting::digest_of(name));
        }
        for number in 1..=setting.others {
            let name = format!("other{number}");
            let _ = write!(text, "[key {name}]\nSECRET_HASH={}\nLOCKS=h-*\n", crate::setting::digest_of(&name));
        }
        text.push_str("[anonymous]\nRIGHTS=none\n");
    }
    if setting.tls {
        let _ = write!(text, "[tls]\nCERT={place}/tls.crt\nKEY={place}/tls.key\n");
    }
    let long = "EXPIRATION_TIME=3600\nMAX_LOCK_TIME=3600\n";
    text.push_str("[lock victim]\nSIZE=2\n[lock victim-kept]\nSIZE=1\n[lock t-*]\nSIZE=1\n");
    let _ = write!(text, "[lock h-busy]\nSIZE=1\n{long}[lock h-busy2]\nSIZE=1\n{long}[lock h-busy3]\nSIZE=1\n{long}");
    for number in 0..setting.locks {
        let _ = write!(text, "[lock h-{number:05}]\nSIZE=1\n");
    }
    if setting.slots > 0 {
        let names: Vec<String> = (0..setting.slots).map(|number| format!("slot-{number}")).collect();
        let _ = write!(text, "[lock h-slots]\nSLOTS={}\n", names.join(", "));
    }
    text
}
