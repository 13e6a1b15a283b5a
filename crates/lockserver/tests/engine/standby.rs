//! Several servers on one store: one that does not lead tells nobody anything, and one that leads again knows only what is stored.

use crate::rig::{Next, Rig, acquire, confirm, named, now, release, ticket, unknown, waited};
use lock_core::{Command, ConfigureMode, Definition, IfBusy, LockName, Settings, State, Target, TicketsAfter};
use lockserver::engine::{EngineError, Role};
use lockserver::metrics::Counter;

/// A lock of size 1 that ticket 1 holds.
fn held() -> Rig {
    let mut rig = Rig::new(1);
    rig.hold(named(1, IfBusy::Queue, "r1"));
    rig
}

fn look() -> Command {
    Command::ViewLock { name: crate::rig::lock(), tickets: 10, after: TicketsAfter::default() }
}

fn leader(rig: &Rig) -> Option<String> {
    match rig.handle.status().role() {
        Role::Leading { .. } => None,
        Role::Standby(leader) => Some(leader.map_or_else(String::new, |leader| leader.name.clone())),
    }
}

fn is_refused<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::Unavailable { may_have_taken_effect: false, .. }))
}

#[test]
fn a_deposed_leader_sends_everybody_away_and_says_who_leads() {
    let mut rig = held();
    let (mut second, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r2")));
    rig.step(1);
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    let mut released = rig.send(release(1));
    rig.step(1);
    assert!(unknown(&now(&mut released)));
    let sent_away = waited(&mut second).expect("it is to ask the next leader");
    assert!(unknown(&sent_away), "{sent_away:?}");
    assert_eq!(leader(&rig).as_deref(), Some("other"));
    assert!(is_refused(&rig.ask(release(1))));
    assert!(is_refused(&rig.ask(look())));
    assert_eq!(rig.handle.status().trouble().as_deref(), Some("other leads"));
}

#[test]
fn a_standby_asks_its_store_at_once_again_and_leads_as_soon_as_it_may() {
    let mut rig = held();
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    assert!(unknown(&rig.ask(release(1))));
    assert_eq!(rig.engine.due_in_ms(), Some(0), "its store waits for the end of the other one");
    rig.step(1);
    assert!(rig.engine.table().is_none());
    rig.disk.lock().unwrap().stands_by = false;
    rig.step(1);
    assert!(rig.engine.table().is_some());
    assert_eq!(leader(&rig), None);
    assert_eq!(rig.handle.status().trouble(), None);
    assert_eq!(rig.state(1), Some(State::Held));
}

#[test]
fn a_change_of_leader_counts_as_one_and_not_as_a_failure_of_the_store() {
    let mut rig = held();
    let metrics = rig.handle.metrics().clone();
    let numbers = || {
        [&metrics.engine.leader_changes, &metrics.engine.commits_failed, &metrics.engine.loads_failed].map(Counter::get)
    };
    assert_eq!(numbers(), [0, 0, 0]);
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    assert!(unknown(&rig.ask(release(1))));
    rig.step(1);
    assert_eq!(numbers(), [1, 0, 0], "it has lost the lead, and is told so at each load");
    rig.disk.lock().unwrap().stands_by = false;
    rig.step(1);
    assert_eq!(numbers(), [2, 0, 0], "it leads again");
    rig.next(Next::FailsWithoutEffect);
    assert!(unknown(&rig.ask(release(1))));
    assert_eq!(numbers(), [2, 1, 0], "that was the store");
}

#[test]
fn nothing_of_an_earlier_term_is_done_to_the_table_of_the_next_leader() {
    let mut rig = held();
    let mut second = rig.send(Command::Acquire(acquire(2, IfBusy::Queue)));
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    rig.step(1);
    // It made a ticket that only its answer names, and its outcome is unknown: a leader that stays would cancel the ticket.
    assert!(unknown(&now(&mut second)));
    rig.disk.lock().unwrap().stands_by = false;
    rig.step(1);
    assert_eq!(rig.state(1), Some(State::Held));
    assert_eq!(rig.state(2), None, "its commit had no effect");
}

#[test]
fn what_is_committed_is_not_told_once_the_authority_is_gone() {
    let mut rig = held();
    rig.disk.lock().unwrap().is_unsure = true;
    let mut released = rig.send(release(1));
    rig.step(1);
    assert!(unknown(&now(&mut released)), "another server may have given the permit to somebody else by now");
    assert_eq!(leader(&rig).as_deref(), Some(""));
    rig.disk.lock().unwrap().is_unsure = false;
    rig.step(1);
    assert!(rig.engine.table().is_some());
    assert!(matches!(rig.state(1), Some(State::Ended { .. })), "it was committed");
}

#[test]
fn a_standby_begins_its_term_with_the_configuration_that_it_was_told_last() {
    let mut rig = held();
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    assert!(unknown(&rig.ask(release(1))));
    let definitions = vec![Definition {
        target: Target::Lock(LockName::new("new").unwrap()),
        settings: Settings::new(3),
        paused: false,
    }];
    rig.ask(Command::Configure { definitions, mode: ConfigureMode::CreateMissing }).unwrap();
    rig.disk.lock().unwrap().stands_by = false;
    rig.step(1);
    let names: Vec<String> = rig.engine.table().unwrap().lock_names().map(ToString::to_string).collect();
    assert_eq!(names, ["new", "x"]);
}

#[test]
fn a_look_is_not_answered_without_authority() {
    let mut rig = held();
    rig.step(1000);
    assert!(rig.ask(look()).is_ok());
    rig.disk.lock().unwrap().is_unsure = true;
    assert!(is_refused(&rig.ask(look())));
}

#[test]
fn a_refusal_is_told_with_authority_only() {
    let mut rig = held();
    rig.disk.lock().unwrap().is_unsure = true;
    let answer = rig.ask(Command::Acquire(acquire(2, IfBusy::Refuse)));
    assert!(unknown(&answer), "the lock may be free by now: {answer:?}");
}

#[test]
fn a_leader_that_comes_back_takes_the_tickets_of_the_store_as_a_new_process_does() {
    let mut rig = held();
    let (mut second, _connection) = rig.wait(Command::Acquire(named(2, IfBusy::Wait, "r2")));
    rig.step(1);
    rig.disk.lock().unwrap().stands_by = true;
    rig.next(Next::IsDeposed);
    assert!(unknown(&rig.ask(release(1))));
    assert!(waited(&mut second).is_some());
    rig.disk.lock().unwrap().stands_by = false;
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Queued { dormant: true }), "its client may never have heard of it");
    let (mut again, _connection) = rig.wait(Command::Acquire(named(3, IfBusy::Wait, "r2")));
    rig.step(1);
    rig.ask(release(1)).unwrap();
    let granted = waited(&mut again).expect("it has found its place");
    assert_eq!(ticket(&granted).ticket.id.0, 2);
    confirm(&granted);
}
