//! What 0.36 was made for: jobs through a lock that lets two in, with the published client's rhythm.

use crate::Arguments;
use crate::fault::Fault;
use crate::peer::{Lock, Peer};
use crate::report::{Report, median};
use crate::rounds;
use crate::workload::Kind;
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_blocking};

const JOBS: usize = 12;
const JOB: Duration = Duration::from_millis(200);
/// All jobs, two at a time, without a pause.
const IDEAL_S: f64 = 1.2;
const SHARE_OF_IDEAL: f64 = 0.97;

/// Measures it.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> Result<(), Fault> {
    let sqlite = Kind::XmlRpc { memory: false };
    let (all, absent) = rounds::start(arguments, &[sqlite, Kind::XmlRpc { memory: true }, Kind::Old])?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for number in 1..=arguments.rounds {
        for (one, times) in all.iter().zip(&mut times) {
            times.push(run(one.peer.as_ref()).await.map_err(|error| format!("jobs, {}: {error}", one.name))?);
            eprintln!("jobs {number}/{} {}: {:.3} s", arguments.rounds, one.name, times[number - 1]);
        }
    }
    let mut rows = Vec::new();
    for (one, times) in all.iter().zip(&times) {
        let seconds = median(times.iter().copied());
        rows.push(vec![one.name.clone(), format!("{seconds:.3}"), format!("{:.3}", IDEAL_S / seconds)]);
        if one.kind == sqlite {
            report.at_least(format!("`jobs`: ideal / {}", one.name), IDEAL_S / seconds, SHARE_OF_IDEAL);
        }
    }
    let about = "12 clients of 0.36, each with a job of 0.2 s, share a lock of size 2: 1.2 s is ideal.";
    report.section("Jobs (`jobs`)", about, &["", "seconds", "of ideal"], &rows);
    for why in absent {
        report.note(&format!("Not measured: {why}."));
    }
    Ok(())
}

/// Seconds until all are done.
async fn run(peer: &dyn Peer) -> Result<f64, Fault> {
    let mut clients = Vec::new();
    for _ in 0..JOBS {
        clients.push(peer.client(Lock::Two, 3).await?);
    }
    let mut work = JoinSet::new();
    let begin = Instant::now();
    for mut client in clients {
        work.spawn(async move {
            client.take().await?;
            // A timer of the runtime is up to a millisecond late, each time.
            spawn_blocking(|| thread::sleep(JOB)).await?;
            client.give_back().await
        });
    }
    while let Some(done) = work.join_next().await {
        done??;
    }
    Ok(begin.elapsed().as_secs_f64())
}
