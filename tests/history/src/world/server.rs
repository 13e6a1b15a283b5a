//! A lockserver.

use super::wall_clock::WallClock;
use super::{Host, Process, program};
use crate::http::{Outcome, call};
use hyper::Method;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(super) host: Host,
    name: String,
    store: String,
    directory: PathBuf,
    pub(crate) process: Process,
    pub(crate) wall_clock: WallClock,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It leads and serves.
    Leads,
    /// It knows who leads.
    StandsBy,
    /// Neither, or it does not answer.
    No,
}

impl Server {
    /// `at`: its address on its host. `advertise`: where the others reach it. `sections`: more of its configuration.
    pub(super) fn new(
        (directory, name): (&Path, &str),
        (host, at): (Host, SocketAddr),
        advertise: &str,
        store: &str,
        sections: &str,
    ) -> io::Result<Self> {
        let directory = directory.join(name);
        std::fs::create_dir(&directory)?;
        let secret = directory.join("secret");
        std::fs::write(&secret, "a secret that only these servers know\n")?;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600))?;
        let general = format!("[general]\nSERVER={}\nPORT={}\nDEFAULT_LOCK=\n", at.ip(), at.port());
        let secret = secret.display();
        let cluster = format!("[cluster]\nNAME={name}\nADVERTISE={advertise}\nSECRET_FILE={secret}\n");
        std::fs::write(directory.join("lockserver.conf"), format!("{general}{sections}{cluster}"))?;
        let (name, store) = (name.to_owned(), store.to_owned());
        let wall_clock = WallClock::new(&directory)?;
        Ok(Self { at, host, name, store, directory, process: Process::default(), wall_clock })
    }

    pub(super) fn start(&mut self) -> io::Result<()> {
        let mut command = self.host.command(program("LOCKSERVER_BIN", &["target/debug/lockserver"], "lockserver"));
        command.args(["--config", "lockserver.conf", "--admin-socket", "admin.sock", "--store", &self.store]);
        command.current_dir(&self.directory);
        self.wall_clock.give_to(&mut command);
        self.process.start(&mut command, &self.directory.join("log"))
    }

    /// That it has ended although nobody told it to, and what it said last.
    pub(super) fn ended_by_itself(&mut self) -> Option<String> {
        let status = self.process.ended_by_itself()?;
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or("nothing").to_owned();
        Some(format!("{} ended by itself with {status}; it said last: {last}", self.name))
    }

    /// What it says of itself.
    pub(crate) async fn standing(&self) -> Standing {
        match call(self.at, Method::GET, "/v1/status", None, Duration::from_secs(1)).await {
            Outcome::Answered(200, body) if body["ready"] == true => {
                if body["role"] == "leader" {
                    Standing::Leads
                } else {
                    Standing::StandsBy
                }
            }
            _ => Standing::No,
        }
    }
}
