//! The workloads: who is loaded how, side by side.

use crate::closed::Load;

/// Whom a workload can be given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// lockserver, in memory or on disk.
    Json { memory: bool },
    /// The same over XML-RPC.
    XmlRpc { memory: bool },
    /// Bare hyper.
    Echo,
    /// Bare TCP.
    EchoTcp,
}

impl Kind {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json { memory: true } => "lockserver, memory",
            Self::Json { memory: false } => "lockserver, sqlite",
            Self::XmlRpc { memory: true } => "lockserver, XML-RPC, memory",
            Self::XmlRpc { memory: false } => "lockserver, XML-RPC, sqlite",
            Self::Echo => "bare hyper echo",
            Self::EchoTcp => "bare TCP echo",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) about: &'static str,
    /// How everybody is loaded.
    pub(crate) load: Load,
    /// Who is.
    pub(crate) peers: &'static [Kind],
}

const MEMORY: Kind = Kind::Json { memory: true };
const SQLITE: Kind = Kind::Json { memory: false };

/// All of them.
pub(crate) const ALL: [Workload; 4] = [
    Workload {
        name: "own-locks",
        about: "32 clients, each with a lock of its own",
        load: Load { clients: 32, own: true, requests: 2 },
        peers: &[Kind::Echo, MEMORY, SQLITE, Kind::EchoTcp],
    },
    Workload {
        name: "one-lock",
        about: "32 clients, one lock of 1",
        load: Load { clients: 32, own: false, requests: 2 },
        peers: &[Kind::Echo, MEMORY, SQLITE],
    },
    Workload {
        name: "one-client",
        about: "one client, a lock of its own",
        load: Load { clients: 1, own: true, requests: 2 },
        peers: &[Kind::Echo, MEMORY, SQLITE, Kind::EchoTcp],
    },
    Workload {
        name: "xmlrpc",
        about: "32 clients over XML-RPC, each with a lock of its own",
        load: Load { clients: 32, own: true, requests: 3 },
        peers: &[Kind::Echo, Kind::XmlRpc { memory: true }, Kind::XmlRpc { memory: false }],
    },
];
