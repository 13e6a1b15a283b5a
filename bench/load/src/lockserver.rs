//! lockserver itself, over JSON and over XML-RPC.

use crate::child::Process;
use crate::fault::Fault;
use crate::http::Client;
use crate::peer::{Cycle, Peer, Waits};
use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Locks of size 1 that a client has for itself.
pub(crate) const OWN_LOCKS: usize = 256;

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
}

impl Lockserver {
    /// Starts it with its store in memory, or on the disk in that directory.
    pub(crate) fn start(binary: &Path, memory: bool, speech: Speech, home: &Path) -> Result<Self, Fault> {
        let config = home.join("lockserver.conf");
        fs::write(&config, configuration())?;
        let store =
            if memory { "memory".to_owned() } else { format!("sqlite:{}", home.join("lockserver.db").display()) };
        let mut command = Command::new(binary);
        command.args(["--port", "0", "--admin-socket", "admin.sock", "--store", &store, "--config"]).arg(config);
        command.current_dir(home);
        let (process, line) = Process::start_and_read(&command, &home.join("lockserver.log"))?;
        let Some((_, at)) = line.split_once("://") else {
            return Err(format!("lockserver did not start; it said {line:?}").into());
        };
        Ok(Self { process, at: at.parse()?, speech })
    }
}

impl Peer for Lockserver {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, lock: &str, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        let lock = lock.to_owned();
        Box::pin(async move {
            let client = Client::open(self.at).await?;
            Ok(match self.speech {
                Speech::Json => {
                    Box::new(Json { client, path: format!("/v1/locks/{lock}/tickets"), held: String::new() }) as _
                }
                Speech::XmlRpc => Box::new(XmlRpc { client, lock, held: String::new() }) as _,
            })
        })
    }
}

fn configuration() -> String {
    let mut text = "[general]\nSERVER=127.0.0.1\nLOGLEVEL=warning\nMAX_WAITING=100000\n\
                    [lock one]\nSIZE=1\n[lock two]\nSIZE=2\n"
        .to_owned();
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

struct XmlRpc {
    client: Client,
    lock: String,
    held: String,
}

impl XmlRpc {
    /// Calls a method; gives the answer if it begins with `true`.
    async fn call(&mut self, method: &str, second: &str) -> Result<String, Fault> {
        let lock = &self.lock;
        let body = format!(
            "<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n<param>\n<value><string>{lock}\
             </string></value>\n</param>\n<param>\n<value><string>{second}</string></value>\n</param>\n</params>\n</methodCall>\n"
        );
        let answer = self.client.ask("POST", "/RPC2", "text/xml", body).await?.good()?;
        let answer = String::from_utf8(answer.into())?;
        if !answer.contains("<boolean>1</boolean>") {
            return Err(format!("{method}: {answer}").into());
        }
        Ok(answer)
    }
}

impl Cycle for XmlRpc {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let answer = self.call("query_lock", "load").await?;
            let id = answer.split_once("<string>").and_then(|(_, rest)| rest.split_once("</string>"));
            let (id, _) = id.ok_or("query_lock gave no id")?;
            self.held = id.to_owned();
            // Two of them: it was asked, and it is held. With one alone the time to wait is over; then it is asked again.
            loop {
                let held = self.held.clone();
                let answer = self.call("get_lock", &held).await?;
                if answer.matches("<boolean>1</boolean>").count() == 2 {
                    return Ok(());
                }
            }
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let held = self.held.clone();
            self.call("release_lock", &held).await.map(drop)
        })
    }
}
