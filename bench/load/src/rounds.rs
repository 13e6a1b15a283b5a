//! A workload, round by round, each server in turn.

use crate::Arguments;
use crate::echo::Echo;
use crate::etcd::Etcd;
use crate::etcdctl::Etcdctl;
use crate::fault::Fault;
use crate::lockserver::{Lockserver, Speech};
use crate::loops::{self, Round};
use crate::old::Old;
use crate::peer::Peer;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::report::{Report, median, short};
use crate::throttle::Throttle;
use crate::workload::{Kind, Workload};
use std::path::Path;
use tempfile::TempDir;

/// Somebody who is measured.
pub(crate) struct Measured {
    /// What it is.
    pub(crate) kind: Kind,
    /// For people.
    pub(crate) name: String,
    /// Its server.
    pub(crate) peer: Box<dyn Peer>,
    /// The rounds so far.
    pub(crate) rounds: Vec<Round>,
    _home: TempDir,
}

/// How a server is started in a directory.
type Start<'a> = &'a dyn Fn(&Path) -> Result<Box<dyn Peer>, Fault>;

/// Starts them all, as far as they are wanted. A peer that cannot be started is named and left out.
pub(crate) fn start(arguments: &Arguments, kinds: &[Kind]) -> Result<(Vec<Measured>, Vec<String>), Fault> {
    let (mut started, mut absent) = (Vec::new(), Vec::new());
    for kind in kinds.iter().copied().filter(|kind| *kind == Kind::Echo || arguments.wants(kind.name())) {
        let mut add = |name: String, made: Start<'_>| {
            let home = home(arguments)?;
            started.push(Measured { kind, name, peer: made(home.path())?, rounds: Vec::new(), _home: home });
            Ok::<_, Fault>(())
        };
        match kind {
            Kind::Shared { members } => {
                for (which, binary) in arguments.lockservers() {
                    let started = add(format!("{}{which}", kind.name()), &|home| {
                        Ok(Box::new(Lockserver::start_on(binary, Etcd::start(members, home)?, home)?))
                    });
                    if let Err(error) = started {
                        absent.push(format!("{}: {}", kind.name(), error.to_string().trim()));
                    }
                }
            }
            Kind::Json { memory } | Kind::XmlRpc { memory } => {
                let speech = if matches!(kind, Kind::Json { .. }) { Speech::Json } else { Speech::XmlRpc };
                for (which, binary) in arguments.lockservers() {
                    add(format!("{}{which}", kind.name()), &|home| {
                        Ok(Box::new(Lockserver::start(binary, memory, speech, home)?))
                    })?;
                }
            }
            Kind::Echo | Kind::EchoTcp => {
                add(kind.name().to_owned(), &|home| Ok(Box::new(Echo::start(kind == Kind::EchoTcp, home)?)))?;
            }
            other => {
                if let Err(error) = add(kind.name().to_owned(), &|home| foreign(arguments, other, home)) {
                    absent.push(format!("{}: {}", kind.name(), error.to_string().trim()));
                }
            }
        }
    }
    Ok((started, absent))
}

fn foreign(arguments: &Arguments, kind: Kind, home: &Path) -> Result<Box<dyn Peer>, Fault> {
    Ok(match kind {
        Kind::Throttle => Box::new(Throttle::start(home)?),
        Kind::Redis { flushed } => Box::new(Redis::start(flushed, home)?),
        Kind::Etcd => Box::new(Etcd::start(1, home)?),
        Kind::Etcdctl => Box::new(Etcdctl::start(home)?),
        Kind::Postgres => Box::new(Postgres::start(home)?),
        _ => match (&arguments.python2, &arguments.published) {
            (Some(python), Some(source)) => Box::new(Old::start(python, source, home)?),
            _ => return Err("there is no Python 2.7".into()),
        },
    })
}

/// A directory for a server, on the disk that is measured.
pub(crate) fn home(arguments: &Arguments) -> Result<TempDir, Fault> {
    Ok(TempDir::with_prefix_in("load-", &arguments.directory)?)
}

/// What divides: of each round the one by the other, for what else the machine did then hit both.
fn ratio(one: &Measured, other: &Measured) -> f64 {
    median(one.rounds.iter().zip(&other.rounds).map(|(one, other)| one.rate / other.rate))
}

/// Measures a workload.
pub(crate) async fn measure(arguments: &Arguments, workload: &Workload, report: &mut Report) -> Result<(), Fault> {
    let mut load = workload.load;
    load.clients = arguments.clients.unwrap_or(load.clients);
    load.rate = load.rate.map(|_| arguments.rate);
    let (mut all, absent) = start(arguments, workload.peers)?;
    for number in 1..=arguments.rounds {
        for one in &mut all {
            let round = loops::run(one.peer.as_ref(), load, arguments.round()).await;
            let round = round.map_err(|error| format!("{}, {}: {error}", workload.name, one.name))?;
            eprintln!("{} {number}/{} {}: {:.0}/s", workload.name, arguments.rounds, one.name, round.rate);
            one.rounds.push(round);
        }
    }
    let row = |one: &Measured| -> Vec<String> {
        let of = |value: fn(&Round) -> f64| short(median(one.rounds.iter().map(value)));
        vec![
            one.name.clone(),
            of(|round| round.rate),
            short(ratio(one, &all[0])),
            of(|round| round.cpu_us),
            of(|round| round.quantile_us(0.5)),
            of(|round| round.quantile_us(0.99)),
            of(|round| round.quantile_us(0.999)),
            short(loops::fairness(&one.rounds)),
        ]
    };
    let head = ["", "cycles/s", "of echo", "CPU", "p50", "p99", "p99.9", "fewest/most"];
    // One client has nobody to be compared with.
    let columns = if load.clients > 1 { head.len() } else { head.len() - 1 };
    let title = format!("{} (`{}`)", workload.about, workload.name);
    let about = match load.rate {
        Some(rate) => format!("{rate} cycles are due each second. The time of one begins when it was due."),
        None => String::new(),
    };
    let rows = all.iter().map(|one| row(one)[..columns].to_vec()).collect::<Vec<_>>();
    report.section(&title, &about, &head[..columns], &rows);
    for why in absent {
        report.note(&format!("Not measured: {why}."));
    }
    for (kind, against, bound) in workload.ratios {
        let what = format!("`{}`: {} / {}", workload.name, kind.name(), against.name());
        let other = all.iter().find(|one| one.kind == *against);
        for one in all.iter().filter(|one| one.kind == *kind) {
            match other {
                Some(other) => report.at_least(what.replace(kind.name(), &one.name), ratio(one, other), *bound),
                None => report.missing(what.clone()),
            }
        }
    }
    if !load.own {
        for one in all.iter().filter(|one| matches!(one.kind, Kind::Json { .. })) {
            let got = loops::fairness(&one.rounds);
            report.at_least(format!("`{}`: {}, fewest/most", workload.name, one.name), got, 0.95);
        }
    }
    Ok(())
}
