//! etcd as a shell script uses it: `etcdctl lock` is a process for each cycle. It holds until it is interrupted, and unlocks then.

use crate::child::Process;
use crate::etcd::Etcd;
use crate::fault::Fault;
use crate::peer::{Cycle, Lock, Peer, Waits};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::task::spawn_blocking;

/// A running etcd, and its command.
#[derive(Debug)]
pub(crate) struct Etcdctl(Etcd);

impl Etcdctl {
    /// Starts etcd as a cluster of one, and looks whether the command is there.
    pub(crate) fn start(home: &Path) -> Result<Self, Fault> {
        Command::new("etcdctl")
            .arg("version")
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("etcdctl: {error}"))?;
        Ok(Self(Etcd::start(1, home)?))
    }
}

impl Peer for Etcdctl {
    fn process(&self) -> &Process {
        self.0.process()
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        let endpoint = self.0.endpoints();
        Box::pin(async move { Ok(Box::new(Holder { endpoint, name: lock.to_string(), process: None }) as _) })
    }
}

struct Holder {
    endpoint: String,
    name: String,
    process: Option<Held>,
}

/// The process that holds; dropped, it is ended.
struct Held(Child);

impl Held {
    fn take(mut command: Command) -> Result<Self, Fault> {
        let mut held = Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let out = held.0.stdout.as_mut().ok_or("no standard output")?;
        // The key that stands for the lock: printed once it is held.
        let mut key = String::new();
        BufReader::new(out).read_line(&mut key)?;
        if key.is_empty() { Err("etcdctl lock ended without the lock".into()) } else { Ok(held) }
    }

    fn give_back(mut self) -> Result<(), Fault> {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        if asked.success() { Ok(()) } else { Err("etcdctl cannot be interrupted".into()) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cycle for Holder {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let mut command = Command::new("etcdctl");
            command.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoint, "lock", &self.name]);
            self.process = Some(spawn_blocking(|| Held::take(command)).await??);
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let held = self.process.take().ok_or("nothing is held")?;
            spawn_blocking(|| held.give_back()).await?
        })
    }
}
