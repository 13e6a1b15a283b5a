//! Two queues: overload sheds only new tickets and reads, and what gives permits back goes first.

use crate::rig::{Coming, Rig, acquire, get, now, release, renew, ticket};
use lock_core::{Command, IfBusy, Rejection};
use lockserver::engine::EngineError;

#[test]
fn overload_sheds_only_new_tickets_and_reads() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let reads: Vec<Coming> = (0..10_000).map(|_| rig.send(get(1, false, false))).collect();
    for shed in [Command::Acquire(acquire(2, IfBusy::Queue)), get(1, false, false)] {
        assert_eq!(rig.at_once(shed.clone()).unwrap_err(), EngineError::Overloaded, "{shed:?}");
    }
    assert_eq!(rig.handle.metrics().engine.shed.get(), 2);
    assert_eq!(rig.handle.request_queue().lengths(), (0, 10_000));
    for kept in [renew(1), get(1, true, false), release(1)] {
        let mut answer = rig.send(kept);
        rig.step(1);
        now(&mut answer).unwrap();
    }
    rig.step(1);
    for mut read in reads {
        now(&mut read).unwrap();
    }
}

#[test]
fn what_gives_back_is_done_before_what_takes() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let mut wants = rig.send(Command::Acquire(acquire(2, IfBusy::Refuse)));
    let mut gives = rig.send(release(1));
    rig.step(1);
    now(&mut gives).unwrap();
    assert!(ticket(&now(&mut wants)).is_held(), "it came first, and the permit came back with the same batch");
}

#[test]
fn a_closed_queue_takes_nothing_in_and_still_answers_what_it_has() {
    let mut rig = Rig::new(1);
    let mut sent = rig.send(Command::Acquire(acquire(1, IfBusy::Refuse)));
    rig.handle.close();
    assert_eq!(rig.at_once(renew(1)).unwrap_err(), EngineError::ShuttingDown);
    assert_eq!(rig.at_once(get(1, false, false)).unwrap_err(), EngineError::ShuttingDown);
    rig.step(1);
    assert!(ticket(&now(&mut sent)).is_held());
    assert!(rig.handle.request_queue().take().is_none(), "closed and empty");
}

#[test]
fn a_refusal_of_the_rules_is_passed_on() {
    let mut rig = Rig::new(1);
    let unknown = rig.ask(renew(77)).unwrap_err();
    assert_eq!(unknown, EngineError::Rejected(Rejection::UnknownTicket));
}

#[test]
fn the_urgent_queue_has_room_again_for_each_command_that_was_taken() {
    let mut rig = Rig::new(1);
    for _ in 0..11 {
        for _ in 0..1000 {
            drop(rig.send(release(1)));
        }
        rig.step(1);
    }
    drop(rig.ask(release(1)));
}
