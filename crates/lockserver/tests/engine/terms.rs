//! A failed commit ends the term: nobody is told what may not be there, and nobody who waits is forgotten.

use crate::rig::{Next, Rig, acquire, confirm, get, give_up, named, now, release, ticket, unknown, waited};
use lock_core::{
    Command, ConfigureMode, Definition, EndedAs, IfBusy, Lease, LockName, NewTicket, Settings, State, Target,
};
use lockserver::engine::EngineError;

#[test]
fn a_failed_commit_is_told_to_the_batch_and_who_waits_is_served_by_the_next_term() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (mut wait, _connection) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
    rig.step(1);
    let mut released = rig.send(release(1));
    rig.next(Next::FailsWithoutEffect);
    rig.step(1);
    assert!(unknown(&now(&mut released)));
    assert!(rig.engine.table().is_none());
    assert!(rig.handle.status().trouble().is_some());
    assert!(waited(&mut wait).is_none(), "it is connected, and knows nothing of terms");
    let refused = rig.ask(release(1)).unwrap_err();
    assert!(matches!(refused, EngineError::Unavailable { may_have_taken_effect: false, .. }), "{refused:?}");
    rig.step(100);
    assert!(rig.engine.table().is_some());
    assert_eq!(rig.handle.status().trouble(), None);
    assert_eq!(rig.state(1), Some(State::Held), "it did not take effect, and that is how it stays");
    rig.ask(release(1)).unwrap();
    assert!(ticket(&waited(&mut wait).expect("answered in the step of its grant")).is_held());
}

#[test]
fn a_store_that_stays_away_is_asked_again_and_again_but_not_at_every_step() {
    let mut rig = Rig::new(1);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse))));
    rig.disk.lock().unwrap().load_fails = true;
    for _ in 0..50 {
        rig.step(250);
        assert!(rig.engine.table().is_none());
    }
    rig.disk.lock().unwrap().load_fails = false;
    rig.step(250);
    rig.step(2000);
    assert!(rig.engine.table().is_some(), "at most 2 s between two tries");
}

#[test]
fn rule_6_a_nameless_request_whose_outcome_is_unknown_leaves_nothing_behind() {
    for (next, if_busy) in [
        (Next::FailsWithEffect, IfBusy::Refuse),
        (Next::FailsWithoutEffect, IfBusy::Refuse),
        (Next::FailsWithEffect, IfBusy::Queue),
    ] {
        let mut rig = Rig::new(1);
        rig.next(next.clone());
        assert!(unknown(&rig.ask(Command::Acquire(acquire(1, if_busy)))));
        let was_there = rig.state(1).is_some();
        assert_eq!(was_there, next == Next::FailsWithEffect);
        rig.step(100);
        assert_eq!(rig.ended(1), was_there.then_some(EndedAs::Cancelled), "{next:?}");
    }
}

#[test]
fn rule_6_a_request_with_an_id_is_repeated_and_is_the_same_ticket() {
    for next in [Next::FailsWithEffect, Next::FailsWithoutEffect] {
        let mut rig = Rig::new(1);
        rig.next(next.clone());
        assert!(unknown(&rig.ask(Command::Acquire(named(1, IfBusy::Refuse, "r")))));
        rig.step(100);
        let again = rig.ask(Command::Acquire(named(2, IfBusy::Refuse, "r")));
        let expected = if next == Next::FailsWithEffect { 1 } else { 2 };
        assert_eq!(ticket(&again).ticket.id.0, expected, "{next:?}");
        assert!(ticket(&again).is_held());
    }
}

#[test]
fn who_began_to_wait_in_the_failed_batch_hears_what_became_of_it() {
    for next in [Next::FailsWithEffect, Next::FailsWithoutEffect] {
        let mut rig = Rig::new(1);
        rig.hold(acquire(1, IfBusy::Refuse));
        let (mut wait, _connection) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
        rig.next(next.clone());
        rig.step(1);
        assert!(waited(&mut wait).is_none());
        rig.step(100);
        if next == Next::FailsWithEffect {
            assert!(waited(&mut wait).is_none(), "its ticket is there, and it waits on");
            rig.ask(release(1)).unwrap();
            assert!(ticket(&waited(&mut wait).unwrap()).is_held());
        } else {
            let answer = waited(&mut wait).expect("there is nothing to wait for");
            let failure = answer.unwrap_err();
            assert!(matches!(failure, EngineError::Unavailable { may_have_taken_effect: false, .. }), "{failure:?}");
        }
    }
}

#[test]
fn a_grant_that_only_the_store_knows_of_is_told_by_the_next_term_and_given_anew_if_that_is_lost() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (mut wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    let (mut nameless, _other) = rig.wait(Command::Acquire(acquire(3, IfBusy::Wait)));
    rig.step(1);
    drop(rig.send(release(1)));
    rig.next(Next::FailsWithEffect);
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Held), "in the store");
    rig.step(100);
    let answer = waited(&mut wait).expect("told by the next term");
    assert!(ticket(&answer).is_held());
    drop(answer);
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Granted), "nobody could be told");
    // The next one made its ticket in the last term, and its answer is lost in this one.
    rig.ask(release(2)).unwrap();
    drop(waited(&mut nameless).expect("its turn"));
    rig.step(1);
    assert_eq!(rig.ended(3), Some(EndedAs::Cancelled));
}

#[test]
fn rule_9_a_crash_before_the_answer_leaves_no_ghost_and_a_new_term_passes_over_nobody() {
    let mut rig = Rig::new(1);
    let granted = |id| NewTicket { claim: false, ..acquire(id, IfBusy::Queue) };
    confirm(&rig.ask(Command::Acquire(granted(1))));
    confirm(&rig.ask(Command::Acquire(granted(2))));
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(granted(9))));
    rig.step(100);
    assert_eq!(rig.state(1), Some(State::Granted), "the process that told them is still there");
    assert_eq!(rig.state(2), Some(State::Queued { dormant: false }));
    // The store has to prove itself before deferred changes are written.
    confirm(&rig.ask(Command::Acquire(granted(4))));
    rig.ask(get(2, true, false)).unwrap();
    // The commit that makes a ticket is durable, its answer is not sent, and the process dies.
    drop(rig.send(Command::Acquire(granted(3))));
    rig.step(1);
    assert!(rig.acknowledged(2));
    rig.restart();
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Queued { dormant: true }), "nobody may know of it");
    assert_eq!(rig.state(2), Some(State::Granted), "in the first step");
    assert_eq!(rig.state(3), Some(State::Queued { dormant: true }));
    rig.ask(get(2, true, false)).unwrap();
    rig.ask(get(1, true, false)).unwrap();
    rig.ask(release(2)).unwrap();
    assert_eq!(rig.state(1), Some(State::Granted), "in its place");
}

#[test]
fn rule_9_a_first_step_that_fails_passes_over_the_same_tickets_the_next_time() {
    let mut rig = Rig::new(1);
    let granted = |id| NewTicket { claim: false, ..acquire(id, IfBusy::Queue) };
    confirm(&rig.ask(Command::Acquire(granted(1))));
    rig.restart();
    rig.after(1, Next::FailsWithoutEffect);
    rig.try_step(1).unwrap();
    assert!(rig.engine.table().is_none());
    assert_eq!(rig.state(1), Some(State::Granted));
    rig.step(1000);
    assert_eq!(rig.state(1), Some(State::Queued { dormant: true }));
}

#[test]
fn rule_9_who_waits_through_a_new_term_may_still_not_know_its_ticket() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (_wait, _connection) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
    rig.step(1);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(3, IfBusy::Queue))));
    rig.step(100);
    for id in 4..=5 {
        confirm(&rig.ask(Command::Acquire(acquire(id, IfBusy::Queue))));
    }
    assert!(!rig.acknowledged(2));
    rig.restart();
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }), "its connection is gone with its only answer");
}

#[test]
fn what_is_lost_while_there_is_no_term_is_not_forgotten() {
    let mut rig = Rig::new(3);
    let held = rig.ask(Command::Acquire(named(1, IfBusy::Refuse, "a")));
    let made = rig.ask(Command::Acquire(acquire(2, IfBusy::Refuse)));
    rig.hold(acquire(3, IfBusy::Refuse));
    let (lost, _c1) = rig.wait(Command::Acquire(named(4, IfBusy::Wait, "b")));
    let (over, _c2) = rig.wait(Command::Acquire(acquire(5, IfBusy::Wait)));
    rig.step(1);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(release(3)));
    rig.disk.lock().unwrap().load_fails = true;
    drop(held);
    drop(made);
    drop(lost);
    let mut over = give_up(over, false);
    rig.step(500);
    assert!(unknown(&now(&mut over)), "its ticket may be there");
    rig.disk.lock().unwrap().load_fails = false;
    // The first step of the term fails as well: what is owed is still owed.
    rig.next(Next::FailsWithoutEffect);
    rig.step(2000);
    rig.step(2000);
    assert_eq!(rig.state(1), Some(State::Granted), "rule 5: its answer was lost");
    assert_eq!(rig.ended(2), Some(EndedAs::Cancelled), "rule 6: its maker was never told");
    assert_eq!(rig.ended(5), Some(EndedAs::Cancelled), "rule 6");
    assert_eq!(rig.state(3), Some(State::Held));
    // The permit of 2 is free: 4 would have it, but its client is gone.
    assert_eq!(rig.state(4), Some(State::Queued { dormant: true }), "rule 5");
    assert!(ticket(&rig.ask(get(4, true, false))).is_held(), "its next heartbeat ends that");
}

#[test]
fn rule_5_a_grant_that_only_the_store_knows_of_is_given_anew_if_its_client_went_before_the_next_term() {
    for lost in [true, false] {
        let mut rig = Rig::new(1);
        rig.hold(acquire(1, IfBusy::Refuse));
        let (wait, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
        rig.step(1);
        drop(rig.send(release(1)));
        rig.next(Next::FailsWithEffect);
        rig.step(1);
        assert_eq!(rig.state(2), Some(State::Held), "in the store");
        let mut over = give_up(wait, lost);
        rig.step(1);
        assert!(unknown(&now(&mut over)));
        rig.step(100);
        assert_eq!(rig.state(2), Some(State::Granted), "nobody was told");
    }
}

#[test]
fn rule_2_one_of_two_waits_that_is_lost_between_two_terms_costs_the_ticket_no_place() {
    let mut rig = Rig::new(1);
    let made = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    let (mut one, _c1) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r")));
    rig.step(1);
    let (other, _c2) = rig.wait(get(2, true, true));
    rig.step(1);
    let (mut behind, _c3) = rig.wait(Command::Acquire(acquire(3, IfBusy::Wait)));
    rig.step(1);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(named(4, IfBusy::Queue, "s"))));
    drop(other);
    // Its loss frees the permit as the next term begins.
    drop(made);
    rig.step(1);
    rig.step(100);
    let answer = waited(&mut one).expect("the first in the queue");
    confirm(&answer);
    assert!(ticket(&answer).is_held() && waited(&mut behind).is_none());
}

#[test]
fn rule_9_the_time_without_a_table_is_not_of_the_leases_that_begin_anew() {
    let mut rig = Rig::new(1);
    rig.hold(NewTicket { lease: Lease::Given(1000), ..acquire(1, IfBusy::Refuse) });
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(2, IfBusy::Queue))));
    rig.step(1999);
    assert_eq!(rig.state(1), Some(State::Held));
    rig.step(999);
    assert_eq!(rig.state(1), Some(State::Held), "its lease is a full one");
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Lost));
}

#[test]
fn a_late_loss_from_an_earlier_term_takes_nothing_from_who_has_shown_life_since() {
    let mut rig = Rig::new(1);
    let slow = rig.ask(Command::Acquire(named(1, IfBusy::Refuse, "r")));
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(2, IfBusy::Queue))));
    rig.step(100);
    assert!(ticket(&rig.ask(get(1, true, false))).is_held());
    drop(slow);
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Held));
}

#[test]
fn a_damaged_store_ends_the_engine() {
    let mut rig = Rig::new(1);
    let mut sent = rig.send(Command::Acquire(acquire(1, IfBusy::Refuse)));
    rig.next(Next::IsDamaged);
    let fatal = rig.try_step(1).unwrap_err();
    assert_eq!(fatal.to_string(), "the disk is broken");
    assert!(unknown(&now(&mut sent)), "told all the same");
}

#[test]
fn an_orderly_end_leaves_no_ticket_that_nobody_knows() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let (mut nameless, _c1) = rig.wait(Command::Acquire(acquire(2, IfBusy::Wait)));
    let (mut named, _c2) = rig.wait(Command::Acquire(named(3, IfBusy::Wait, "r")));
    rig.step(1);
    rig.handle.close();
    rig.engine.finish(rig.tick()).unwrap();
    assert_eq!(waited(&mut nameless).unwrap().unwrap_err(), EngineError::ShuttingDown);
    assert_eq!(rig.ended(2), Some(EndedAs::Cancelled));
    assert!(unknown(&waited(&mut named).unwrap()), "its place is kept, which it can find out by its request_id");
    assert_eq!(rig.state(3), Some(State::Queued { dormant: false }));
}

#[test]
fn a_term_begins_with_the_configuration_whatever_the_operator_put_in_the_place_of_the_store() {
    let mut rig = Rig::new(1);
    let name = LockName::new("of-file").unwrap();
    let definition = Definition { target: Target::Lock(name), settings: Settings::new(1), paused: false };
    rig.ask(Command::Configure { definitions: vec![definition], mode: ConfigureMode::CreateMissing }).unwrap();
    let records = |rig: &Rig| rig.disk.lock().unwrap().records.len();
    let before = records(&rig);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(1, IfBusy::Queue))));
    rig.disk.lock().unwrap().records.retain(|key, _| !format!("{key:?}").contains("of-file"));
    assert_eq!(records(&rig), before - 1);
    rig.step(100);
    assert_eq!(records(&rig), before, "it is made again");
}

#[test]
fn a_configuration_whose_commit_failed_is_not_that_of_the_next_term() {
    let mut rig = Rig::new(1);
    let name = LockName::new("of-file").unwrap();
    let definition = Definition { target: Target::Lock(name.clone()), settings: Settings::new(1), paused: false };
    rig.next(Next::FailsWithoutEffect);
    let configure = Command::Configure { definitions: vec![definition], mode: ConfigureMode::CreateMissing };
    assert!(unknown(&rig.ask(configure)), "the reload is told that it failed");
    rig.step(100);
    let table = rig.engine.table().expect("a new term");
    assert!(!table.lock_names().any(|known| *known == name), "nor is it done later");
}
