//! Rule 5: a claim of which no answer has left is granted anew; one that may have been read is enough.

use crate::rig::{Rig, acquire, confirm, get, lock, named, now, release, renew, ticket, waited};
use lock_core::{Command, EndedAs, IfBusy, State};
use lockserver::engine::Delivery;

/// Ticket 2 waits behind ticket 1, with two requests.
fn two_wait() -> (Rig, [lockserver::engine::Wait; 2]) {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (one, _) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let (other, _) = rig.wait(get(2, true, true));
    rig.step(1);
    (rig, [one, other])
}

#[test]
fn two_requests_wait_for_a_ticket_and_one_answer_is_enough() {
    for delivered in [0, 1] {
        let (mut rig, waits) = two_wait();
        rig.ask(release(1)).unwrap();
        for (number, mut wait) in waits.into_iter().enumerate() {
            let answer = waited(&mut wait).expect("both are answered in the step of the grant");
            assert!(ticket(&answer).is_held());
            if number == delivered {
                confirm(&answer);
            }
        }
        rig.step(1);
        assert_eq!(rig.state(2), Some(State::Held));
    }
}

#[test]
fn an_answer_that_may_have_been_read_counts_as_told() {
    for (delivery, told) in [(Delivery::Delivered, true), (Delivery::Unknown, true), (Delivery::Unsent, false)] {
        assert_eq!(delivery.counts_as_told(), told);
        let mut rig = Rig::new(1);
        for (number, new) in [(1, acquire(1, IfBusy::Refuse)), (2, named(2, IfBusy::Refuse, "r"))] {
            let answer = rig.ask(Command::Acquire(new));
            answer.as_ref().unwrap().receipt.as_ref().unwrap().resolve(delivery);
            drop(answer);
            rig.step(1);
            let lost = if number == 1 { None } else { Some(State::Granted) };
            let state = rig.state(number).filter(|state| !matches!(state, State::Ended { .. }));
            assert_eq!(state, if told { Some(State::Held) } else { lost }, "{delivery:?}");
            drop(rig.ask(release(number)));
        }
        // A claim by get_lock, too.
        let queued = rig.ask(Command::Acquire(lock_core::NewTicket { claim: false, ..acquire(3, IfBusy::Queue) }));
        confirm(&queued);
        let claimed = rig.ask(get(3, true, false));
        claimed.as_ref().unwrap().receipt.as_ref().unwrap().resolve(delivery);
        drop(claimed);
        rig.step(1);
        assert_eq!(rig.state(3), Some(if told { State::Held } else { State::Granted }), "{delivery:?}");
    }
}

#[test]
fn two_requests_wait_for_a_ticket_and_neither_is_told() {
    let (mut rig, waits) = two_wait();
    rig.ask(release(1)).unwrap();
    waits.into_iter().for_each(|mut wait| drop(waited(&mut wait).expect("answered")));
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Granted), "granted anew");
    rig.step(2000);
    assert!(ticket(&rig.ask(get(2, false, false))).is_held(), "its client is back within the grace");
    let (mut rig, waits) = two_wait();
    rig.ask(release(1)).unwrap();
    drop(waits);
    for _ in 0..7 {
        rig.step(1999);
    }
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }), "nobody came within the grace of 10 s");
}

#[test]
fn rule_6_the_answer_that_made_a_ticket_is_lost_and_the_ticket_with_it() {
    let mut rig = Rig::new(1);
    drop(rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse))));
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Cancelled));
    drop(rig.ask(Command::Acquire(named(2, IfBusy::Refuse, "r"))));
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Granted), "it can be asked for again");
}

#[test]
fn a_heartbeat_makes_a_late_loss_harmless() {
    let mut rig = Rig::new(1);
    let slow = rig.ask(Command::Acquire(named(1, IfBusy::Refuse, "r")));
    rig.ask(renew(1)).unwrap();
    drop(slow);
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Held));
}

#[test]
fn who_was_told_by_a_plain_read_does_not_lose_its_permits_to_a_late_loss() {
    let mut rig = Rig::new(1);
    let slow = rig.ask(Command::Acquire(named(1, IfBusy::Refuse, "r")));
    assert!(ticket(&rig.ask(get(1, false, false))).is_held());
    drop(slow);
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Held), "its client knows that it holds");
}

#[test]
fn who_was_told_that_it_queues_was_not_told_of_the_grant_in_the_same_step() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (mut wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let mut read = rig.send(get(2, true, false));
    drop(rig.send(release(1)));
    rig.step(1);
    let read = now(&mut read).unwrap();
    if let Some(receipt) = &read.receipt {
        receipt.resolve(Delivery::Delivered);
    }
    assert!(ticket(&waited(&mut wait).unwrap()).is_held());
    drop((wait, read));
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Granted), "the answer that told of the grant was lost");
}

#[test]
fn a_verification_in_the_same_batch_says_nothing_about_delivery() {
    let mut rig = Rig::new(1);
    let queued = rig.ask(Command::Acquire(lock_core::NewTicket { claim: false, ..acquire(1, IfBusy::Queue) }));
    confirm(&queued);
    let mut told = rig.send(get(1, true, false));
    let mut verified = rig.send(Command::Verify { lock: lock(), token: 1 });
    rig.step(1);
    drop(now(&mut told));
    let verified = now(&mut verified).unwrap();
    assert!(verified.receipt.is_none());
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Granted), "the resource knows, the holder does not");
}

#[test]
fn two_answers_of_one_step_are_both_lost_though_the_later_one_was_a_heartbeat() {
    let mut rig = Rig::new(1);
    drop(rig.ask(Command::Acquire(lock_core::NewTicket { claim: false, ..named(1, IfBusy::Queue, "r") })));
    let (mut told, mut renewed) = (rig.send(get(1, true, false)), rig.send(renew(1)));
    rig.step(1);
    assert!(ticket(&now(&mut renewed)).is_held());
    drop((now(&mut told), told, renewed));
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Granted), "neither reached its client");
}
