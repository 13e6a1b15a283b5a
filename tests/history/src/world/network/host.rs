//! A host of a process: a namespace with a cable to the switch, or this machine.

use super::namespace::Namespace;
use super::{LOCAL_LAST, Switch};
use crate::world::own_port;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::process::Command;

/// Where a process is, started again and again.
#[derive(Debug)]
pub(crate) struct Host(pub(super) Option<Inside>);

#[derive(Debug)]
pub(super) struct Inside {
    pub(super) namespace: Namespace,
    number: u8,
    switch: Arc<Switch>,
    /// Something is to be mended.
    drops: bool,
    is_slow: bool,
}

impl Inside {
    fn new(switch: Arc<Switch>) -> io::Result<Self> {
        let number = switch.hosts.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace::new()?;
        let (cable, path) = (format!("host{number}"), namespace.path());
        let plugged = format!(
            "link add name {cable} type veth peer name eth0 netns {path}\nlink set {cable} master bridge\nlink set {cable} up\n"
        );
        switch.namespace.tell("ip", &plugged)?;
        let inside = Self { namespace, number, switch, drops: false, is_slow: false };
        let address = inside.address();
        let addressed = format!("addr add {address}/16 dev eth0\nlink set eth0 up\n");
        inside.namespace.tell("ip", &format!("{LOCAL_LAST}{addressed}"))?;
        Ok(inside)
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 1, self.number)
    }

    /// The number of the rules of this host.
    fn rule(&self) -> u32 {
        1 + u32::from(self.number)
    }
}

impl Host {
    /// This machine.
    pub(super) fn of_loopback() -> Self {
        Self(None)
    }

    pub(super) fn new(switch: &Arc<Switch>) -> io::Result<Self> {
        Ok(Self(Some(Inside::new(Arc::clone(switch))?)))
    }

    /// Where a server on it listens: at this port, or on loopback at a free one.
    pub(in crate::world) fn at(&self, port: u16) -> io::Result<SocketAddr> {
        self.0.as_ref().map_or_else(own_port, |inside| Ok((inside.address(), port).into()))
    }

    /// A command for this program there, which dies with the thread that starts it: also where that is killed.
    pub(in crate::world) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(inside) = &self.0 {
            command.args(["nsenter", &format!("--net={}", inside.namespace.path()), "--"]);
        }
        command.arg(program);
        command
    }

    fn inside(&mut self) -> &mut Inside {
        self.0.as_mut().expect("such faults are for namespaces")
    }

    pub(in crate::world) fn address(&mut self) -> Ipv4Addr {
        self.inside().address()
    }

    /// Packets from there do not arrive here, and nobody is told.
    pub(in crate::world) fn stop_hearing(&mut self, from: Ipv4Addr) -> io::Result<()> {
        let inside = self.inside();
        inside.drops = true;
        let rule = inside.rule();
        inside.namespace.tell("ip", &format!("rule add pref {rule} from {from} iif eth0 blackhole\n"))
    }

    /// Packets of this host do not arrive at that address of the switch.
    pub(in crate::world) fn stop_reaching(&mut self, to: Ipv4Addr) -> io::Result<()> {
        let inside = self.inside();
        inside.drops = true;
        let (rule, from) = (inside.rule(), inside.address());
        let dropped = format!("rule add pref {rule} from {from} to {to} iif bridge blackhole\n");
        inside.switch.namespace.tell("ip", &dropped)
    }

    /// What it sends is late.
    pub(in crate::world) fn slow(&mut self) -> io::Result<()> {
        let inside = self.inside();
        inside.is_slow = true;
        let how = inside.switch.slowness.expect("asked before");
        inside.namespace.tell("tc", &format!("qdisc add dev eth0 root {how}\n"))
    }

    /// All packets arrive, and at once.
    pub(in crate::world) fn mend(&mut self) -> io::Result<()> {
        let Some(inside) = &mut self.0 else { return Ok(()) };
        if inside.drops {
            let rule = inside.rule();
            for namespace in [&inside.namespace, &inside.switch.namespace] {
                namespace.tell("ip", &format!("rule flush pref {rule}\n"))?;
            }
            inside.drops = false;
        }
        if inside.is_slow {
            inside.namespace.tell("tc", "qdisc del dev eth0 root\n")?;
            inside.is_slow = false;
        }
        Ok(())
    }
}
