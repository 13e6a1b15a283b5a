//! An answer that says *held* knows when that has ceased to be true, before anybody else profits by it.

use crate::rig::{Next, Rig, acquire, confirm, get, lock, named, now, release, renew, ticket, waited};
use lock_core::{Caller, Command, EndedAs, IfBusy};
use std::sync::Arc;

fn admin() -> Caller {
    Caller { admin: true, ..Caller::anonymous("192.0.2.9") }
}

fn revoke(number: u64) -> Command {
    Command::Revoke { lock: lock(), number, reason: Arc::from("somebody else needs it"), only: None }
}

#[test]
fn an_answer_on_its_way_hears_that_its_ticket_has_ended() {
    let mut rig = Rig::new(1);
    let made = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    confirm(&made);
    let (renewed, looked, claimed) = (rig.ask(renew(1)), rig.ask(get(1, false, false)), rig.ask(get(1, true, false)));
    let (mut next, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let on_their_way = [made, renewed, looked, claimed].map(|answer| answer.unwrap().standing.expect("it says held"));
    assert!(on_their_way.iter().all(|standing| standing.ended().is_none()));
    let number = ticket(&rig.ask(get(1, false, false))).ticket.number;
    rig.ask_as(admin(), revoke(number)).unwrap();
    for standing in &on_their_way {
        assert_eq!(standing.ended().and_then(lock_core::TicketView::ended), Some(EndedAs::Revoked));
    }
    let next = waited(&mut next).expect("it is let in in the same step").unwrap();
    assert!(next.standing.expect("it says held").ended().is_none(), "the end of one is not that of another");
}

#[test]
fn who_is_ended_in_the_step_that_let_it_in_is_not_told_that_it_holds() {
    // One that waited, and one that renewed.
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (mut wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let mut renewed = rig.send(renew(1));
    drop((rig.send(release(1)), rig.send(release(2))));
    rig.step(1);
    assert_eq!(ticket(&now(&mut renewed)).ended(), Some(EndedAs::Released));
    assert!(ticket(&waited(&mut wait).expect("answered")).ended().is_some());
}

#[test]
fn an_end_that_is_not_durable_is_no_end() {
    let mut rig = Rig::new(1);
    let made = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    confirm(&made);
    let number = ticket(&made).ticket.number;
    let standing = made.unwrap().standing.expect("it says held");
    rig.next(Next::FailsWithoutEffect);
    assert!(rig.ask_as(admin(), revoke(number)).is_err());
    assert!(standing.ended().is_none());
}
