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
use crate::workload::{Kind, MEMORY, REDIS_FLUSHED, SQLITE};
use std::time::{Duration, Instant};

/// Two clients: one has the lock, the other waits.
const PAIR: Load = Load { clients: 2, own: false, requests: 2, rate: None };
/// A request and its answer.
const ROUND_TRIP: Load = Load { clients: 1, own: true, requests: 1, rate: None };
/// What is to be reached of the limit.
const SHARE_OF_LIMIT: f64 = 0.7;
/// The same on etcd: within 1.3 of one transaction and one round trip.
const SHARE_ON_ETCD: f64 = 0.77;
/// How long the next one has waited when the lock is given back. By then it surely waits; if not, its way is counted, too.
pub(crate) const WAITS: Duration = Duration::from_millis(20);
/// Hand-overs of a round that are timed one by one.
const TIMED: usize = 10;

/// Measures it.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let kinds = [
        Kind::Echo,
        SQLITE,
        REDIS_FLUSHED,
        Kind::Etcd,
        Kind::Shared,
        MEMORY,
        Kind::Throttle,
        Kind::Redis { flushed: false },
        Kind::Postgres,
    ];
    let (mut all, absent) = rounds::start(arguments, &kinds)?;
    let home = rounds::home(arguments)?;
    // One that nobody else uses: what a transaction takes is a limit, too.
    let etcd = arguments.wants(Kind::Shared.name()).then(|| Etcd::start(home.path())).and_then(Result::ok);
    let (mut flushes, mut limits) = (Vec::new(), Vec::new());
    let (mut transactions, mut limits_on_etcd) = (Vec::new(), Vec::new());
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
            if one.kind != Kind::Echo {
                for _ in 0..TIMED {
                    times.push(timed(one.peer.as_ref()).await?);
                }
            }
        }
        let trips = all[0].rounds[number - 1].rate;
        limits.push(1.0 / (1.0 / flushes[number - 1] + 1.0 / trips));
        if let Some(etcd) = &etcd {
            transactions.push(etcd.transactions_a_second(arguments.round()).await?);
            limits_on_etcd.push(1.0 / (1.0 / transactions[number - 1] + 1.0 / trips));
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
            String::new(),
        ),
        row("limit: both", short(median(limits.iter().copied())), "1".to_owned(), String::new()),
    ];
    if etcd.is_some() {
        let rate = |rates: &[f64]| short(median(rates.iter().copied()));
        rows.push(row("transaction of etcd", rate(&transactions), String::new(), String::new()));
        rows.push(row("limit with etcd", rate(&limits_on_etcd), String::new(), String::new()));
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
    for one in all.iter().filter(|one| one.kind == Kind::Shared && etcd.is_some()) {
        let what = format!("`hand-over`: {} / limit with etcd", one.name);
        report.at_least(what, of(one, &limits_on_etcd), SHARE_ON_ETCD);
    }
    Ok(())
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
