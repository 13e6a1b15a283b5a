//! Requests that wait on the server: when they end, race with their grant, or lose their client.

use crate::rig::{Rig, acquire, confirm, get, give_up, named, now, release, ticket, waited};
use lock_core::{Command, EndedAs, IfBusy, State};

fn held() -> Rig {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    rig
}

#[test]
fn rule_3_a_connected_client_is_answered_in_the_step_of_its_grant() {
    let mut rig = held();
    let (mut wait, _connection) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
    rig.step(1);
    for _ in 0..45 {
        rig.step(2000);
        rig.ask(crate::rig::renew(1)).unwrap();
    }
    assert!(waited(&mut wait).is_none(), "a waiting request is a heartbeat all the while");
    rig.ask(release(1)).unwrap();
    assert!(ticket(&waited(&mut wait).unwrap()).is_held());
}

#[test]
fn a_wait_that_ends_in_the_batch_of_its_grant_is_told_of_one_or_the_other() {
    // The end comes first: it is told that it queues, and its ticket is granted behind it.
    let mut rig = held();
    let (wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let mut over = give_up(wait, false);
    let mut released = rig.send(release(1));
    rig.step(1);
    now(&mut released).unwrap();
    assert_eq!(ticket(&now(&mut over)).ticket.state, State::Queued { dormant: false });
    assert_eq!(rig.state(2), Some(State::Granted));
    // The grant comes first: it is told that it has it.
    let mut rig = held();
    let (wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let mut released = rig.send(release(1));
    let mut over = give_up(wait, false);
    rig.step(1);
    now(&mut released).unwrap();
    let told = now(&mut over);
    confirm(&told);
    assert!(ticket(&told).is_held());
    assert_eq!(rig.state(2), Some(State::Held));
}

#[test]
fn a_wait_given_up_before_its_turn_is_answered_in_its_turn() {
    let mut rig = held();
    let (wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    let mut over = give_up(wait, false);
    rig.step(1);
    assert_eq!(ticket(&now(&mut over)).ticket.state, State::Queued { dormant: false });
    // Free permits are given even so.
    let mut rig = Rig::new(1);
    let (wait, _connection) = rig.wait(Command::Acquire(acquire(1, IfBusy::Wait)));
    let mut over = give_up(wait, false);
    rig.step(1);
    assert!(ticket(&now(&mut over)).is_held());
}

#[test]
fn rule_5_a_request_dropped_before_its_turn_leaves_its_ticket_dormant_or_none() {
    let mut rig = held();
    // The connections look open: the handler knows first.
    let (named, _c1) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    let (nameless, _c2) = rig.wait(Command::Acquire(acquire(3, IfBusy::Wait)));
    drop(named);
    drop(nameless);
    rig.step(1);
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }));
    assert_eq!(rig.ended(3), Some(EndedAs::Cancelled));
}

#[test]
fn rule_5_a_permit_passes_by_a_client_that_is_gone_and_its_return_wakes_it_in_its_place() {
    let mut rig = held();
    let (gone, connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "a")));
    rig.step(1);
    let (mut next, _c2) = rig.wait(Command::Acquire(named(3, IfBusy::Wait, "b")));
    rig.step(1);
    connection.break_off();
    rig.ask(release(1)).unwrap();
    confirm(&waited(&mut next).expect("the next one in the very same step"));
    drop(gone);
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }));
    let back = rig.ask(get(2, true, false));
    assert_eq!((ticket(&back).ahead, &ticket(&back).ticket.state), (0, &State::Queued { dormant: false }));
    rig.ask(release(3)).unwrap();
    assert_eq!(rig.state(2), Some(State::Granted));
}

#[test]
fn rule_5_a_permit_passes_by_a_request_that_its_face_has_dropped_before_the_engine_hears_so() {
    let mut rig = held();
    let (gone, _open) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "a")));
    rig.step(1);
    let (mut next, _c2) = rig.wait(Command::Acquire(named(3, IfBusy::Wait, "b")));
    rig.step(1);
    drop(rig.send(release(1)));
    drop(gone);
    rig.step(1);
    confirm(&waited(&mut next).expect("the next one, in the very same step"));
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }));
}
