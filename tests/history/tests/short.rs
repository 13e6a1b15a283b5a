//! A short run: many faults of several pairs of servers over one etcd of three members, and nothing that breaks the rules.

use history::{Plan, run};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Faults of a run on a machine that has nothing else to do.
const FAULTS: usize = 200;
/// On a busy machine, where fewer servers share etcd, so many are enough.
const FAULTS_OF_BUSY: usize = 40;
/// Pairs of servers on a busy machine.
const PAIRS_OF_BUSY: usize = 2;

#[test]
fn two_hundred_faults_break_no_promise() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let time = Duration::from_secs(100);
    let pairs = pairs();
    let (clients, pause_ms, calm_ms) = (5, 300, 600);
    let (faults, at_least) = (FAULTS, if pairs == PAIRS_OF_BUSY { FAULTS_OF_BUSY } else { FAULTS });
    let plan = Plan { seed, pairs, clients, pause_ms, faults, at_least, calm_ms, time, ..Plan::default() };
    let report = run(plan).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{report}");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.count() >= at_least && report.calls[0] > 1000, "too little happened: {report}");
}

/// As many as the machine can do with what it has left: where etcd is starved, it serves nobody for minutes.
fn pairs() -> usize {
    let load = std::fs::read_to_string("/proc/loadavg").expect("there is /proc");
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).expect("it begins with a number");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let is_busy = load > 3.0 * f64::from(u32::try_from(processors).expect("few"));
    if is_busy { PAIRS_OF_BUSY } else { (4 * processors).min(8) }
}
