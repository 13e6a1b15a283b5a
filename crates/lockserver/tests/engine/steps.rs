//! What a step owes the clock, the deletion of crowded locks, and the readers of events.

use crate::rig::{Next, Rig, acquire, confirm, force, get, lock, named, now, release, renew, ticket, unknown};
use lock_core::{
    Caller, Command, EndedAs, EventKind, Force, IfBusy, Lease, NewTicket, Outcome, Patch, Precondition, State,
};
use lockserver::engine::{EventId, Published, Reset};
use std::sync::Arc;

#[test]
fn rule_9_a_heartbeat_in_the_batch_counts_before_anything_expires() {
    let mut rig = Rig::new(5);
    rig.hold(acquire(1, IfBusy::Refuse));
    rig.hold(acquire(2, IfBusy::Refuse));
    rig.hold(named(3, IfBusy::Refuse, "r"));
    for _ in 0..5 {
        rig.step(1990);
    }
    let mut alive = rig.send(renew(1));
    let mut again = rig.send(Command::Acquire(named(4, IfBusy::Refuse, "r")));
    rig.step(1000);
    assert!(ticket(&now(&mut alive)).is_held());
    assert_eq!(ticket(&now(&mut again)).ticket.number, 3, "the same request, the same ticket");
    assert_eq!(rig.ended(2), Some(EndedAs::Lost), "it said nothing");
}

#[test]
fn rule_5_a_read_of_what_is_held_renews_nothing_even_if_it_would_wait() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    for _ in 0..5 {
        rig.step(1990);
    }
    let (mut wait, _connection) = rig.wait(get(1, false, true));
    rig.step(49);
    let answer = crate::rig::waited(&mut wait).expect("there is nothing to wait for");
    assert_eq!(ticket(&answer).expires_in, Some(1));
    let (mut wait, _connection) = rig.wait(get(1, false, true));
    rig.step(1);
    let answer = crate::rig::waited(&mut wait).expect("told how it ended");
    assert_eq!(ticket(&answer).ended(), Some(EndedAs::Lost));
}

#[test]
fn rule_4_a_lease_that_was_endless_begins_when_the_lock_sets_one() {
    let mut rig = Rig::new(1);
    let change = |max_lock| Command::PatchLock {
        name: lock(),
        patch: Patch { max_lock: Some(max_lock), ..Patch::default() },
        precondition: Precondition::None,
        force: force(),
    };
    rig.ask(change(None)).unwrap();
    rig.hold(NewTicket { lease: Lease::OfLock, ..acquire(1, IfBusy::Refuse) });
    rig.step(1);
    rig.ask(change(Some(1500))).unwrap();
    rig.step(1499);
    assert_eq!(rig.state(1), Some(State::Held));
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Lost));
}

#[test]
fn rule_9_a_gap_counts_as_two_seconds_and_leaves_five() {
    let mut rig = Rig::new(5);
    rig.hold(acquire(1, IfBusy::Refuse));
    for _ in 0..4 {
        rig.step(2000);
    }
    rig.step(600_000);
    assert_eq!(rig.state(1), Some(State::Held), "10 s are over, but the server stood still");
    rig.step(2000);
    rig.step(2000);
    rig.step(999);
    assert_eq!(rig.state(1), Some(State::Held));
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Lost));
}

#[test]
fn rule_9_the_clock_is_saved_every_5_s_while_anything_is_timed() {
    let mut rig = Rig::new(1);
    let commits = |rig: &Rig| rig.disk.lock().unwrap().commits.len();
    let before = commits(&rig);
    for _ in 0..20 {
        rig.step(1000);
    }
    assert_eq!(commits(&rig), before, "an idle server writes nothing");
    rig.hold(acquire(1, IfBusy::Refuse));
    let (before, saved) = (commits(&rig), rig.service_ms());
    for second in 1..=4 {
        rig.ask(renew(1)).unwrap();
        rig.step(999);
        assert_eq!(commits(&rig), before, "a renewal needs no commit ({second} s)");
    }
    rig.step(1000);
    assert_eq!((commits(&rig), rig.service_ms()), (before + 1, saved + 5000));
    // A restart continues from there, and the lease begins again in full.
    rig.restart();
    rig.step(60_000);
    assert_eq!(
        rig.service_ms(),
        saved + 5000 + 7000,
        "of a time without a server only what a crash may have cost counts"
    );
    for _ in 0..4 {
        rig.step(2000);
    }
    rig.step(1999);
    assert_eq!(rig.state(1), Some(State::Held));
    rig.step(1);
    assert_eq!(rig.ended(1), Some(EndedAs::Lost));
}

#[test]
fn rule_9_the_clock_is_saved_soon_after_a_start_and_does_not_go_back_over_a_crash() {
    let mut rig = Rig::new(1);
    rig.hold(NewTicket { lease: Lease::Never, max_hold: Some(60_000), ..acquire(1, IfBusy::Refuse) });
    // Nothing but crashes, each 400 ms after a start and 100 ms before the next one.
    for _ in 0..119 {
        rig.restart();
        rig.step(100);
        rig.step(200);
        rig.step(199);
        assert_eq!(rig.state(1), Some(State::Held));
        rig.mono_ms += 1;
    }
    rig.restart();
    rig.step(100);
    rig.step(400);
    assert_eq!(rig.ended(1), Some(EndedAs::Overdue));
}

#[test]
fn rule_9_nobody_outlives_a_loop_of_crashes() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    let mut up = 0;
    while rig.state(1) == Some(State::Held) {
        rig.restart();
        rig.step(5000);
        rig.step(300);
        up += 300;
        assert!(up < 3 * 10_000, "two leases of 10 s, and what the clock may not know of");
    }
    assert_eq!(rig.ended(1), Some(EndedAs::Lost));
    assert!(up > 10_000, "it had its lease while the server ran: {up}");
}

#[test]
fn rule_7_a_pause_that_ends_in_wall_time_ends_while_the_server_is_down() {
    let mut rig = Rig::new(1);
    let pause = |lasts| Command::PatchLock {
        name: lock(),
        patch: Patch { pause: Some(Some((Arc::from("until 6 o'clock"), Some(lasts)))), ..Patch::default() },
        precondition: Precondition::None,
        force: Force { force: false, expect_tickets: None },
    };
    rig.ask(pause(60_000)).unwrap();
    rig.step(1000);
    rig.restart();
    rig.step(58_998);
    assert!(rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse))).is_err(), "1 ms too early");
    rig.step(1);
    rig.hold(acquire(1, IfBusy::Refuse));
}

#[test]
fn rule_9_what_a_client_knows_is_written_with_the_next_commit_or_with_the_clock() {
    let mut rig = Rig::new(1);
    for _ in 0..10 {
        rig.step(2000);
    }
    let commits = |rig: &Rig| rig.disk.lock().unwrap().commits.len();
    rig.hold(acquire(1, IfBusy::Refuse));
    for id in 2..=3 {
        confirm(&rig.ask(Command::Acquire(acquire(id, IfBusy::Queue))));
    }
    let before = commits(&rig);
    rig.ask(get(2, true, false)).unwrap();
    assert_eq!((commits(&rig), rig.acknowledged(2)), (before, false), "a heartbeat alone needs no commit");
    rig.ask(renew(1)).unwrap();
    confirm(&rig.ask(Command::Acquire(acquire(4, IfBusy::Queue))));
    assert_eq!((commits(&rig), rig.acknowledged(1), rig.acknowledged(2)), (before + 1, true, true), "it went along");
    rig.ask(get(3, false, false)).unwrap();
    for passed in [2000, 2000, 998] {
        rig.step(passed);
    }
    assert!(!rig.acknowledged(3));
    rig.step(1);
    assert_eq!((commits(&rig), rig.acknowledged(3), rig.acknowledged(4)), (before + 2, true, false), "with the clock");
}

#[test]
fn rule_9_what_a_client_knows_waits_until_a_store_in_trouble_has_worked() {
    let mut rig = Rig::new(1);
    confirm(&rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse))));
    rig.next(Next::FailsWithoutEffect);
    assert!(unknown(&rig.ask(Command::Acquire(acquire(2, IfBusy::Queue)))));
    rig.step(100);
    rig.ask(renew(1)).unwrap();
    let saved = rig.service_ms();
    rig.step(2000);
    rig.step(2000);
    rig.step(999);
    assert_eq!((rig.service_ms(), rig.acknowledged(1)), (saved + 4001, false), "the clock alone fits on a full disk");
    confirm(&rig.ask(Command::Acquire(acquire(3, IfBusy::Queue))));
    assert!(!rig.acknowledged(1), "this commit was the proof");
    confirm(&rig.ask(Command::Acquire(acquire(4, IfBusy::Queue))));
    assert!(rig.acknowledged(1));
}

#[test]
fn rule_9_an_orderly_stop_leaves_no_change_deferred() {
    let mut rig = Rig::new(1);
    rig.hold(acquire(1, IfBusy::Refuse));
    for id in 2..=3 {
        confirm(&rig.ask(Command::Acquire(acquire(id, IfBusy::Queue))));
    }
    rig.ask(get(2, true, false)).unwrap();
    assert!(!rig.acknowledged(2));
    let tick = rig.tick();
    rig.engine.finish(tick).unwrap();
    assert!(rig.acknowledged(2) && !rig.acknowledged(3));
    rig.restart();
    rig.step(1);
    assert_eq!(rig.state(2), Some(State::Queued { dormant: false }));
    assert_eq!(rig.state(3), Some(State::Queued { dormant: true }), "its client has not come back yet");
}

#[test]
fn a_lock_with_many_tickets_is_deleted_in_several_steps_and_the_answer_comes_last() {
    let mut rig = Rig::new(1);
    let tickets = 10_500;
    for id in 1..=tickets {
        let caller = Caller::anonymous(if id % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" });
        drop(rig.send_as(caller, Command::Acquire(named(id, IfBusy::Queue, &id.to_string()))));
        if id % 5000 == 0 {
            rig.try_step(1).unwrap();
        }
    }
    rig.step(1);
    let delete = Command::DeleteLock { name: lock(), precondition: Precondition::None, force: force() };
    let mut deleted = rig.send(delete);
    let mut late = rig.send(Command::Acquire(acquire(tickets + 1, IfBusy::Queue)));
    rig.step(1);
    assert!(crate::rig::not_yet(&mut deleted), "one step ends at most 10,000 tickets");
    assert!(now(&mut late).is_err(), "nobody gets in meanwhile");
    assert_eq!(rig.engine.due_in_ms(), Some(0), "it goes on at once");
    rig.step(1);
    assert_eq!(now(&mut deleted).unwrap().outcome, Outcome::Done);
    assert_eq!(rig.ended(tickets), Some(EndedAs::LockDeleted));
    assert_eq!(rig.engine.due_in_ms(), Some(600_000 - 1));
}

#[test]
fn a_deletion_that_a_failed_commit_cuts_short_says_that_nobody_knows() {
    let mut rig = Rig::new(1);
    for id in 1..=10_001 {
        let caller = Caller::anonymous(if id % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" });
        drop(rig.send_as(caller, Command::Acquire(named(id, IfBusy::Queue, &id.to_string()))));
        if id % 5000 == 0 {
            rig.try_step(1).unwrap();
        }
    }
    rig.step(1);
    let delete = Command::DeleteLock { name: lock(), precondition: Precondition::None, force: force() };
    let mut deleted = rig.send(delete);
    rig.next(Next::FailsWithEffect);
    rig.step(1);
    assert!(unknown(&now(&mut deleted)));
    rig.step(1000);
    assert!(rig.engine.table().is_some());
    assert_eq!(rig.state(10_001), Some(State::Granted), "the lock is there, and serves the rest");
}

#[test]
fn events_follow_the_commit_and_a_reader_resumes_by_id() {
    let mut rig = Rig::new(1);
    let begin = rig.handle.events().last();
    let answer = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    confirm(&answer);
    let read = rig.handle.events().after(begin, 100).unwrap();
    let steps = |read: &[(EventId, Published)]| -> Vec<String> {
        let ticket = |kind: &EventKind| match kind {
            EventKind::Ticket { number, transition, .. } => format!("{number} {transition:?}"),
            other => format!("{other:?}"),
        };
        read.iter().map(|(_, one)| ticket(&one.event.kind)).collect()
    };
    assert_eq!(steps(&read), ["1 Queued", "1 Granted { token: 1, waited: 0 }", "1 Held"]);
    let rest = rig.handle.events().after(read[1].0, 100).unwrap();
    assert_eq!(steps(&rest), ["1 Held"]);
    let last = rig.handle.events().last();
    rig.next(Next::FailsWithoutEffect);
    drop(rig.ask(Command::Acquire(acquire(2, IfBusy::Queue))));
    assert_eq!(rig.handle.events().last(), last, "nobody hears of a step that is not durable");
    rig.step(1000);
    assert_eq!(rig.handle.events().after(last, 100).unwrap_err(), Reset, "another term");
    assert!(rig.handle.events().last().term > last.term);
}

#[test]
fn rule_10_a_forgetful_store_begins_its_counters_at_the_unix_time() {
    let mut rig = Rig::new(1);
    let first = rig.ask(Command::Acquire(acquire(1, IfBusy::Refuse)));
    assert_eq!(ticket(&first).ticket.token, Some(1));
    confirm(&first);
    {
        let mut disk = rig.disk.lock().unwrap();
        disk.forgetful = true;
    }
    rig.restart();
    let list = rig.ask(release(1));
    assert!(list.is_ok());
    let next = rig.ask(Command::Acquire(acquire(2, IfBusy::Refuse)));
    let view = ticket(&next);
    assert!(view.ticket.token > Some(1_800_000_000_000_000) && view.ticket.number > 1_800_000_000_000_000);
}
