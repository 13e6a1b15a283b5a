//! Bytes into steps of a lock table. Shared by the fuzz target `commands`, by a stable test and, as the source of random
//! commands, by the model test of `lock-core`; so it uses nothing but `lock-core`.

mod draw;

pub(crate) use draw::step;
use lock_core::*;
use std::collections::BTreeSet;

/// Bytes that make one step.
pub(crate) const STEP_BYTES: usize = 52;

/// An answer that told of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: TicketId,
    pub(crate) activity_seq: u64,
    pub(crate) made: bool,
}

/// What there is to choose from.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) ids: Vec<TicketId>,
    /// Lock, number and token of tickets as they were told.
    pub(crate) told: Vec<(LockName, u64, u64)>,
    /// A ticket for each request that waits.
    pub(crate) waits: Vec<TicketId>,
    /// Tickets whose waiting clients are gone.
    pub(crate) absent: Vec<TicketId>,
    pub(crate) answers: Vec<Answer>,
}

/// One thing in a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Command(Caller, Box<Command>),
    /// An answer, by its index, could not be written.
    Undelivered(usize),
    HangUp(TicketId),
}

/// Why a table is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// The process starts.
    Start,
    /// The store failed, and the process goes on with what it has.
    GoOn,
}

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) passed: Ms,
    /// The table is loaded from its store before this step.
    pub(crate) load: Option<Load>,
    pub(crate) gap: bool,
    pub(crate) acts: Vec<Act>,
}

/// The locks that every run begins with.
pub(crate) fn beginning() -> Vec<Command> {
    let put = |name, settings| Command::PutLock {
        name: LockName::new(name).expect("a name"),
        settings,
        precondition: Precondition::None,
        force: Force { force: false, expect_tickets: None },
    };
    let template = Definition {
        target: Target::Template(Prefix::from_pattern("t-*").expect("a pattern")),
        settings: Settings::new(1),
        paused: false,
    };
    vec![
        put("a", Settings::new(2)),
        put("b", Settings::new(3)),
        Command::Configure { definitions: vec![template], mode: ConfigureMode::Apply },
    ]
}

/// The ticket that an outcome tells of.
pub(crate) fn told(outcome: &Result<Outcome, Rejection>) -> Option<&TicketView> {
    match outcome {
        Ok(Outcome::Ticket(view) | Outcome::Waiting(view)) => Some(view),
        _ => None,
    }
}

/// Notes what came of a command, so that later ones can refer to it.
pub(crate) fn note(world: &mut World, command: &Command, outcome: &Result<Outcome, Rejection>) {
    let Some(view) = told(outcome) else { return };
    let ticket = &view.ticket;
    let (number, token) = (ticket.number, ticket.token.unwrap_or(0));
    world.told.extend(ticket.parts().map(|part| (part.lock.clone(), number, token)));
    if matches!(outcome, Ok(Outcome::Waiting(_))) {
        world.waits.push(view.ticket.id);
        world.absent.retain(|id| *id != view.ticket.id);
    } else {
        world.answers.push(Answer {
            id: view.ticket.id,
            activity_seq: view.activity_seq,
            made: matches!(command, Command::Acquire(_)),
        });
    }
}

/// Ends the waits of these tickets, which have been answered.
pub(crate) fn note_served(world: &mut World, view: &TicketView) {
    let id = view.ticket.id;
    world.waits.retain(|other| *other != id);
    world.absent.retain(|other| *other != id);
    world.answers.push(Answer { id, activity_seq: view.activity_seq, made: false });
}

/// Runs the steps that these bytes describe and checks what is true after each.
///
/// # Panics
/// If it is not.
pub(crate) fn fuzz_commands(data: &[u8]) {
    let mut world = World::default();
    let mut table = Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store");
    let (mut now, everybody) = (0, |_| true);
    for command in beginning() {
        let at = StepContext { now, wall: now, is_connected: &everybody };
        table.apply(at, Caller::server(), &command).expect("a first lock");
    }
    for bytes in data.chunks(STEP_BYTES).take(2000) {
        let step = step(bytes, &mut world);
        now += step.passed;
        if let Some(load) = step.load {
            let (stored, activity_seqs) = (table.snapshot(), table.activity_seqs());
            let continuity =
                if load == Load::GoOn { Continuity::SameProcess { activity_seqs } } else { Continuity::None };
            table = Table::load(stored.clone(), 0, &continuity).expect("a table can be loaded");
            assert_eq!(table.snapshot(), stored, "a load changes nothing");
        }
        table.begin_step(now);
        if step.gap {
            table.after_gap();
        }
        let commands: Vec<(Caller, Command)> = step
            .acts
            .into_iter()
            .filter_map(|act| match act {
                Act::Command(caller, command) => Some((caller, *command)),
                Act::Undelivered(at) => {
                    let Answer { id, activity_seq, made } = world.answers[at].clone();
                    Some((Caller::server().clone(), Command::Undelivered { id, activity_seq, made }))
                }
                Act::HangUp(id) => {
                    world.absent.push(id);
                    None
                }
            })
            .collect();
        commands.iter().for_each(|(caller, command)| table.heartbeat(caller, command));
        let absent: BTreeSet<TicketId> = world.absent.iter().copied().collect();
        let at = StepContext { now, wall: now, is_connected: &|id| !absent.contains(&id) };
        table.expire(at);
        for (caller, command) in &commands {
            let outcome = table.apply(at, caller, command);
            note(&mut world, command, &outcome);
        }
        table.take_changes();
        if now % 3 == 0 {
            table.take_deferred_changes();
        }
        table.take_events();
        for id in table.take_served() {
            note_served(&mut world, &table.answer_waiting(id));
        }
        if let Err(why) = invariants::check(&table) {
            panic!("{why}");
        }
    }
}
