//! The table against a naive model of the rules: random commands of all kinds, times, lost connections and restarts, and
//! after each step everything that can be observed is equal. `LOCKSERVER_MODEL_CASES` sets the number of runs.

#[path = "../../../../fuzz/bodies/commands/mod.rs"]
#[expect(dead_code, reason = "the loop of the fuzz target has a test of its own")]
mod commands;
#[path = "../mirror/mod.rs"]
mod mirror;
mod naive;

use commands::{Act, Load, World};
use lock_core::{
    Caller, Command, Continuity, Outcome, Rejection, Snapshot, State, StepContext, Table, TicketId, TicketView,
};
use mirror::Mirror;
use naive::{Naive, Words};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

/// Table, store and model side by side.
struct Run {
    table: Table,
    store: Mirror,
    model: Naive,
    world: World,
    /// Of each of the world's answers: the model's count of heartbeats.
    lives: Vec<u64>,
    /// What was done, for the report of a failure.
    trace: Vec<String>,
}

/// What an outcome says, in the model's words.
fn words(outcome: &Result<Outcome, Rejection>) -> Words {
    let ticket = |view: &TicketView| {
        let ticket = &view.ticket;
        format!("ticket {} {:?} {:?} ahead {}", ticket.number, ticket.state, ticket.slots, view.ahead)
    };
    match outcome {
        Ok(Outcome::Ticket(view)) => ticket(view),
        Ok(Outcome::Waiting(view)) => format!("waits {}", view.ahead),
        Ok(Outcome::NothingHeld) => "nothing".into(),
        Ok(Outcome::Lock(_)) => "lock".into(),
        Ok(Outcome::Locks(_) | Outcome::Tickets(_)) => "seen".into(),
        Ok(Outcome::Configured(_)) => "configured".into(),
        Ok(Outcome::Done) => "done".into(),
        Ok(Outcome::Incomplete) => "again".into(),
        Err(why) => match why {
            Rejection::InLock(lock, reason) => format!("{lock}: {}", words(&Err((**reason).clone()))),
            Rejection::NotUsable => "not usable".into(),
            Rejection::UnknownLock => "unknown lock".into(),
            Rejection::UnknownTicket => "unknown ticket".into(),
            Rejection::Gone(view) => format!("gone {}", view.ended().map_or("?", |how| how.as_str())),
            Rejection::Withdrawn => "withdrawn".into(),
            Rejection::RequestIdReused => "request_id reused".into(),
            Rejection::HolderTaken => "holder taken".into(),
            Rejection::Busy | Rejection::Paused(_) => "busy".into(),
            Rejection::TooManyPermits { .. } => "too many permits".into(),
            Rejection::TooManyForOwner { .. } => "too many for one owner".into(),
            Rejection::UnknownTag { .. } => "unknown tag".into(),
            Rejection::TooFewSlots { .. } => "too few slots".into(),
            Rejection::UnknownSlot { .. } => "unknown slot".into(),
            Rejection::TooManyWithheld { .. } => "too many withheld".into(),
            Rejection::Retiring => "retiring".into(),
            Rejection::NameWithheld(_) => "name withheld".into(),
            Rejection::LimitReached { what, .. } => format!("full {what}"),
            Rejection::Invalid(_) => "invalid".into(),
            Rejection::RevisionMismatch(_) => "changed".into(),
            Rejection::Exists => "exists".into(),
            Rejection::WouldEnd { tickets, .. } => format!("would end {tickets}"),
            Rejection::NotAHolder => "not a holder".into(),
            Rejection::OutOfReach(_) => "out of reach".into(),
            Rejection::NotAllowed => "not allowed".into(),
            Rejection::StageChanged(_) => "moved".into(),
        },
    }
}

/// Whether the table says what the model says. How many are ahead the model knows within bounds.
fn agrees(expected: &str, got: &str) -> bool {
    let bounds = |text: &str| {
        let (least, most) = text.split_once("..")?;
        Some(least.parse::<u64>().ok()?..=most.parse::<u64>().ok()?)
    };
    match (expected.rsplit_once(' '), got.rsplit_once(' ')) {
        (Some((text, ahead)), Some((same, number))) => bounds(ahead).map_or(expected == got, |bounds| {
            text == same && number.parse().is_ok_and(|number| bounds.contains(&number))
        }),
        _ => expected == got,
    }
}

/// Revisions are the table's own affair; that they change with the settings is for the scripts.
fn without_revisions(mut snapshot: Snapshot) -> Snapshot {
    snapshot.meta.last_revision = 0;
    snapshot.locks.iter_mut().for_each(|lock| lock.revision = 0);
    // So is what it notes of its lives; what comes of that is compared.
    snapshot.meta.uptime = lock_core::Uptime::default();
    snapshot.tickets.iter_mut().for_each(|ticket| ticket.lease_began = 0);
    snapshot
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            table: Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store"),
            store: Mirror::default(),
            model: Naive::default(),
            world: World::default(),
            lives: Vec::new(),
            trace: Vec::new(),
        };
        for command in commands::beginning() {
            run.command(Caller::server(), &command).expect("locks are made");
        }
        run.compare().expect("they are the same");
        run
    }

    fn step(&mut self, bytes: &[u8]) -> Result<(), String> {
        let step = commands::step(bytes, &mut self.world);
        self.trace.push(format!("{step:#?}"));
        if let Some(load) = step.load {
            let (stored, activity_seqs) = (self.store.snapshot(), self.table.activity_seqs());
            // The table alone decides when it writes deferred changes.
            for ticket in &stored.tickets {
                let of_model = self.model.ticket(ticket.id);
                (of_model.rec.acknowledged, of_model.rec.lease_began) = (ticket.acknowledged, ticket.lease_began);
            }
            let continuity = match load {
                Load::GoOn => Continuity::SameProcess { activity_seqs },
                Load::Start => Continuity::NewLife,
            };
            self.table = Table::load(stored, 0, &continuity).map_err(|why| why.to_string())?;
            self.model.restart(load == Load::Start, self.table.snapshot().meta.uptime.starts.all());
            self.lives.clear();
        }
        let now = self.model.now() + step.passed;
        self.model.meta.service_ms = now;
        self.model.wall = now + 1_000_000;
        self.table.begin_step(now);
        if step.gap {
            self.table.after_gap();
            self.model.floor = now + 5000;
        }
        for act in &step.acts {
            if let Act::HangUp(id) = act {
                self.world.absent.push(*id);
            }
        }
        self.model.absent = self.world.absent.clone();
        for act in &step.acts {
            if let Act::Command(caller, command) = act {
                self.table.heartbeat(caller, command);
                if let Some(id) = self.model.signs(caller, command) {
                    self.model.ticket(id).restored = false;
                    self.model.restart_lease(id);
                }
            }
        }
        let absent = self.world.absent.clone();
        let is_connected = |id| !absent.contains(&id);
        self.table.expire(at(&self.model, &is_connected));
        self.model.expire();
        for act in &step.acts {
            match act {
                Act::Command(caller, command) => self.command(caller, command)?,
                Act::Undelivered(index) => self.undelivered(*index)?,
                Act::HangUp(_) => {}
            }
        }
        self.answer_waiting()?;
        self.compare()
    }

    fn command(&mut self, caller: &Caller, command: &Command) -> Result<(), String> {
        let absent = self.world.absent.clone();
        let is_connected = |id| !absent.contains(&id);
        let outcome = self.table.apply(at(&self.model, &is_connected), caller, command);
        let expected = self.model.apply(caller, command);
        let got = words(&outcome);
        if !agrees(&expected, &got) {
            return Err(format!("{command:?} by {caller:?}\nshould say: {expected}\nand says:   {got}"));
        }
        let answers = self.world.answers.len();
        commands::note(&mut self.world, command, &outcome);
        self.model.absent = self.world.absent.clone();
        if self.world.answers.len() > answers {
            let id = self.world.answers[answers].id;
            self.lives.push(self.model.ticket(id).life);
        }
        Ok(())
    }

    fn undelivered(&mut self, index: usize) -> Result<(), String> {
        let commands::Answer { id, activity_seq, made } = self.world.answers[index].clone();
        let absent = self.world.absent.clone();
        let is_connected = |id| !absent.contains(&id);
        let command = Command::Undelivered { id, activity_seq, made };
        let got = words(&self.table.apply(at(&self.model, &is_connected), Caller::server(), &command));
        let expected = self.model.undelivered(id, self.lives[index], made);
        if agrees(&expected, &got) { Ok(()) } else { Err(format!("undelivered: {got}, not {expected}")) }
    }

    /// Requests that waited are answered: those whose tickets do not queue any more.
    fn answer_waiting(&mut self) -> Result<(), String> {
        let served: BTreeSet<TicketId> = self.table.take_served().into_iter().collect();
        let over = |ticket: &&naive::Ticket| ticket.waiting > 0 && !matches!(ticket.rec.state, State::Queued { .. });
        let expected: BTreeSet<TicketId> = self.model.tickets.iter().filter(over).map(|ticket| ticket.rec.id).collect();
        if !expected.is_subset(&served) {
            return Err(format!("{expected:?} should be answered, {served:?} are"));
        }
        for id in served {
            let view = self.table.answer_waiting(id);
            let ticket = self.model.ticket(id);
            ticket.waiting = 0;
            if matches!(ticket.rec.state, State::Queued { .. }) {
                return Err(format!("{id:?} is answered and queues"));
            }
            self.lives.push(ticket.life);
            commands::note_served(&mut self.world, &view);
        }
        Ok(())
    }

    /// Everything that can be seen.
    fn compare(&mut self) -> Result<(), String> {
        match self.model.now() % 3 {
            0 => self.store.write_deferred(&mut self.table)?,
            _ => self.store.commit_step(&mut self.table)?,
        }
        let (expected, got) = (without_revisions(self.model.snapshot()), without_revisions(self.table.snapshot()));
        if expected != got {
            return Err(mirror::differs(&expected, &got));
        }
        let everybody = |_| true;
        let list = Command::ListLocks { after: None, limit: 1000, tickets: 1000, among: None };
        let Ok(Outcome::Locks(locks)) = self.table.apply(at(&self.model, &everybody), Caller::server(), &list) else {
            return Err("no list".into());
        };
        for lock in &locks.locks {
            let name = lock.lock.name.clone();
            let out = self.model.out(&name).len() as u64;
            let withheld: u64 = self
                .model
                .withholdings_of(&name)
                .iter()
                .map(|withholding| naive::listed(&withholding.slots).len() as u64)
                .sum();
            let free = match self.model.exclusive(&name) {
                true => 0,
                false => u64::from(lock.lock.settings.size()).saturating_sub(out),
            };
            equal(
                &name,
                "free, in use, withheld",
                &(free, out - withheld, withheld),
                &(lock.usage.free, lock.usage.in_use, lock.usage.withheld),
            )?;
            let row = |ticket: &naive::Ticket| {
                let queued = matches!(ticket.rec.state, State::Queued { .. });
                let left = ticket.until.map(|until| until.max(self.model.floor).saturating_sub(self.model.now()));
                let (least, most) = if queued { self.model.ahead_in(&name, ticket.rec.id) } else { (0, 0) };
                let told = lock.queue.iter().find(|view| view.ticket.id == ticket.rec.id).map_or(0, |view| view.ahead);
                (ticket.rec.number, told.clamp(least, most), left, self.model.lease(ticket.rec.id))
            };
            let seen = |view: &TicketView| (view.ticket.number, view.ahead, view.expires_in, view.ttl);
            let queue: Vec<_> = self.model.queue(&name).into_iter().map(row).collect();
            equal(&name, "queue", &queue, &lock.queue.iter().map(seen).collect())?;
            let holders: Vec<_> = self.model.active(&name).into_iter().map(row).collect();
            equal(&name, "holders", &holders, &lock.holders.iter().map(seen).collect())?;
            let counts = (lock.usage.holding, lock.usage.queued);
            equal(&name, "counts", &(holders.len() as u64, queue.len() as u64), &counts)?;
        }
        Ok(())
    }
}

fn at<'a>(model: &Naive, is_connected: &'a dyn Fn(TicketId) -> bool) -> StepContext<'a> {
    StepContext { now: model.now(), wall: model.wall, is_connected }
}

fn equal<T: PartialEq + std::fmt::Debug>(
    name: &lock_core::LockName,
    what: &str,
    expected: &T,
    got: &T,
) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    Err(format!("{name}: {what}: {expected:?} expected, it is {got:?}"))
}

fn cases() -> u32 {
    let set = std::env::var("LOCKSERVER_MODEL_CASES").ok();
    set.map_or(500, |cases| cases.parse().expect("LOCKSERVER_MODEL_CASES is a number"))
}

/// Random runs meet bundles in every condition, so that what is said of them is not said of nothing.
#[test]
fn bundles_are_met_in_every_condition() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(prop::array::uniform::<_, { commands::STEP_BYTES }>(any::<u8>()), 100..150);
    for _ in 0..60 {
        let steps = steps.new_tree(&mut runner).expect("bytes").current();
        let mut run = Run::new();
        for bytes in &steps {
            run.step(bytes).expect("the table does what the model says");
            for bundle in run.model.tickets.iter().filter(|ticket| ticket.rec.is_bundle()) {
                *met.entry(run.model.condition(bundle)).or_default() += 1;
            }
        }
    }
    for condition in naive::CONDITIONS {
        assert!(met.get(condition).is_some_and(|times| *times >= 20), "{condition} is met too seldom: {met:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_does_what_the_naive_rules_say(
        steps in prop::collection::vec(prop::array::uniform::<_, { commands::STEP_BYTES }>(any::<u8>()), 1..150),
    ) {
        let mut run = Run::new();
        for bytes in &steps {
            if let Err(why) = run.step(bytes) {
                let shown = run.trace.len().saturating_sub(12);
                return Err(TestCaseError::fail(format!("{}\n{why}", run.trace[shown..].join("\n"))));
            }
        }
    }
}
