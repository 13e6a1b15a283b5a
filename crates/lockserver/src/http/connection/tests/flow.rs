//! The state of a connection by itself, in invented time.

use super::super::flow::{Flow, Overdue};
use super::*;
use tokio::time::Instant as Clock;

const MS: Duration = Duration::from_millis(1);

fn deadline(flow: &Flow, began: Clock) -> Option<(Duration, Overdue)> {
    flow.deadline(&Limits::default()).map(|(at, why)| (at - began, why))
}

#[test]
fn each_phase_has_its_deadline() {
    let limits = Limits::default();
    let began = Clock::now();
    let mut flow = Flow::new(began);
    assert_eq!(deadline(&flow, began), Some((limits.idle_time, Overdue::Idle)));
    flow.read(b"\r\n", began + 5 * MS);
    assert!(flow.is_idle(), "line ends are no request");
    flow.read(b"GET", began + 10 * MS);
    flow.read(b" /", began + 500 * MS);
    assert_eq!(deadline(&flow, began), Some((limits.header_time + 10 * MS, Overdue::Head)), "from the first byte");
    flow.request();
    assert_eq!(deadline(&flow, began), None, "handlers have their own bounds");
    flow.blocked(began + 600 * MS);
    flow.blocked(began + 700 * MS);
    assert_eq!(deadline(&flow, began), Some((limits.write_time + 600 * MS, Overdue::Stalled)));
    flow.wrote(10);
    assert_eq!(deadline(&flow, began), None, "it moves on");
    assert!(!flow.flushed(began + 800 * MS), "the answer goes on");
    flow.answered(Vec::new());
    assert!(!flow.flushed(began + 900 * MS), "nobody waits for a receipt");
    assert_eq!(deadline(&flow, began), Some((limits.idle_time + 900 * MS, Overdue::Idle)));
}

#[test]
fn receipts_are_settled_by_what_was_acknowledged_and_no_more() {
    let (tell, told) = std::sync::mpsc::channel();
    let receipt = |name: &'static str| {
        let tell = tell.clone();
        let hear = move |reached| {
            let _ = tell.send((name, reached));
        };
        vec![Receipt::new(hear)]
    };
    let settle = |flow: &mut Flow, bytes, failed, now| {
        flow.acknowledged(bytes, failed, now).into_iter().for_each(|(receipt, reached)| receipt.settle(reached));
        told.try_iter().collect::<Vec<_>>()
    };
    let began = Clock::now();
    let mut flow = Flow::new(began);
    for (name, bytes) in [("a", 100), ("b", 50), ("c", 50)] {
        flow.request();
        flow.answered(receipt(name));
        flow.wrote(bytes);
        assert!(flow.flushed(began), "{name}");
    }
    assert!(!flow.is_idle(), "it owes receipts");
    assert_eq!(deadline(&flow, began), Some((Limits::default().receipt_time, Overdue::Unacknowledged)));
    assert_eq!(settle(&mut flow, 99, false, began), []);
    assert_eq!(settle(&mut flow, 150, false, began), [("a", true), ("b", true)]);
    assert_eq!(settle(&mut flow, 199, true, began), [("c", false)]);
    assert!(flow.is_idle());

    // A failure does not undo what had arrived before it.
    flow.answered(receipt("d"));
    flow.flushed(began);
    flow.answered(receipt("e"));
    assert_eq!(settle(&mut flow, 200, true, began), [("d", true)]);
    // What was never written is lost with the connection.
    drop(flow.abandon());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [("e", false)]);
}

#[test]
fn looks_for_an_acknowledgement_become_rarer() {
    let began = Clock::now();
    let mut flow = Flow::new(began);
    assert_eq!(flow.next_look(), None);
    flow.answered(vec![Receipt::new(|_| ())]);
    flow.wrote(1);
    flow.flushed(began);
    let (mut now, mut pauses) = (began, Vec::new());
    for _ in 0..10 {
        let next = flow.next_look().expect("awaited");
        pauses.push((next - now).as_millis());
        now = next;
        assert!(flow.acknowledged(0, false, now).is_empty());
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 100, 100]);
}

#[test]
fn connections_leave_room_for_other_files() {
    for (open_files, connections) in [(0, 1), (64, 1), (100, 36), (1024, 922), (20_000, 18_000), (u64::MAX, 200_000)] {
        assert_eq!(Limits::default().with_open_files(open_files).connections, connections, "{open_files}");
    }
}
