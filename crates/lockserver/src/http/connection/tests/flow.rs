//! The state of a connection by itself, in invented time.

use super::super::delivery::Wire;
use super::super::flow::{Flow, Overdue, Settled};
use super::super::frames::{Frame, Frames};
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
    flow.answered(0, Vec::new());
    assert!(!flow.flushed(began + 900 * MS), "nobody waits for a receipt");
    assert_eq!(deadline(&flow, began), Some((limits.idle_time + 900 * MS, Overdue::Idle)));
}

#[test]
fn receipts_are_settled_by_what_was_acknowledged_and_no_more() {
    let (tell, told) = std::sync::mpsc::channel();
    let receipt = |name: &'static str| {
        let tell = tell.clone();
        let hear = move |delivery| {
            let _ = tell.send((name, delivery));
        };
        vec![Receipt::new(hear)]
    };
    let heard = |settled: Settled| {
        settled.into_iter().for_each(|(receipt, delivery)| receipt.resolve(delivery));
        told.try_iter().collect::<Vec<_>>()
    };
    let wire = |acknowledged, over| Wire { sent: 200, acknowledged, over };
    let began = Clock::now();
    let mut flow = Flow::new(began);
    for (name, bytes) in [("a", 100), ("b", 50), ("c", 50)] {
        flow.request();
        flow.answered(flow.written(), receipt(name));
        flow.wrote(bytes);
        assert!(flow.flushed(began), "{name}");
    }
    assert!(!flow.is_idle(), "it owes receipts");
    assert_eq!(deadline(&flow, began), Some((Limits::default().receipt_time, Overdue::Unacknowledged)));
    assert_eq!(heard(flow.looked(wire(99, false), began)), []);
    assert_eq!(heard(flow.looked(wire(150, false), began)), [("a", Delivered), ("b", Delivered)]);
    assert_eq!(heard(flow.looked(wire(199, true), began)), [("c", Unknown)]);
    assert!(flow.is_idle());

    // The end does not undo what had arrived before it, and what was not sent before it never is.
    flow.answered(200, receipt("d"));
    flow.wrote(10);
    flow.flushed(began);
    flow.cut(205, receipt("e"));
    flow.answered(210, receipt("f"));
    flow.wrote(10);
    flow.flushed(began);
    flow.answered(220, receipt("g"));
    let end = Wire { sent: 210, acknowledged: 210, over: true };
    assert_eq!(heard(flow.looked(end, began)), [("d", Delivered), ("f", Unsent)]);
    assert_eq!(heard(flow.abandon(end)), [("g", Unsent), ("e", Unknown)]);
}

#[test]
fn looks_for_an_acknowledgement_become_rarer() {
    let began = Clock::now();
    let mut flow = Flow::new(began);
    assert_eq!(flow.next_look(), None);
    flow.answered(0, vec![Receipt::new(|_| ())]);
    flow.wrote(1);
    flow.flushed(began);
    let (mut now, mut pauses) = (began, Vec::new());
    for _ in 0..10 {
        let next = flow.next_look().expect("awaited");
        pauses.push((next - now).as_millis());
        now = next;
        assert!(flow.looked(Wire { sent: 1, acknowledged: 0, over: false }, now).is_empty());
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 100, 100]);
}

#[test]
fn connections_leave_room_for_other_files() {
    for (open_files, connections) in [(0, 1), (64, 1), (100, 36), (1024, 922), (20_000, 18_000), (u64::MAX, 200_000)] {
        assert_eq!(Limits::default().with_open_files(open_files).connections, connections, "{open_files}");
    }
}

#[test]
fn answers_of_streams_are_written_when_their_last_frame_is() {
    let (tell, told) = std::sync::mpsc::channel();
    let receipt = |name: &'static str| {
        let tell = tell.clone();
        let hear = move |delivery| {
            let _ = tell.send((name, delivery));
        };
        vec![Receipt::new(hear)]
    };
    let frame = |kind: u8, flags: u8, stream: u8| {
        let mut found = None;
        Frames::of_server().pass(&[0, 0, 0, kind, flags, 0, 0, 0, stream], |frame, _| found = Some(frame));
        found.expect("a frame")
    };
    let write = |flow: &mut Flow, frame: Frame| {
        flow.frame_begun(frame, flow.written());
        flow.frame_written(frame);
    };
    let end = |stream| frame(0, 1, stream);
    let heard = |settled: Settled| {
        settled.into_iter().for_each(|(receipt, delivery)| receipt.resolve(delivery));
        told.try_iter().collect::<Vec<_>>()
    };
    let wire = |acknowledged| Wire { sent: 1000, acknowledged, over: false };
    let began = Clock::now();
    let mut flow = Flow::new(began);
    let mut written = Vec::new();
    for (stream, name) in [(1, "a"), (3, "b"), (5, "c"), (7, "d"), (9, "e")] {
        flow.request();
        written.push(flow.owes(stream, receipt(name)));
    }
    // Written, but not to the end of any stream; then one of them to its end.
    write(&mut flow, frame(0, 0, 1));
    flow.wrote(100);
    assert!(!flow.flushed(began));
    assert_eq!(heard(flow.looked(wire(100), began)), []);
    assert!(written[1].try_recv().is_err());
    write(&mut flow, end(3));
    assert!(written[1].try_recv().is_ok());
    flow.wrote(50);
    assert!(flow.flushed(began));
    flow.request_over(began);
    assert_eq!(heard(flow.looked(wire(149), began)), []);
    assert_eq!(heard(flow.looked(wire(150), began)), [("b", Delivered)]);
    assert_eq!(deadline(&flow, began), None, "four are busy");
    // Given up by their clients: one in the middle, one before anything of it had left.
    assert_eq!(heard(flow.withdrawn(1, true)), [("a", Unknown)]);
    flow.request_over(began);
    assert_eq!(heard(flow.withdrawn(5, true)), [("c", Unsent)]);
    flow.request_over(began);
    // Given up by the server: who knows what is on its way.
    assert_eq!(heard(flow.withdrawn(7, false)), [("d", Unknown)]);
    flow.request_over(began);
    assert_eq!(heard(flow.looked(wire(160), began)), []);
    // The last one is over when the connection is.
    assert!(!flow.is_idle());
    assert_eq!(heard(flow.abandon(wire(160))), [("e", Unsent)]);
    flow.request_over(began + MS);
    assert_eq!(deadline(&flow, began), Some((Limits::default().idle_time + MS, Overdue::Idle)));
}

#[test]
fn a_frame_has_its_time_from_its_own_beginning() {
    let began = Clock::now();
    let mut flow = Flow::new(began);
    flow.request();
    flow.frames_read(30, true, true, began);
    flow.frames_read(1, true, false, began + 5 * MS);
    assert_eq!(deadline(&flow, began), Some((Limits::default().header_time, Overdue::Head)));
    flow.frames_read(100, true, true, began + 7 * MS);
    assert_eq!(deadline(&flow, began), Some((Limits::default().header_time + 7 * MS, Overdue::Head)));
    flow.frames_read(10, false, true, began + 9 * MS);
    assert_eq!(deadline(&flow, began), None);
    assert_eq!(flow.bytes_read(), 141);
}
