//! Steps held back: what tells nobody anything shares the commit of the next answer, and waits for it a few milliseconds.

use crate::rig::{Next, Rig, acquire, confirm, named, now, release, ticket, unknown, waited};
use lock_core::{Command, IfBusy, Key, State, TicketId, TicketsAfter};
use lockserver::engine::Wait;

/// A lock of size 1, held by ticket 1, and the number of commits so far.
fn held() -> (Rig, usize) {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Queue));
    rig.step(100);
    let commits = commits(&rig);
    (rig, commits)
}

fn commits(rig: &Rig) -> usize {
    rig.disk.lock().unwrap().commits.len()
}

fn is_stored(rig: &Rig, id: u128) -> bool {
    let disk = rig.disk.lock().unwrap();
    disk.records.keys().any(|key| matches!(key, Key::Ticket(_, stored) if *stored == TicketId(id)))
}

/// A client begins to wait for the lock, a millisecond later.
fn waits(rig: &mut Rig, id: u128) -> Wait {
    let (wait, _) = rig.wait(Command::Acquire(named(id, IfBusy::Wait, &format!("r{id}"))));
    rig.step_alone(1).unwrap();
    wait
}

#[test]
fn a_ticket_that_begins_to_wait_shares_the_commit_of_the_next_release() {
    let (mut rig, before) = held();
    let mut second = waits(&mut rig, 2);
    let _third = waits(&mut rig, 3);
    assert!(rig.engine.holds_back());
    assert!(!is_stored(&rig, 2), "nobody is told anything yet");
    let mut released = rig.send(release(1));
    rig.step_alone(1).unwrap();
    assert_eq!(commits(&rig), before + 1);
    assert!(ticket(&now(&mut released)).ended().is_some());
    let granted = waited(&mut second).expect("it was granted");
    assert!(ticket(&granted).is_held());
    confirm(&granted);
    assert!(is_stored(&rig, 2) && is_stored(&rig, 3));
}

#[test]
fn what_is_held_back_is_committed_within_milliseconds_although_nothing_arrives() {
    let (mut rig, before) = held();
    let _second = waits(&mut rig, 2);
    let due = rig.engine.due_in_ms().expect("something is due");
    assert!((1..=10).contains(&due), "{due}");
    rig.step_alone(due).unwrap();
    assert!(!rig.engine.holds_back());
    assert_eq!(commits(&rig), before + 1);
    assert!(is_stored(&rig, 2));
}

#[test]
fn nothing_is_held_back_longer_because_more_of_the_kind_arrives() {
    let (mut rig, before) = held();
    let _waits: Vec<Wait> = (2..=14).map(|id| waits(&mut rig, id)).collect();
    assert!(commits(&rig) > before, "the first of them has waited for 12 ms");
}

#[test]
fn who_looks_sees_what_is_durable() {
    let (mut rig, before) = held();
    let _second = waits(&mut rig, 2);
    let view = Command::ViewLock { name: crate::rig::lock(), tickets: 10, after: TicketsAfter::default() };
    let mut seen = rig.send(view);
    rig.step_alone(1).unwrap();
    assert!(now(&mut seen).is_ok());
    assert!(is_stored(&rig, 2), "it was shown a ticket that a crash would lose");
    assert_eq!(commits(&rig), before + 1);
}

#[test]
fn an_answer_that_changes_nothing_waits_for_what_it_has_seen() {
    let (mut rig, _) = held();
    let _second = waits(&mut rig, 2);
    let mut refused = rig.send(Command::Acquire(acquire(3, IfBusy::Refuse)));
    rig.step_alone(1).unwrap();
    assert!(now(&mut refused).is_err());
    assert!(is_stored(&rig, 2), "it was refused for the sake of a ticket that is not durable");
}

#[test]
fn a_failed_commit_drops_what_was_held_back_with_the_step_that_took_it_along() {
    let (mut rig, _) = held();
    let mut second = waits(&mut rig, 2);
    rig.next(Next::FailsWithoutEffect);
    let mut released = rig.send(release(1));
    rig.step_alone(1).unwrap();
    assert!(unknown(&now(&mut released)));
    assert!(waited(&mut second).is_none(), "it waits for the next term");
    rig.step(200);
    let answer = waited(&mut second).expect("its ticket was never stored");
    assert!(answer.is_err());
    assert_eq!(rig.state(1), Some(State::Held));
    assert!(!is_stored(&rig, 2));
}

#[test]
fn an_orderly_end_commits_what_is_held_back() {
    let (mut rig, before) = held();
    let _second = waits(&mut rig, 2);
    rig.engine.finish(rig.tick()).unwrap();
    assert!(commits(&rig) > before);
    assert!(!rig.engine.holds_back());
}
