//! Administrators and configuration files.

use crate::client::LOCKS;
use crate::dice::Dice;
use crate::durable::Durable;
use lock_core::{
    Caller, Capacity, Command, ConfigureMode, Definition, Force, LockName, Patch, Pick, Precondition, Prefix, Restored,
    Settings, SlotName, SlotTags, Stage, Tag, Target, TicketsAfter, ToWithhold,
};
use std::sync::Arc;

fn lock(name: &str) -> LockName {
    LockName::new(name).expect("a good name")
}

fn small(dice: &mut Dice, most: u64) -> u32 {
    u32::try_from(dice.from(1..=most)).expect("small")
}

fn settings(dice: &mut Dice, most: u64) -> Settings {
    Settings {
        grace: dice.from(1000..=6000),
        expiration: Some(dice.from(3000..=20_000)),
        max_lock: (!dice.permille(100)).then(|| dice.from(4000..=30_000)),
        max_hold: dice.permille(200).then_some(12_000),
        lock_delay: dice.pick(&[0, 0, 3000]),
        max_queue: dice.pick(&[2, 100, 100]),
        max_per_owner: dice.permille(200).then(|| small(dice, 2)),
        min_hold: dice.pick(&[0, 0, 0, 4000]),
        ..Settings::new(small(dice, most))
    }
}

fn names(dice: &mut Dice) -> Capacity {
    let mut names: Vec<SlotName> = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        if dice.permille(600) {
            names.insert(dice.from(0..=names.len() as u64) as usize, SlotName::new(name).expect("good"));
        }
    }
    if names.is_empty() { Capacity::Size(1) } else { Capacity::Named(names) }
}

/// Tags of some slots, if they are there.
fn tags(dice: &mut Dice) -> SlotTags {
    let names = ["a", "b", "c", "d", "e"].into_iter().filter(|_| dice.permille(500)).collect::<Vec<_>>();
    let of = |name: &str| {
        let tags = if dice.permille(500) { vec!["fast"] } else { vec!["big", "fast"] };
        (SlotName::new(name).expect("good"), tags.into_iter().map(|tag| Tag::new(tag).expect("good")).collect())
    };
    names.into_iter().map(of).collect()
}

/// A configuration file. Now and then a section is missing.
pub(crate) fn configure(dice: &mut Dice, complete: bool) -> Command {
    let mut definitions = Vec::new();
    for (target, most) in [
        (Target::Lock(lock("plain")), 4),
        (Target::Lock(lock("named")), 1),
        (Target::Template(Prefix::from_pattern("job-*").expect("good")), 2),
    ] {
        if complete || !dice.permille(40) {
            let mut settings = settings(dice, most);
            if target == Target::Lock(lock("named")) {
                settings.capacity = names(dice);
                settings.tags = tags(dice);
                settings.pick = dice.pick(&[Pick::First, Pick::First, Pick::Lru]);
            }
            let paused = !complete && dice.permille(50);
            definitions.push(Definition { target, settings, paused });
        }
    }
    Command::Configure { definitions, mode: ConfigureMode::Apply }
}

/// The key of the administrator, which some clients have, too.
pub(crate) const KEY: &str = "ci";

/// The administrator.
pub(crate) fn caller() -> Caller {
    Caller { owner: Some(Arc::from(KEY)), admin: true, ..Caller::anonymous("203.0.113.1") }
}

/// Something that an administrator does.
pub(crate) fn act(dice: &mut Dice, durable: &Durable) -> Command {
    let name = lock(dice.pick(&LOCKS));
    let force = Force { force: dice.permille(700), expect_tickets: dice.permille(200).then(|| dice.from(0..=3)) };
    let precondition = match durable.locks.get(&name) {
        Some(lock) if dice.permille(200) => Precondition::Revision(lock.revision),
        _ if dice.permille(50) => Precondition::Absent,
        _ => Precondition::None,
    };
    let patch = |patch: Patch| Command::PatchLock { name: name.clone(), patch, precondition, force };
    match dice.from(0..=23) {
        20 | 21 => withhold(dice, name),
        22 => {
            let lasts = dice.from(1000..=20_000);
            Command::Outside { lock: name, report: dice.permille(800).then(|| (small(dice, 4), lasts)) }
        }
        0..=2 => {
            let capacity = Some(if dice.permille(200) { names(dice) } else { Capacity::Size(small(dice, 5)) });
            let tags = dice.permille(300).then(|| tags(dice));
            patch(Patch { capacity, tags, ..Patch::default() })
        }
        3 => patch(Patch { max_per_owner: Some(dice.permille(600).then(|| small(dice, 2))), ..Patch::default() }),
        4 | 5 => {
            let lasts = dice.permille(500).then(|| dice.from(500..=8000));
            let pause = Some(Some((Arc::from("simulated"), lasts)));
            patch(Patch { pause, ..Patch::default() })
        }
        6..=8 => patch(Patch { pause: Some(None), ..Patch::default() }),
        9 => {
            let max_lock = Some(dice.permille(700).then(|| dice.from(2000..=20_000)));
            let expiration = Some(dice.permille(700).then(|| dice.from(2000..=20_000)));
            patch(Patch { max_lock, expiration, lock_delay: Some(dice.pick(&[0, 2000])), ..Patch::default() })
        }
        10..=12 => {
            let live: Vec<u64> =
                durable.tickets.values().filter(|ticket| ticket.is_live()).map(|ticket| ticket.number).collect();
            let number = if live.is_empty() { 1 } else { dice.pick(&live) };
            let lock = durable.numbers.get(&number).map_or(name, |id| durable.tickets[id].lock.clone());
            Command::Revoke {
                lock,
                number,
                reason: Arc::from("simulated"),
                only: dice.permille(300).then(|| dice.pick(&[Stage::Queued, Stage::Granted, Stage::Held])),
            }
        }
        13 => Command::DeleteLock { name, precondition, force },
        14 => Command::Restore { lock: name, which: Restored::All },
        15 => {
            let withheld: Vec<u64> = durable.withholdings.keys().copied().collect();
            let number = if withheld.is_empty() { 1 } else { dice.pick(&withheld) };
            Command::Restore { lock: name, which: Restored::Number(number) }
        }
        16 => Command::PutLock { settings: settings(dice, 4), name, precondition, force },
        17 => Command::PutLock {
            settings: settings(dice, 3),
            name: lock("adhoc"),
            precondition: Precondition::None,
            force,
        },
        18 => {
            let holders: Vec<u64> = durable
                .tickets
                .values()
                .filter(|ticket| ticket.is_live() && ticket.lock == name)
                .filter_map(|ticket| ticket.token)
                .collect();
            let token = if holders.is_empty() { dice.from(1..=500) } else { dice.pick(&holders) };
            Command::Verify { lock: name, token }
        }
        _ => look(dice, name),
    }
}

/// Withholds permits by number, or slots by name, and sometimes restores those.
fn withhold(dice: &mut Dice, lock: LockName) -> Command {
    let Capacity::Named(names) = names(dice) else {
        return Command::Restore { lock, which: Restored::All };
    };
    if dice.permille(300) {
        return Command::Restore { lock, which: Restored::Slots(names) };
    }
    let what = match dice.permille(500) {
        true => ToWithhold::Slots(names),
        false => ToWithhold::Count(small(dice, 2)),
    };
    let lasts = dice.permille(700).then(|| dice.from(1000..=20_000));
    Command::Withhold { lock, what, reason: Arc::from("simulated"), lasts }
}

/// One of the ways to look, which change nothing.
fn look(dice: &mut Dice, name: LockName) -> Command {
    match dice.from(0..=3) {
        0 => Command::ListLocks { after: None, limit: 100, tickets: 100, among: None },
        1 => Command::ListLocks { after: None, limit: 2, tickets: 100, among: Some(Arc::from([Target::Lock(name)])) },
        2 => Command::ViewLock { name, tickets: dice.pick(&[1, 100]), after: TicketsAfter::default() },
        _ => Command::ListMine { after: 0, tickets: 100 },
    }
}

/// What ends every standstill: no pause, no lease that lasts for ever. Sent for each lock before the last phase.
pub(crate) fn relieve(name: &LockName) -> Vec<Command> {
    let patch = Patch {
        pause: Some(None),
        max_lock: Some(Some(10_000)),
        expiration: Some(Some(10_000)),
        max_queue: Some(100),
        ..Patch::default()
    };
    let force = Force { force: true, expect_tickets: None };
    vec![
        Command::PatchLock { name: name.clone(), patch, precondition: Precondition::None, force },
        Command::Outside { lock: name.clone(), report: None },
        Command::Restore { lock: name.clone(), which: Restored::All },
    ]
}

/// Caps that a command may set.
pub(crate) fn caps(command: &Command) -> Vec<u32> {
    match command {
        Command::PutLock { settings, .. } => settings.max_per_owner.into_iter().collect(),
        Command::PatchLock { patch, .. } => patch.max_per_owner.flatten().into_iter().collect(),
        Command::Configure { definitions, .. } => definitions.iter().filter_map(|d| d.settings.max_per_owner).collect(),
        _ => Vec::new(),
    }
}

/// Sizes that a command may set.
pub(crate) fn sizes(command: &Command) -> Vec<u32> {
    match command {
        Command::PutLock { settings, .. } => vec![settings.size()],
        Command::PatchLock { patch, .. } => patch.capacity.iter().map(Capacity::size).collect(),
        Command::Configure { definitions, .. } => definitions.iter().map(|d| d.settings.size()).collect(),
        _ => Vec::new(),
    }
}
