//! lockserver itself, over JSON and over XML-RPC.

use crate::child::Process;
use crate::etcd::Etcd;
use crate::fault::Fault;
use crate::http::Client;
use crate::peer::{Cycle, Lock, OWN_LOCKS, Peer, Waits};
use crate::xmlrpc::XmlRpc;
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Locks with long queues: a lock has 100,000 tickets at most.
pub(crate) const DEEP_LOCKS: usize = 10;

/// How its clients speak with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// `/v1`
    Json,
    /// `/RPC2`
    XmlRpc,
}

/// A running lockserver.
#[derive(Debug)]
pub(crate) struct Lockserver {
    process: Process,
    at: SocketAddr,
    speech: Speech,
    /// Its store, if that is a server too.
    _etcd: Option<Etcd>,
}

impl Lockserver {
    /// Starts it with its store in memory, or on the disk in that directory.
    pub(crate) fn start(binary: &Path, memory: bool, speech: Speech, home: &Path) -> Result<Self, Fault> {
        let store =
            if memory { "memory".to_owned() } else { format!("sqlite:{}", home.join("lockserver.db").display()) };
        Self::start_with(binary, &store, speech, home)
    }

    /// Starts it with its store in this etcd, which ends with it.
    pub(crate) fn start_on(binary: &Path, etcd: Etcd, home: &Path) -> Result<Self, Fault> {
        let joined = Self::join(binary, &etcd, home)?;
        Ok(Self { _etcd: Some(etcd), ..joined })
    }

    /// Starts it with its store in this etcd, beside the others that have it there.
    pub(crate) fn join(binary: &Path, etcd: &Etcd, home: &Path) -> Result<Self, Fault> {
        Self::start_with(binary, &format!("etcd:{}", etcd.endpoints()), Speech::Json, home)
    }

    fn start_with(binary: &Path, store: &str, speech: Speech, home: &Path) -> Result<Self, Fault> {
        let config = home.join("lockserver.conf");
        fs::write(&config, configuration())?;
        let mut command = Command::new(binary);
        command.args(["--port", "0", "--admin-socket", "admin.sock", "--store", store, "--config"]).arg(config);
        command.current_dir(home);
        let (process, line) = Process::start_and_read(&command, &home.join("lockserver.log"))?;
        let Some((_, at)) = line.split_once("://") else {
            return Err(format!("lockserver did not start; it said {line:?}").into());
        };
        Ok(Self { process, at: at.parse()?, speech, _etcd: None })
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) -> Result<(), Fault> {
        self.process.ask_to_end()?;
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

impl Peer for Lockserver {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        let lock = lock.to_string();
        Box::pin(async move {
            let client = Client::open(self.at).await?;
            Ok(match self.speech {
                Speech::Json => {
                    Box::new(Json { client, path: format!("/v1/locks/{lock}/tickets"), held: String::new() }) as _
                }
                Speech::XmlRpc => Box::new(XmlRpc::new(self.at, Some(client), lock)) as _,
            })
        })
    }
}

fn configuration() -> String {
    let mut text = "[general]\nSERVER=127.0.0.1\nLOGLEVEL=warning\nMAX_WAITING=100000\n\
                    [lock one]\nSIZE=1\n[lock two]\nSIZE=2\n"
        .to_owned();
    for number in 0..DEEP_LOCKS {
        let _ = write!(text, "[lock deep-{number}]\nSIZE=1\nMAX_LOCK_TIME=3600\n");
    }
    for number in 0..OWN_LOCKS {
        let _ = write!(text, "[lock own-{number}]\nSIZE=1\n");
    }
    text
}

#[derive(Deserialize)]
struct Ticket<'a> {
    id: &'a str,
}

struct Json {
    client: Client,
    path: String,
    held: String,
}

impl Cycle for Json {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let answer = self.client.ask("POST", &self.path, "application/json", r#"{"wait_s": 60}"#).await?.good()?;
            let ticket: Ticket<'_> = serde_json::from_slice(&answer)?;
            self.held.clear();
            let _ = write!(self.held, "/v1/tickets/{}", ticket.id);
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async { self.client.ask("DELETE", &self.held, "", "").await?.good().map(drop) })
    }
}
