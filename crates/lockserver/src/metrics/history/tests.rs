//! The past of a table that is in use.

use super::*;
use lock_core::limits::HISTORY_LOCKS_MAX;
use lock_core::{
    Caller, Command, ConfigureMode, Continuity, Definition, IfBusy, NewTicket, Permits, ReleaseTarget, Settings,
    Snapshot, StepContext, Target, TicketId,
};
use std::sync::Arc;

/// A whole hour.
const BEGIN: WallMs = 1_800_000_000_000;

fn name(text: &str) -> LockName {
    LockName::new(text).unwrap()
}

struct Rig {
    table: Table,
    history: History,
    wall: WallMs,
}

impl Rig {
    fn new(locks: &[(&str, u32)]) -> Self {
        let table = Table::load(Snapshot::default(), BEGIN * 1000, &Continuity::None).unwrap();
        let mut rig = Self { table, history: History::default(), wall: BEGIN };
        rig.configure(locks);
        rig
    }

    fn apply(&mut self, command: &Command) {
        let now = self.table.now();
        self.table
            .apply(StepContext { now, wall: self.wall, is_connected: &|_| true }, Caller::server(), command)
            .unwrap();
        self.table.take_changes();
        self.table.take_served();
        self.history.note(&self.table.take_events());
    }

    fn take(&mut self, lock: &str, id: u128) {
        self.ask(lock, id, Permits::Count(1));
    }

    fn ask(&mut self, lock: &str, id: u128, permits: Permits) {
        let new = NewTicket::new(name(lock), TicketId(id));
        self.apply(&Command::Acquire(NewTicket { permits, if_busy: IfBusy::Queue, ..new }));
    }

    fn configure(&mut self, locks: &[(&str, u32)]) {
        let definition = |(lock, size): &(&str, u32)| Definition {
            target: Target::Lock(name(lock)),
            settings: Settings::new(*size),
            paused: false,
        };
        let definitions = locks.iter().map(definition).collect();
        self.apply(&Command::Configure { definitions, mode: ConfigureMode::Apply });
    }

    fn release(&mut self, id: u128) {
        let target = ReleaseTarget::Id(None, TicketId(id));
        self.apply(&Command::Release { target, queued: true, keep: None, withhold: None });
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.wall += 1000;
            self.history.sample(self.wall, &self.table);
        }
    }

    fn past(&self, lock: &str, span: Span) -> Past {
        self.history.past(&name(lock), span, self.wall)
    }
}

#[test]
fn an_hour_of_a_lock() {
    let mut rig = Rig::new(&[("x", 2)]);
    rig.pass(9);
    rig.take("x", 1);
    rig.pass(10);
    rig.take("x", 2);
    rig.take("x", 3);
    rig.pass(10);
    let past = rig.past("x", Span::Hour);
    assert_eq!(past.samples.begin, BEGIN);
    let steps: Vec<(u32, f32, u32, u32)> =
        past.samples.steps.iter().flatten().map(|one| (one.size, one.in_use, one.in_use_max, one.queued_max)).collect();
    assert_eq!(steps, [(2, 0.0, 0, 0), (2, 1.0, 1, 0), (2, 2.0, 2, 1)]);
    assert_eq!(past.since, Some(BEGIN + 1000));
    let full: Vec<f32> = past.samples.steps.iter().flatten().map(|one| one.full).collect();
    assert_eq!(full, [0.0, 0.0, 1.0]);
    rig.release(1);
    assert_eq!(rig.past("x", Span::Hour).holds.count, 1);
    let waited = rig.past("x", Span::Hour).waits;
    assert_eq!((waited.count, waited.p50, waited.p99.map(|ms| ms.abs_diff(10_000) < 2000)), (3, Some(0), Some(true)));
    assert_eq!(rig.history.usual_hold(&name("x"), rig.wall), None, "one hold tells nothing");
    assert_eq!(rig.past("x", Span::Day).samples.steps.len(), 1);
    assert_eq!(rig.past("other", Span::Day).samples, Samples::default());
    assert_eq!(rig.past("other", Span::Day).since, None);
    assert_eq!(rig.history.usual_hold(&name("other"), rig.wall), None);
}

#[test]
fn what_is_usual_is_what_at_least_five_holders_gave_back() {
    let mut rig = Rig::new(&[("x", 1)]);
    let usual = |rig: &Rig| rig.history.usual_hold(&name("x"), rig.wall);
    for id in 1..=4 {
        rig.take("x", id);
        rig.pass(10);
        rig.release(id);
    }
    // One that an administrator ends was held for long, but says nothing about the others.
    rig.take("x", 5);
    rig.pass(1000);
    let number = rig.table.snapshot().tickets.iter().find(|ticket| ticket.id == TicketId(5)).unwrap().number;
    rig.apply(&Command::Revoke { lock: name("x"), number, reason: Arc::from(""), only: None });
    assert_eq!((rig.past("x", Span::Hour).holds.count, usual(&rig)), (5, None));
    rig.take("x", 6);
    rig.pass(10);
    rig.release(6);
    assert_eq!((rig.past("x", Span::Hour).holds.count, usual(&rig)), (6, Some(10_000)));
}

#[test]
fn it_stays_as_long_as_its_span_and_shows_its_gaps() {
    let mut rig = Rig::new(&[("x", 1)]);
    rig.pass(20);
    rig.wall += 60_000;
    rig.pass(20);
    let steps = rig.past("x", Span::Hour).samples.steps;
    assert_eq!(steps.iter().filter(|step| step.is_none()).count(), 5, "{steps:?}");
    rig.pass(2 * 3600);
    assert!((359..=361).contains(&rig.past("x", Span::Hour).samples.steps.len()));
    assert_eq!(rig.past("x", Span::Day).samples.steps.len(), 25);
    rig.pass(26 * 3600);
    assert!((287..=289).contains(&rig.past("x", Span::Day).samples.steps.len()));
    assert_eq!(rig.past("x", Span::Hour).since, Some(rig.wall - Span::Day.ms()));
}

#[test]
fn a_clock_that_is_set_back_takes_the_future_with_it() {
    let mut rig = Rig::new(&[("x", 1)]);
    rig.pass(100);
    rig.wall -= 60_000;
    rig.pass(10);
    let samples = rig.past("x", Span::Hour).samples;
    assert!(rig.past("x", Span::Hour).since <= Some(rig.wall));
    assert!(samples.begin + samples.steps.len() as u64 * 10_000 <= rig.wall + 10_000, "{samples:?}");
}

#[test]
fn there_is_room_for_so_many_and_the_unused_make_room() {
    let names: Vec<String> = (0..HISTORY_LOCKS_MAX + 5).map(|number| format!("lock-{number:05}")).collect();
    let locks: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut rig = Rig::new(&locks);
    rig.pass(2);
    let last = names.last().unwrap();
    assert_eq!(rig.past(last, Span::Hour).samples.steps, [], "no room yet");
    rig.take(&names[0], 1);
    rig.pass(HISTORY_IDLE_MS / 1000);
    rig.take(last, 2);
    rig.pass(2);
    assert_eq!(rig.past(last, Span::Hour).samples.steps.len(), 1);
    assert!(rig.past(&names[0], Span::Hour).samples.steps.len() > 1, "one that is used stays");
    assert_eq!(rig.history.kept().locks.len(), HISTORY_LOCKS_MAX);
}

#[test]
fn a_step_is_full_while_nothing_could_be_given() {
    let mut rig = Rig::new(&[("x", 4)]);
    rig.ask("x", 1, Permits::Count(4));
    rig.pass(4);
    rig.release(1);
    rig.pass(5);
    let full = |rig: &Rig| rig.past("x", Span::Hour).samples.steps[0].map(|step| step.full);
    assert!(full(&rig).is_some_and(|full| (full - 4.0 / 9.0).abs() < 0.001), "{:?}", full(&rig));
    // A holder of all of it has it all, also when it has grown since; and what is withheld is not free.
    rig.ask("x", 2, Permits::All);
    rig.configure(&[("x", 9)]);
    rig.pass(11);
    let steps = rig.past("x", Span::Hour).samples.steps;
    assert_eq!(steps[1].map(|step| (step.full, step.in_use_max, step.size)), Some((1.0, 4, 9)));
}

#[test]
fn those_that_are_gone_make_room_at_once() {
    let names: Vec<String> = (0..HISTORY_LOCKS_MAX).map(|number| format!("job-{number:05}")).collect();
    let jobs: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut rig = Rig::new(&jobs);
    rig.pass(2);
    rig.take("job-00000", 1);
    rig.configure(&[("job-00000", 1), ("job-00001", 1), ("important", 1), ("idle", 1)]);
    rig.take("important", 2);
    rig.pass(1);
    for lock in ["important", "idle"] {
        assert_eq!(rig.past(lock, Span::Hour).samples.steps.len(), 1, "{lock}");
    }
    rig.release(2);
    rig.pass(1);
    assert_eq!(rig.past("important", Span::Hour).holds.count, 1);
    for lock in ["job-00000", "job-00001"] {
        assert_eq!(rig.past(lock, Span::Hour).samples.begin, BEGIN, "{lock} is there and stays");
    }
    assert_eq!(rig.history.kept().locks.len(), HISTORY_LOCKS_MAX);
}
