//! throttle (crates.io: throttle-server): semaphores over HTTP, in memory.

use crate::child::{Process, free_port};
use crate::fault::Fault;
use crate::http::Client;
use crate::peer::{Cycle, Lock, OWN_LOCKS, Peer, Waits};
use hyper::StatusCode;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// A running throttle.
#[derive(Debug)]
pub(crate) struct Throttle {
    process: Process,
    at: SocketAddr,
}

impl Throttle {
    /// Starts it.
    pub(crate) fn start(home: &Path) -> Result<Self, Fault> {
        let mut text = "[semaphores]\none = 1\n".to_owned();
        for number in 0..OWN_LOCKS {
            let _ = writeln!(text, "{} = 1", Lock::Own(number));
        }
        let config = home.join("throttle.toml");
        fs::write(&config, text)?;
        let port = free_port()?;
        let mut command = Command::new("throttle");
        command.args(["--port", &port.to_string(), "--configuration"]).arg(config);
        let (at, log) = ((Ipv4Addr::LOCALHOST, port).into(), home.join("throttle.log"));
        let mut process = Process::start(&command, &log)?;
        process.wait_for(at, &log)?;
        Ok(Self { process, at })
    }
}

impl Peer for Throttle {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        Box::pin(async move {
            let mut client = Client::open(self.at).await?;
            // A peer for all cycles: with one for each, as its own clients make it, a cycle would have a request more.
            let peer = client.ask("POST", "/new_peer", "application/json", r#"{"expires_in": "1h"}"#).await?.good()?;
            let held = format!("/peers/{}/{lock}", String::from_utf8_lossy(&peer));
            Ok(Box::new(Holder { client, take: format!("{held}?block_for=60s"), held }) as _)
        })
    }
}

struct Holder {
    client: Client,
    take: String,
    held: String,
}

impl Cycle for Holder {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            // 202 is "not yet".
            loop {
                let answer = self.client.ask("PUT", &self.take, "application/json", "1").await?;
                if answer.status != StatusCode::ACCEPTED {
                    return answer.good().map(drop);
                }
            }
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async { self.client.ask("DELETE", &self.held, "", "").await?.good().map(drop) })
    }
}
