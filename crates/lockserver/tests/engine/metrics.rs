//! What the engine counts, and when it measures the locks: after what it measures is durable.

use crate::rig::{Next, Rig, acquire, now, unknown};
use lock_core::{Command, IfBusy};
use lockserver::metrics::{Format, Scrape};

/// Asks for the locks to be measured, with one step of the engine.
fn measure(rig: &mut Rig) -> bool {
    let handle = rig.handle.clone();
    let both = async { tokio::join!(handle.measure(), async { rig.step(1) }).0 };
    runtime().block_on(both)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn value(rig: &Rig, series: &str) -> Option<String> {
    let scrape = Scrape { measured: true, ..Scrape::default() };
    let text = rig.handle.metrics().render(Format::Text, &scrape, |_| true);
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

fn held(rig: &Rig) -> Option<String> {
    value(rig, "lockserver_lock_permits_held{lock=\"x\"}")
}

fn grants(rig: &Rig) -> Option<String> {
    value(rig, "lockserver_grants_total{lock=\"x\"}")
}

#[test]
fn only_what_is_durable_is_counted_and_measured() {
    let mut rig = Rig::new(3);
    rig.hold(acquire(1, IfBusy::Refuse));
    assert!(measure(&mut rig));
    assert_eq!((held(&rig).as_deref(), grants(&rig).as_deref()), (Some("1"), Some("1")));

    let mut lost = rig.send(Command::Acquire(acquire(2, IfBusy::Refuse)));
    rig.next(Next::FailsWithoutEffect);
    assert!(!measure(&mut rig), "the step that was to be measured failed");
    assert!(unknown(&now(&mut lost)));
    assert_eq!((held(&rig).as_deref(), grants(&rig).as_deref()), (Some("1"), Some("1")));
    assert!(!measure(&mut rig), "there is no table now");
    assert_eq!(value(&rig, "lockserver_store_commits_failed_total").as_deref(), Some("1"));

    rig.step(100);
    rig.hold(acquire(3, IfBusy::Refuse));
    assert!(measure(&mut rig));
    assert_eq!((held(&rig).as_deref(), grants(&rig).as_deref()), (Some("2"), Some("2")));
    assert_eq!(value(&rig, "lockserver_engine_terms_total").as_deref(), Some("2"));
}

#[test]
fn measuring_many_locks_again_and_again_is_a_small_part_of_the_engines_time() {
    let mut rig = crate::looks::many(2000);
    rig.hold(acquire(1, IfBusy::Refuse));
    assert!(measure(&mut rig));
    assert_eq!(held(&rig).as_deref(), Some("1"));
    rig.ask(crate::rig::release(1)).unwrap();
    assert!(measure(&mut rig), "it is answered");
    assert_eq!(held(&rig).as_deref(), Some("1"), "as it was a moment ago");
    rig.step(30);
    assert!(measure(&mut rig));
    assert_eq!(held(&rig).as_deref(), Some("0"));
}

#[test]
fn loads_that_fail_are_counted() {
    let mut rig = Rig::new(1);
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse))));
    rig.disk.lock().unwrap().load_fails = true;
    rig.step(100);
    assert_eq!(value(&rig, "lockserver_store_loads_failed_total").as_deref(), Some("1"));
    assert_eq!(value(&rig, "lockserver_engine_terms_total").as_deref(), Some("1"));
}

#[test]
fn batches_are_measured_and_empty_steps_are_not() {
    let mut rig = Rig::new(1);
    let count = |rig: &Rig| value(rig, "lockserver_engine_batch_commands_count").unwrap();
    let sum = |rig: &Rig| value(rig, "lockserver_engine_batch_commands_sum").unwrap();
    assert_eq!((count(&rig), sum(&rig)), ("1".to_owned(), "1".to_owned()), "the rig makes its lock");
    let sent = (0..7).map(|id| rig.send(Command::Acquire(acquire(id, IfBusy::Queue)))).collect::<Vec<_>>();
    rig.step(1);
    rig.step(250);
    assert_eq!((count(&rig), sum(&rig)), ("2".to_owned(), "8".to_owned()));
    drop(sent);
}

#[test]
fn an_engine_that_stands_still_is_not_waited_for_in_vain() {
    let rig = Rig::new(1);
    assert!(!runtime().block_on(rig.handle.measure()));
}
