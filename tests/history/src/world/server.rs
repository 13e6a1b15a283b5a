//! A lockserver.

use super::{Process, free_port, own_address, program};
use crate::http::{Outcome, call};
use hyper::Method;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// Behind the addresses of etcd's members.
const FIRST_ADDRESS: usize = 10;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    store: String,
    directory: PathBuf,
    pub(crate) process: Process,
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
    pub(super) fn new(directory: &Path, number: usize, store: &str, sections: &str, lease_s: u64) -> io::Result<Self> {
        let at = free_port(own_address(FIRST_ADDRESS + number))?;
        let directory = directory.join(format!("s{number}"));
        std::fs::create_dir(&directory)?;
        let secret = directory.join("secret");
        std::fs::write(&secret, "a secret that only these servers know\n")?;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600))?;
        let general = format!("[general]\nSERVER={}\nPORT={}\nDEFAULT_LOCK=\n", at.ip(), at.port());
        let secret = secret.display();
        let cluster = format!("[cluster]\nNAME=s{number}\nADVERTISE=http://{at}\nSECRET_FILE={secret}\n");
        let text = format!("{general}{sections}[etcd]\nLEASE={lease_s}\n{cluster}");
        std::fs::write(directory.join("lockserver.conf"), text)?;
        Ok(Self { at, store: store.to_owned(), directory, process: Process::default() })
    }

    pub(crate) fn start(&mut self) -> io::Result<()> {
        let mut command = Command::new(program("LOCKSERVER_BIN", &["target/debug/lockserver"], "lockserver"));
        command.args(["--config", "lockserver.conf", "--admin-socket", "admin.sock", "--store", &self.store]);
        command.current_dir(&self.directory);
        self.process.start(&mut command, &self.directory.join("log"))
    }

    /// What it says of itself.
    pub(crate) async fn standing(&self) -> Standing {
        match call(self.at, Method::GET, "/v1/status", None, Duration::from_millis(500)).await {
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
