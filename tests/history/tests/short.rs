//! A short run: many faults of several pairs of servers over one etcd of three members, and nothing that breaks the rules.

use history::{Plan, run};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Less than that were no test. Some 200 come about in that time where the machine has nothing else to do.
const FAULTS_MIN: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_faults_break_no_promise() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let time = Duration::from_secs(100);
    let pairs = pairs();
    let (clients, pause_ms, calm_ms) = (5, 300, 600);
    let (faults, at_least) = (200, FAULTS_MIN);
    let plan = Plan { seed, pairs, clients, pause_ms, faults, at_least, calm_ms, time, ..Plan::default() };
    let report = run(plan).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{report}");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.count() >= FAULTS_MIN && report.calls[0] > 1000, "too little happened: {report}");
}

/// As many as the machine can do with what it has left: where etcd is starved, it serves nobody for minutes.
fn pairs() -> usize {
    let load = std::fs::read_to_string("/proc/loadavg").expect("there is /proc");
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).expect("it begins with a number");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let is_busy = load > 3.0 * f64::from(u32::try_from(processors).expect("few"));
    if is_busy { 2 } else { (4 * processors).min(8) }
}
