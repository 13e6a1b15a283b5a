//! A short run: some faults, one etcd of three members, and nothing that breaks the rules.

use history::{Plan, run};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_faults_break_no_promise() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let plan = Plan { seed, members: 3, clients: 10, faults: 20, time: Duration::from_secs(65) };
    let report = run(plan).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!("{report}");
    assert!(report.findings.is_empty(), "{report}");
    assert!(report.faults.values().sum::<usize>() >= 3 && report.calls[0] > 100, "too little happened: {report}");
}
