//! Those who only look: a step behind everything else, so much in each, and for nobody who has gone.

use crate::rig::{Coming, Connection, Rig, acquire, anybody, now, ticket};
use lock_core::{Command, Definition, IfBusy, LockName, Outcome, Settings, Target, TicketsAfter, limits};
use lockserver::engine::{Answer, CommandResult, EngineError};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn view(tickets: usize) -> Command {
    let name = LockName::new("x").unwrap();
    Command::ViewLock { name, tickets, after: TicketsAfter::default() }
}

fn list(after: Option<&str>, limit: usize) -> Command {
    let after = after.map(|name| LockName::new(name).unwrap());
    Command::ListLocks { after, limit, tickets: 0, among: None }
}

/// A server with so many locks more.
pub(crate) fn many(locks: usize) -> Rig {
    let mut rig = Rig::new(1);
    let target = |number| Target::Lock(LockName::new(&format!("lock-{number:05}")).unwrap());
    let definition = |number| Definition { target: target(number), settings: Settings::new(1), paused: false };
    let mode = lock_core::ConfigureMode::CreateMissing;
    rig.ask(Command::Configure { definitions: (0..locks).map(definition).collect(), mode }).unwrap();
    rig
}

fn answered(coming: &mut [Coming]) -> Vec<Answer> {
    coming.iter_mut().filter_map(|one| crate::rig::poll(one.as_mut())).collect()
}

#[test]
fn a_step_visits_so_much_and_the_rest_waits_behind_what_changes_something() {
    let mut rig = many(limits::LISTED_LOCKS_MAX * 2);
    // Each is another question, and a whole page.
    let mut looks: Vec<Coming> = (0..10).map(|n| rig.send(list(Some(&format!("lock-{n:05}")), 1000))).collect();
    rig.step(1);
    let first = answered(&mut looks).len();
    assert!(first > 0 && first <= limits::STEP_VISITS_MAX.div_ceil(1000), "{first} pages in one step");
    let mut takes = rig.send(Command::Acquire(acquire(1, IfBusy::Refuse)));
    rig.step(1);
    assert!(ticket(&now(&mut takes)).is_held(), "it came last, and waits for nobody who looks");
}

#[test]
fn nothing_is_visited_for_a_client_that_has_gone() {
    let mut rig = many(2000);
    let handle = rig.handle.clone();
    let gone = Arc::new(Connection(AtomicBool::new(false)));
    let mut hung_up: Vec<Coming> = (0..500)
        .map(|n| {
            let (handle, gone) = (handle.clone(), gone.clone());
            let mut coming: Coming =
                Box::pin(async move { handle.look(&anybody(), list(Some(&format!("lock-{n:05}")), 1000), gone).await });
            assert!(crate::rig::poll(coming.as_mut()).is_none());
            coming
        })
        .collect();
    // Nor for a client that does not even wait for the answer.
    (0..400).for_each(|n| drop(rig.send(list(Some(&format!("lock-{n:05}")), 1000))));
    let mut there = rig.send(view(0));
    rig.step(1);
    assert!(now(&mut there).is_ok(), "900 pages before it cost nothing");
    for answer in answered(&mut hung_up) {
        assert_eq!(answer.unwrap_err(), EngineError::Overloaded);
    }
}

#[test]
fn equal_questions_of_a_step_share_one_answer() {
    let mut rig = many(1000);
    let mut equal: Vec<Coming> = (0..100).map(|_| rig.send(list(None, 1000))).collect();
    rig.step(1);
    let answers: Vec<CommandResult> = answered(&mut equal).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 100, "one page was visited for all of them");
    let [Outcome::Locks(one), Outcome::Locks(other)] = [&answers[0].outcome, &answers[99].outcome] else { panic!() };
    assert!(Arc::ptr_eq(one, other) && Arc::ptr_eq(&answers[0].rendered, &answers[99].rendered));
}

#[test]
fn too_many_who_look_are_shed_and_nobody_else_is() {
    let mut rig = Rig::new(1);
    let looks: Vec<Coming> = (0..limits::LOOKS_MAX).map(|_| rig.send(view(10))).collect();
    assert_eq!(rig.at_once(view(10)).unwrap_err(), EngineError::Overloaded);
    let mut takes = rig.send(Command::Acquire(acquire(1, IfBusy::Refuse)));
    rig.step(1);
    assert!(ticket(&now(&mut takes)).is_held());
    drop(looks);
}

#[test]
fn a_page_is_the_work_of_a_step_however_many_locks_are_behind_it() {
    // The locks that are not on the page are counted, and that counts.
    let mut rig = many(limits::LISTED_LOCKS_MAX * 20);
    let mut looks: Vec<Coming> = (0..10).map(|n| rig.send(list(Some(&format!("lock-{n:05}")), 50))).collect();
    rig.step(1);
    assert_eq!(answered(&mut looks).len(), 1);
}
