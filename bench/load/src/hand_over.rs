//! Handing a lock over: how fast it goes from one to the next, beside the limit, and beside locks of one machine.
//!
//! The limit is one flush and one round trip over HTTP, for nobody may be told before the disk has it.

use crate::Arguments;
use crate::disk;
use crate::etcd::Etcd;
use crate::fault::Fault;
use crate::loops::{self, Load};
use crate::of_machine::OfMachine;
use crate::peer::{Lock, Peer};
use crate::report::{Report, median, short};
use crate::rounds::{self, Measured};
use crate::workload::{Kind, MEMORY, ON_ETCD, ON_THREE, REDIS_FLUSHED, SQLITE};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Two clients: one has the lock, the other waits.
const PAIR: Load = Load { clients: 2, own: false, requests: 2, rate: None };
/// A request and its answer.
const ROUND_TRIP: Load = Load { clients: 1, own: true, requests: 1, rate: None };
/// What is to be reached of the limit.
const SHARE_OF_LIMIT: f64 = 0.7;
/// On etcd, at most this much of the time of one transaction and one round trip.
const OF_LIMIT_ON_ETCD: f64 = 1.3;
/// The same as a rate.
const SHARE_ON_ETCD: f64 = 0.77;
/// How long the next one has waited when the lock is given back. By then it surely waits; if not, its way is counted, too.
pub(crate) const WAITS: Duration = Duration::from_millis(20);
/// How long etcd rests before a transaction that is timed: as long as since lockserver has committed that somebody waits, which it does
/// after 10 ms and in some 3 ms, if not with another commit.
const RESTS: Duration = Duration::from_millis(WAITS.as_millis() as u64 - 13);
/// Hand-overs of a round that are timed one by one.
const TIMED: usize = 10;

/// Measures it.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let kinds = [
        Kind::Echo,
        SQLITE,
        REDIS_FLUSHED,
        Kind::Etcd,
        ON_ETCD,
        ON_THREE,
        MEMORY,
        Kind::Throttle,
        Kind::Redis { flushed: false },
        Kind::Postgres,
    ];
    let (mut all, absent) = rounds::start(arguments, &kinds)?;
    let home = rounds::home(arguments)?;
    // Those that nobody else uses: what a transaction takes is a limit, too.
    let mut bare = Vec::new();
    for kind in [ON_ETCD, ON_THREE] {
        if all.iter().any(|one| one.kind == kind) {
            bare.push(Bare::start(kind, home.path())?);
        }
    }
    let (mut flushes, mut limits) = (Vec::new(), Vec::new());
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    let mut of_machine = OfMachine::all(arguments, home.path());
    for number in 1..=arguments.rounds {
        flushes.push(disk::flushes_a_second(home.path(), arguments.round())?);
        for (one, times) in all.iter_mut().zip(&mut times) {
            let load = if one.kind == Kind::Echo { ROUND_TRIP } else { PAIR };
            let round = loops::run(one.peer.as_ref(), load, arguments.round()).await;
            let round = round.map_err(|error| format!("hand-over, {}: {error}", one.name))?;
            eprintln!("hand-over {number}/{} {}: {:.0}/s", arguments.rounds, one.name, round.rate);
            one.rounds.push(round);
            for _ in 0..TIMED {
                times.push(match one.kind {
                    Kind::Echo => trip(one.peer.as_ref()).await?,
                    _ => timed(one.peer.as_ref()).await?,
                });
            }
        }
        let trips = all[0].rounds[number - 1].rate;
        limits.push(1.0 / (1.0 / flushes[number - 1] + 1.0 / trips));
        for bare in &mut bare {
            let transactions = bare.etcd.transactions_a_second(arguments.round()).await?;
            bare.transactions.push(transactions);
            bare.limits.push(1.0 / (1.0 / transactions + 1.0 / trips));
            for _ in 0..TIMED {
                bare.times.push(bare.etcd.transaction_after(RESTS).await?);
            }
        }
        for one in &mut of_machine {
            for _ in 0..TIMED {
                one.times.push(one.how.hands_over()?);
            }
            one.out_of_turn.push(one.how.out_of_turn()?);
        }
    }
    let of =
        |one: &Measured, limits: &[f64]| median(one.rounds.iter().zip(limits).map(|(round, limit)| round.rate / limit));
    let share = |one: &Measured| of(one, &limits);
    let ms = |times: &[f64]| short(median(times.iter().map(|time| time * 1e3)));
    let row =
        |name: &str, rate: String, share: String, time: String| vec![name.to_owned(), rate, share, time, String::new()];
    let mut rows = vec![
        row("fdatasync, 4 KiB", short(median(flushes.into_iter())), String::new(), String::new()),
        row(
            "round trip to hyper",
            short(median(all[0].rounds.iter().map(|round| round.rate))),
            String::new(),
            ms(&times[0]),
        ),
        row("limit: both", short(median(limits.iter().copied())), "1".to_owned(), String::new()),
    ];
    let one = |times: &[f64]| median(times.iter().copied());
    for bare in &bare {
        let rate = |rates: &[f64]| short(median(rates.iter().copied()));
        let (transaction, limit) = (format!("transaction of {}", bare.of), format!("limit with {}", bare.of));
        rows.push(row(&transaction, rate(&bare.transactions), String::new(), ms(&bare.times)));
        let both = one(&bare.times) + one(&times[0]);
        rows.push(row(&limit, rate(&bare.limits), String::new(), short(both * 1e3)));
    }
    for (one, times) in all.iter().zip(&times).skip(1) {
        let rate = short(median(one.rounds.iter().map(|round| round.rate)));
        rows.push(row(&one.name, rate, short(share(one)), ms(times)));
    }
    for one in &of_machine {
        let mut row = row(one.how.name(), String::new(), String::new(), ms(&one.times));
        row[4] = short(median(one.out_of_turn.iter().map(|count| *count as f64)));
        rows.push(row);
    }
    let about =
        "Two clients hand a lock of size 1 to one another. *One* is the time until the client that waits has it.";
    let head = ["", "a second", "of limit", "one, ms", "out of turn, of 8"];
    report.section("Handing over (`hand-over`)", about, &head, &rows);
    report.note("Out of turn: how many of 8 that wait for a lock of one machine are served before an earlier one.");
    for why in absent {
        report.note(&format!("Not measured: {why}."));
    }
    for one in all.iter().filter(|one| one.kind == SQLITE) {
        let what = format!("`hand-over`: {} / limit", one.name);
        report.at_least(what, share(one), SHARE_OF_LIMIT);
    }
    for bare in &bare {
        for (measured, times_of) in all.iter().zip(&times).filter(|(measured, _)| measured.kind == bare.kind) {
            let limits = rounds_of(&bare.times).zip(rounds_of(&times[0])).map(|(transaction, trip)| transaction + trip);
            let share = median(rounds_of(times_of).zip(limits).map(|(time, limit)| time / limit));
            let what = format!("`hand-over`: {}: time of one / limit with {}", measured.name, bare.of);
            report.at_most(what, share, OF_LIMIT_ON_ETCD, "");
            let what = format!("`hand-over`: {}: rate / limit with {}", measured.name, bare.of);
            report.at_least(what, of(measured, &bare.limits), SHARE_ON_ETCD);
        }
    }
    Ok(())
}

/// The median of each round.
fn rounds_of(times: &[f64]) -> impl Iterator<Item = f64> {
    times.chunks(TIMED).map(|round| median(round.iter().copied()))
}

/// An etcd whose only work are transactions like those of a hand-over.
struct Bare {
    /// On what kind of it lockserver is measured.
    kind: Kind,
    of: &'static str,
    etcd: Etcd,
    /// A second, in each round.
    transactions: Vec<f64>,
    limits: Vec<f64>,
    /// Seconds of one, after a pause.
    times: Vec<f64>,
    _home: TempDir,
}

impl Bare {
    fn start(kind: Kind, home: &Path) -> Result<Self, Fault> {
        let (of, members) = if kind == ON_THREE { ("etcd of three", 3) } else { ("etcd", 1) };
        let home = TempDir::with_prefix_in("bare-", home)?;
        let etcd = Etcd::start(members, home.path())?;
        Ok(Self { kind, of, etcd, transactions: Vec::new(), limits: Vec::new(), times: Vec::new(), _home: home })
    }
}

/// Seconds of a round trip, after the same pause.
async fn trip(peer: &dyn Peer) -> Result<f64, Fault> {
    let mut client = peer.client(Lock::One, ROUND_TRIP.requests).await?;
    client.give_back().await?;
    tokio::time::sleep(WAITS).await;
    let begin = Instant::now();
    client.give_back().await?;
    Ok(begin.elapsed().as_secs_f64())
}

/// Seconds from giving back until the next one has it.
async fn timed(peer: &dyn Peer) -> Result<f64, Fault> {
    let mut holder = peer.client(Lock::One, PAIR.requests).await?;
    let mut next = peer.client(Lock::One, PAIR.requests).await?;
    holder.take().await?;
    let waiting = tokio::spawn(async move {
        next.take().await?;
        Ok::<_, Fault>((Instant::now(), next))
    });
    tokio::time::sleep(WAITS).await;
    let begin = Instant::now();
    holder.give_back().await?;
    let (end, mut next) = waiting.await??;
    next.give_back().await?;
    Ok((end - begin).as_secs_f64())
}
