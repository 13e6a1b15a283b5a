//! Where the processes of a run are. For root each has a host of its own: a network namespace with a cable to a switch, which is a
//! namespace, too, so that the machine sees none of it. The threads of the run are in the switch. For others all hosts are this
//! machine, with loopback addresses.

mod host;
mod namespace;
#[cfg(test)]
mod tests;

pub(crate) use host::Host;

use super::own_port;
use namespace::Namespace;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

/// The switch's address: clients come from here, and servers reach each other by it.
pub(super) const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Another one, where servers reach etcd: packets between a server and etcd are told from others by it.
pub(super) const TO_ETCD: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// How packets are made late, the best first. Not every kernel has the first; a line of the other's speed queues what is sent
/// for up to that time, and loses the rest.
const SLOWNESS: [&str; 2] = ["netem delay 200ms", "tbf rate 256kbit burst 3000 latency 200ms"];
/// As long as rules for packets come after that for local addresses they say nothing of what arrives. A rule that drops packets
/// has a lower number than this.
const LOCAL_LAST: &str = "rule add pref 1000 lookup local\nrule del pref 0\nlink set lo up\n";

/// The switch, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Network(Option<Arc<Switch>>);

#[derive(Debug)]
struct Switch {
    namespace: Namespace,
    /// How many hosts it has had.
    hosts: AtomicU8,
    /// Of [`SLOWNESS`], what the kernel can do.
    slowness: Option<&'static str>,
}

impl Network {
    /// A network of namespaces if that is possible. Where root cannot make one, as in many containers, a line says so.
    pub(crate) fn new() -> Self {
        match Switch::new() {
            Ok(switch) => Self(Some(Arc::new(switch))),
            Err(error) => {
                if rustix::process::geteuid().is_root() {
                    eprintln!(
                        "history: root cannot make network namespaces here ({error}): all run on loopback addresses"
                    );
                }
                Self(None)
            }
        }
    }

    /// Moves the calling thread into the switch.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |switch| switch.namespace.enter())
    }

    /// Whether packets can be dropped.
    pub(crate) fn has_packets(&self) -> bool {
        self.0.is_some()
    }

    /// Whether packets can be made late.
    pub(crate) fn has_slowness(&self) -> bool {
        self.0.as_ref().is_some_and(|switch| switch.slowness.is_some())
    }

    /// An address of the switch, for a socket that this process is about to open.
    pub(super) fn own(&self, address: Ipv4Addr) -> io::Result<SocketAddr> {
        if self.has_packets() { Ok((address, 0).into()) } else { own_port() }
    }

    /// Another host.
    pub(super) fn host(&self) -> io::Result<Host> {
        self.0.as_ref().map_or(Ok(Host::of_loopback()), Host::new)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("loopback"),
            Some(switch) => write!(f, "namespaces, slow by {}", switch.slowness.unwrap_or("nothing")),
        }
    }
}

impl Switch {
    /// # Errors
    /// Also if it turns out that its hosts could not be used.
    fn new() -> io::Result<Self> {
        let mut switch = Self { namespace: Namespace::new()?, hosts: AtomicU8::new(0), slowness: None };
        let bridge = "link add name bridge type bridge\nlink set bridge up\n";
        let addresses = format!("addr add {SWITCH}/16 dev bridge\naddr add {TO_ETCD}/16 dev bridge\n");
        switch.namespace.tell("ip", &format!("{LOCAL_LAST}{bridge}{addresses}"))?;
        for how in SLOWNESS {
            match switch.namespace.tell("tc", &format!("qdisc add dev bridge root {how}\n")) {
                Ok(()) => {
                    switch.namespace.tell("tc", "qdisc del dev bridge root\n")?;
                    switch.slowness = Some(how);
                    break;
                }
                Err(error) => eprintln!("history: packets cannot be late by {how:?}: {error}"),
            }
        }
        let switch = Arc::new(switch);
        let mut probe = Host::new(&switch)?;
        probe.stop_hearing(SWITCH)?;
        probe.stop_reaching(SWITCH)?;
        probe.mend()?;
        drop(probe);
        Ok(Arc::into_inner(switch).expect("the probe is gone"))
    }
}
