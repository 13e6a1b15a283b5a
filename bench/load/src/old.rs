//! The published lockserver 0.36, with Python 2.7 where there is one.

use crate::child::{Process, free_port};
use crate::fault::Fault;
use crate::peer::{Cycle, Lock, Peer, Waits};
use crate::xmlrpc::XmlRpc;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// What runs it with a configuration that is not in /etc.
const RUNNER: &str = include_str!("../old_server.py");

/// A running 0.36.
#[derive(Debug)]
pub(crate) struct Old {
    process: Process,
    at: SocketAddr,
}

impl Old {
    /// Starts it with that Python and its sources. It has one lock, of size 2.
    pub(crate) fn start(python: &Path, source: &Path, home: &Path) -> Result<Self, Fault> {
        let port = free_port()?;
        let text = format!("[general]\nSERVER=127.0.0.1\nPORT={port}\nDEFAULT_LOCK=two\nDEFAULT_LOCK_SIZE=2\n");
        fs::write(home.join("lockserver.conf"), text)?;
        let runner = home.join("old_server.py");
        fs::write(&runner, RUNNER)?;
        let mut command = Command::new(python);
        command.args([&runner, source, home]);
        let (at, log) = ((Ipv4Addr::LOCALHOST, port).into(), home.join("old.log"));
        let mut process = Process::start(&command, &log)?;
        process.wait_for(at, &log)?;
        Ok(Self { process, at })
    }
}

impl Peer for Old {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, _lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        // It keeps a thread for each open connection, and has few.
        Box::pin(async { Ok(Box::new(XmlRpc::new(self.at, None, Lock::Two.to_string())) as _) })
    }
}
