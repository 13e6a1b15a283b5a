//! The workloads that are loops of cycles: each with its load, side by side, and its expected result.

use crate::loops::Load;

/// Whom a workload can be given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bare hyper.
    Echo,
    /// Bare TCP.
    EchoTcp,
    /// lockserver, in memory or on disk.
    Json { memory: bool },
    /// lockserver, alone on an etcd of so many members.
    Shared { members: usize },
    /// The same as `Json` over XML-RPC.
    XmlRpc { memory: bool },
    /// throttle.
    Throttle,
    /// Redis, in memory or with each change flushed.
    Redis { flushed: bool },
    /// etcd, by its lock service.
    Etcd,
    /// etcd, by its command.
    Etcdctl,
    /// PostgreSQL.
    Postgres,
    /// lockserver 0.36.
    Old,
}

impl Kind {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::EchoTcp => "TCP echo",
            Self::Json { memory: true } | Self::XmlRpc { memory: true } => "lockserver, memory",
            Self::Json { memory: false } | Self::XmlRpc { memory: false } => "lockserver, sqlite",
            Self::Shared { members: 1 } => "lockserver, etcd",
            Self::Shared { .. } => "lockserver, etcd of three",
            Self::Throttle => "throttle",
            Self::Redis { flushed: false } => "Redis, memory",
            Self::Redis { flushed: true } => "Redis, flushed",
            Self::Etcd => "etcd",
            Self::Etcdctl => "etcdctl lock",
            Self::Postgres => "PostgreSQL",
            Self::Old => "lockserver 0.36",
        }
    }
}

/// A ratio that is to be reached: whose rate, divided by whose, and at least how much.
pub(crate) type Ratio = (Kind, Kind, f64);

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
    /// What is to be reached.
    pub(crate) ratios: &'static [Ratio],
}

pub(crate) const MEMORY: Kind = Kind::Json { memory: true };
pub(crate) const SQLITE: Kind = Kind::Json { memory: false };
const REDIS: Kind = Kind::Redis { flushed: false };
pub(crate) const ON_ETCD: Kind = Kind::Shared { members: 1 };
pub(crate) const ON_THREE: Kind = Kind::Shared { members: 3 };
pub(crate) const REDIS_FLUSHED: Kind = Kind::Redis { flushed: true };
const XMLRPC: Kind = Kind::XmlRpc { memory: true };

const OWN: Load = Load { clients: 32, own: true, requests: 2, rate: None };

/// Everybody that has locks, beside the echo that all are compared with.
const LOCKERS: [Kind; 9] =
    [Kind::Echo, MEMORY, Kind::Throttle, REDIS, Kind::Postgres, SQLITE, REDIS_FLUSHED, Kind::Etcd, ON_ETCD];
/// The same, and what TCP alone allows.
const WITH_LIMITS: [Kind; 11] = {
    let [echo, memory, throttle, redis, postgres, sqlite, flushed, etcd, shared] = LOCKERS;
    [echo, memory, throttle, redis, postgres, sqlite, flushed, etcd, Kind::Etcdctl, shared, Kind::EchoTcp]
};

/// All of them.
pub(crate) const ALL: [Workload; 6] = [
    Workload {
        name: "own-locks",
        about: "32 clients, each with a lock of its own",
        load: OWN,
        peers: &WITH_LIMITS,
        ratios: &[
            (MEMORY, Kind::Echo, 0.75),
            (MEMORY, Kind::Throttle, 1.0),
            (SQLITE, REDIS_FLUSHED, 1.3),
            (ON_ETCD, Kind::Etcdctl, 5.0),
            (ON_ETCD, Kind::Etcd, 1.0),
        ],
    },
    Workload {
        name: "one-lock",
        about: "32 clients, one lock of size 1",
        load: Load { own: false, ..OWN },
        peers: &LOCKERS,
        ratios: &[(MEMORY, Kind::Throttle, 1.3), (MEMORY, REDIS, 1.3), (SQLITE, REDIS_FLUSHED, 1.3)],
    },
    Workload {
        name: "one-client",
        about: "one client, a lock of its own",
        load: Load { clients: 1, ..OWN },
        peers: &WITH_LIMITS,
        ratios: &[(MEMORY, Kind::Throttle, 0.8)],
    },
    Workload {
        name: "xmlrpc",
        about: "32 clients over XML-RPC, each with a lock of its own",
        load: Load { requests: 3, ..OWN },
        peers: &[Kind::Echo, XMLRPC, Kind::XmlRpc { memory: false }],
        ratios: &[(XMLRPC, Kind::Echo, 0.6)],
    },
    Workload {
        name: "old-rhythm",
        about: "one client over XML-RPC, a free lock",
        load: Load { clients: 1, requests: 3, ..OWN },
        peers: &[Kind::Echo, XMLRPC, Kind::XmlRpc { memory: false }, Kind::Old],
        ratios: &[],
    },
    Workload {
        name: "open-loop",
        about: "64 clients with locks of their own, cycles due at fixed times",
        load: Load { clients: 64, rate: Some(0.0), ..OWN },
        peers: &LOCKERS,
        ratios: &[],
    },
];
