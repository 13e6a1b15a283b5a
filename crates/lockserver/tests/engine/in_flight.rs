//! Steps in flight: applied while earlier ones are being flushed, published and answered in order, dropped together.

use crate::rig::{
    Coming, Next, Rig, acquire, confirm, give_up, lock, named, not_yet, now, release, ticket, unknown, waited,
};
use lock_core::{
    Command, ConfigureMode, Definition, EndedAs, IfBusy, LockName, Outcome, Settings, State, Target, TicketsAfter,
};
use lockserver::engine::{CommandResult, EngineError, Fatal, start};

/// An engine whose store takes that many batches, with a lock of that size.
fn rig(size: u32, in_flight_max: usize) -> Rig {
    let rig = Rig::new(size);
    rig.takes(in_flight_max);
    rig
}

/// The answer has come, says that the ticket is held, and arrives.
fn held(coming: &mut Coming) -> CommandResult {
    let answer = now(coming);
    assert!(ticket(&answer).is_held());
    confirm(&answer);
    answer.expect("it is held")
}

fn look() -> Command {
    Command::ViewLock { name: lock(), tickets: 10, after: TicketsAfter::default() }
}

/// Sends an acquire, and makes the step that applies it.
fn acquired(rig: &mut Rig, id: u128) -> Coming {
    let coming = rig.send(Command::Acquire(named(id, IfBusy::Queue, &format!("r{id}"))));
    rig.step(1);
    coming
}

#[test]
fn steps_are_answered_in_order_each_once_it_is_durable() {
    let mut rig = rig(5, 3);
    let events = rig.handle.events().last();
    let mut first = acquired(&mut rig, 1);
    let mut second = acquired(&mut rig, 2);
    assert!(not_yet(&mut first) && not_yet(&mut second));
    assert_eq!(rig.handle.events().last(), events, "nothing is published");
    assert_eq!(rig.engine.due_in_ms(), Some(0), "the store is to be asked soon");
    rig.flush();
    let mut third = acquired(&mut rig, 3);
    let first = held(&mut first);
    assert!(not_yet(&mut second) && not_yet(&mut third));
    assert_eq!(first.as_of, rig.handle.events().last(), "what it tells of is published, and no more");
    // There is nothing else to do.
    rig.step(1);
    held(&mut second);
    assert!(not_yet(&mut third));
    rig.step(1);
    held(&mut third);
    rig.step(1);
    assert_eq!(rig.engine.due_in_ms().filter(|due| *due == 0), None);
}

#[test]
fn no_more_steps_are_in_flight_than_the_store_takes() {
    let mut rig = rig(5, 2);
    let mut all: Vec<Coming> = (1..=4).map(|id| acquired(&mut rig, id)).collect();
    let answered = all.iter_mut().map(not_yet).take_while(|waits| !waits).count();
    assert_eq!(answered, 3, "the fourth step had to wait for the third");
}

#[test]
fn a_step_that_changes_nothing_waits_for_those_before_it() {
    let mut rig = rig(1, 3);
    let mut made = acquired(&mut rig, 1);
    let mut refused = rig.send(Command::Acquire(acquire(2, IfBusy::Refuse)));
    rig.step(1);
    assert!(not_yet(&mut refused), "it was refused for the sake of a ticket that is not durable");
    rig.step(1);
    held(&mut made);
    assert!(now(&mut refused).is_err());
}

#[test]
fn a_look_is_answered_with_the_newest_step_that_it_has_seen() {
    let mut rig = rig(5, 3);
    let mut made = acquired(&mut rig, 1);
    let mut look = rig.send(look());
    let mut other = acquired(&mut rig, 2);
    assert!(not_yet(&mut look) && not_yet(&mut made));
    rig.flush();
    let mut third = acquired(&mut rig, 3);
    held(&mut made);
    assert!(not_yet(&mut look), "it came with the second step");
    rig.step(1);
    held(&mut other);
    let seen = now(&mut look).expect("there is such a lock");
    let Outcome::Lock(view) = &seen.outcome else { panic!("{seen:?}") };
    assert_eq!(view.holders.len(), 2);
    assert_eq!(seen.as_of, rig.handle.events().last(), "what it shows is published, and no more");
    rig.step(1);
    drop(now(&mut third));
}

#[test]
fn a_failed_commit_drops_every_step_behind_it() {
    let mut rig = rig(5, 4);
    let mut first = acquired(&mut rig, 1);
    let mut look = rig.send(look());
    let mut second = acquired(&mut rig, 2);
    rig.next(Next::FailsWithoutEffect);
    rig.step(1);
    assert!(unknown(&now(&mut first)) && unknown(&now(&mut second)));
    let refused = now(&mut look).unwrap_err();
    assert!(matches!(refused, EngineError::Unavailable { may_have_taken_effect: false, .. }), "{refused:?}");
    assert!(rig.engine.table().is_none());
    rig.step(100);
    assert_eq!((rig.state(1), rig.state(2)), (None, None));
    rig.takes(0);
    // Sent again, the request makes a new ticket.
    let again = rig.ask(Command::Acquire(named(7, IfBusy::Queue, "r2")));
    assert_eq!(ticket(&again).ticket.id.0, 7);
}

#[test]
fn a_waiting_request_whose_grant_was_dropped_is_served_by_the_next_term() {
    for next in [Next::FailsWithEffect, Next::FailsWithoutEffect] {
        let mut rig = rig(1, 3);
        rig.takes(0);
        rig.hold(acquire(1, IfBusy::Refuse));
        let (mut wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
        rig.step(1);
        rig.takes(3);
        let mut released = rig.send(release(1));
        rig.step(1);
        assert!(waited(&mut wait).is_none(), "granted, and not durable");
        rig.next(next.clone());
        rig.step(1);
        assert!(unknown(&now(&mut released)));
        assert!(waited(&mut wait).is_none(), "it is connected, and knows nothing of terms");
        rig.step(100);
        rig.takes(0);
        if next == Next::FailsWithoutEffect {
            assert_eq!(rig.state(1), Some(State::Held));
            rig.ask(release(1)).unwrap();
        }
        assert!(ticket(&waited(&mut wait).expect("its turn has come")).is_held(), "{next:?}");
    }
}

#[test]
fn a_wait_given_up_while_its_grant_is_in_flight_is_answered_when_that_is_dropped() {
    for lost in [false, true] {
        let mut rig = rig(1, 4);
        rig.takes(0);
        rig.hold(acquire(1, IfBusy::Refuse));
        let (wait, _connection) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
        rig.step(1);
        rig.takes(4);
        drop(rig.send(release(1)));
        rig.step(1);
        let mut given_up = give_up(wait, lost);
        let mut other = acquired(&mut rig, 3);
        assert!(not_yet(&mut given_up));
        rig.next(Next::FailsWithEffect);
        rig.step(1);
        assert!(unknown(&now(&mut given_up)) && unknown(&now(&mut other)), "lost {lost}");
        rig.step(100);
        assert_eq!(rig.ended(2), Some(EndedAs::Cancelled), "nobody knows of it");
    }
}

#[test]
fn a_damaged_store_ends_the_engine_and_every_request_in_flight_is_answered() {
    let mut rig = rig(5, 3);
    let mut first = acquired(&mut rig, 1);
    let mut second = acquired(&mut rig, 2);
    rig.next(Next::IsDamaged);
    assert!(matches!(rig.try_step(1), Err(Fatal::Damaged(_))));
    assert!(unknown(&now(&mut first)) && unknown(&now(&mut second)));
}

#[test]
fn the_next_term_repeats_what_a_dropped_step_did_for_clients_that_are_gone() {
    let mut rig = rig(2, 3);
    rig.takes(0);
    let made = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    rig.takes(3);
    let mut other = acquired(&mut rig, 2);
    // Its answer is lost: the next step cancels it.
    drop(made);
    let mut third = acquired(&mut rig, 3);
    rig.next(Next::FailsWithoutEffect);
    rig.step(1);
    assert!(unknown(&now(&mut other)) && unknown(&now(&mut third)));
    rig.step(100);
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Cancelled));
}

#[test]
fn an_answer_says_held_until_the_end_is_durable() {
    let mut rig = rig(1, 3);
    let mut made = acquired(&mut rig, 1);
    let mut released = rig.send(release(1));
    rig.step(1);
    rig.flush();
    let mut look = acquired(&mut rig, 2);
    let made = held(&mut made);
    let standing = made.standing.expect("it says held");
    assert!(standing.ended().is_none() && not_yet(&mut released), "its end is in flight");
    rig.step(1);
    assert_eq!(standing.ended().and_then(lock_core::TicketView::ended), Some(EndedAs::Released));
    rig.step(1);
    drop((now(&mut released), now(&mut look)));
}

#[test]
fn the_engine_starts_once_its_configuration_is_durable() {
    let target = Target::Lock(LockName::new("of-file").unwrap());
    let definition = Definition { target, settings: Settings::new(1), paused: false };
    for fails in [false, true] {
        let rig = rig(1, 3);
        // After the clock.
        rig.after(1, if fails { Next::FailsWithoutEffect } else { Next::Works });
        let started = start(rig.store(), vec![definition.clone()], ConfigureMode::CreateMissing);
        let (handle, _running) = started.expect("a store that fails is tried again");
        assert_eq!(handle.status().trouble().is_some(), fails);
        handle.close();
    }
}

#[test]
fn finish_tells_requests_in_flight_that_the_store_failed() {
    for next in [Next::FailsWithoutEffect, Next::IsDamaged] {
        let mut rig = rig(5, 3);
        let mut first = acquired(&mut rig, 1);
        let mut second = acquired(&mut rig, 2);
        rig.next(next.clone());
        assert_eq!(rig.engine.finish(rig.tick()).is_err(), next == Next::IsDamaged);
        assert!(unknown(&now(&mut first)) && unknown(&now(&mut second)), "{next:?}");
    }
}

#[test]
fn finish_leaves_nothing_in_flight() {
    let mut rig = rig(1, 3);
    let mut first = acquired(&mut rig, 1);
    let mut released = rig.send(release(1));
    rig.step(1);
    rig.engine.finish(rig.tick()).unwrap();
    held(&mut first);
    assert!(now(&mut released).is_ok());
    assert_eq!(rig.ended(1), Some(EndedAs::Released));
}
