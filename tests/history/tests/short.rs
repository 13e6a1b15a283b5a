//! A short run: many faults of several pairs of servers over one etcd of three members, and nothing that breaks the rules.

use history::{Plan, run};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Less than that were no test. Some 200 come about in that time where the machine has nothing else to do.
const FAULTS_MIN: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_faults_break_no_promise() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let time = Duration::from_secs(100);
    let plan = Plan { seed, pairs: 8, clients: 5, pause_ms: 300, faults: 200, calm_ms: 600, time, ..Plan::default() };
    let report = run(plan).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{report}");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.count() >= FAULTS_MIN && report.calls[0] > 1000, "too little happened: {report}");
}
