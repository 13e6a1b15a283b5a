//! Bytes into choices, and choices into commands: a few locks, clients and times, so that they meet.

use super::{Act, Load, Step, World};
use lock_core::*;
use std::sync::Arc;

/// Reads choices from bytes; zeros follow after the last one.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

const TIMES: [Ms; 20] =
    [0, 0, 0, 0, 0, 0, 1, 500, 999, 1000, 4999, 5000, 9999, 10_000, 15_000, 29_999, 30_000, 60_000, 300_000, 600_000];
const LOCKS: [&str; 6] = ["a", "b", "t-1", "t-x1", "t-2", "zz"];
const REQUESTS: [&str; 3] = ["request-id-number-1", "request-id-number-2", "request-id-number-3"];

fn lock(choices: &mut Choices<'_>) -> LockName {
    LockName::new(choices.of(&LOCKS)).expect("a name")
}

fn caller(choices: &mut Choices<'_>) -> Caller {
    let choice = choices.byte();
    Caller {
        owner: [None, None, Some("k1"), Some("k2")][usize::from(choice % 4)].map(Arc::from),
        admin: choice >= 240,
        from: Arc::from(if choice & 16 == 0 { "host-1" } else { "host-2" }),
        // Now and then its key is for some of the locks only.
        locks: (choice & 0x60 == 0x60).then(|| {
            let own = Target::Template(Prefix::from_pattern("t-*").expect("a pattern"));
            Arc::from([Target::Lock(LockName::new("a").expect("a name")), own])
        }),
    }
}

fn ticket(choices: &mut Choices<'_>, world: &World) -> TicketId {
    // The latest are the most interesting; past the first stands one that never was.
    let back = choices.below(world.ids.len().min(12) + 1);
    world.ids.iter().rev().nth(back).copied().unwrap_or(TicketId(7))
}

/// Lock, number and token of a ticket; now and then of none.
fn told(choices: &mut Choices<'_>, world: &World) -> (LockName, u64, u64) {
    let back = choices.below(world.told.len().min(12) + 1);
    let known = world.told.iter().rev().nth(back).cloned();
    known.unwrap_or_else(|| (lock(choices), 1, 1))
}

fn capacity(choices: &mut Choices<'_>) -> Capacity {
    let named =
        |names: &[&str]| Capacity::Named(names.iter().map(|name| SlotName::new(name).expect("a name")).collect());
    match choices.below(16) {
        0 => Capacity::Size(0),
        1 | 2 => Capacity::Size(1),
        4..=6 => Capacity::Size(2),
        7..=9 => Capacity::Size(3),
        3 => Capacity::Size(5),
        10 | 11 => named(&["red", "green"]),
        12 => named(&["green", "blue", "red"]),
        13 => named(&["blue", "green"]),
        14 => named(&["red"]),
        _ => named(&["x", "red", "y", "blue"]),
    }
}

/// One or two of the names that locks have here.
fn slot_names(choices: &mut Choices<'_>) -> Vec<SlotName> {
    let mut some = || SlotName::new(choices.of(&["red", "green", "blue", "x", "y"])).expect("a name");
    let (first, second) = (some(), some());
    if first < second { vec![first, second] } else { vec![first] }
}

fn tags(all: &[&str]) -> Vec<Tag> {
    all.iter().map(|tag| Tag::new(tag).expect("a tag")).collect()
}

/// Tags that slots may have, if they are there.
fn slot_tags(choice: usize) -> SlotTags {
    let of = |name: &str, own: &[&str]| (SlotName::new(name).expect("a name"), tags(own));
    match choice % 5 {
        0 => vec![of("red", &["fast"]), of("blue", &["big", "fast"])],
        1 => vec![of("green", &["fast"]), of("x", &["big"])],
        2 => vec![of("red", &["big"]), of("green", &["fast", "big"]), of("blue", &["fast"])],
        _ => vec![],
    }
}

fn settings(choices: &mut Choices<'_>) -> Settings {
    let capacity = capacity(choices);
    let (choice, more) = (usize::from(choices.byte()), usize::from(choices.byte()));
    Settings {
        capacity,
        tags: slot_tags(more / 20),
        pick: if more % 3 == 0 { Pick::Lru } else { Pick::First },
        grace: [10_000, 0, 5000][choice % 3],
        expiration: [Some(20_000), None][choice / 3 % 2],
        max_lock: [Some(60_000), Some(10_000), None][choice / 6 % 3],
        max_hold: [None, Some(15_000)][choice / 18 % 2],
        max_ttl: [None, Some(30_000)][choice / 36 % 2],
        lock_delay: [0, 30_000, 5000][choice / 72 % 3],
        max_queue: if choice > 250 { 2 } else { 1000 },
        max_per_owner: [None, None, Some(1), Some(2)][more % 4],
        min_hold: [0, 0, 0, 8000, 25_000][more / 4 % 5],
        description: Arc::from(""),
    }
}

fn force(choices: &mut Choices<'_>) -> Force {
    let choice = choices.below(4);
    Force { force: choice > 0, expect_tickets: (choice == 3).then_some(1) }
}

fn precondition(choices: &mut Choices<'_>) -> Precondition {
    match choices.below(8) {
        0 => Precondition::Absent,
        _ => Precondition::None,
    }
}

/// One lock, or several in the order of their names.
fn locks(choices: &mut Choices<'_>) -> (LockName, Vec<LockName>) {
    let more = [0, 0, 0, 0, 1, 1, 2][choices.below(7)];
    let mut all: Vec<LockName> = (0..=more).map(|_| lock(choices)).collect();
    all.sort();
    all.dedup();
    (all.remove(0), all)
}

fn permits(choices: &mut Choices<'_>, usual: u32) -> Permits {
    match choices.below(16) {
        0 => Permits::All,
        1 => Permits::Count(0),
        2..=5 => Permits::Count(2),
        6 => Permits::Count(3),
        7 => Permits::Count(4),
        _ => Permits::Count(usual),
    }
}

fn new_ticket(choices: &mut Choices<'_>, world: &mut World) -> NewTicket {
    // Ids are in no order, as random ones are.
    let id = TicketId((world.ids.len() as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    world.ids.push(id);
    let selection = match choices.below(12) {
        0 | 1 => Some(Selection::Slots(slot_names(choices))),
        2 => Some(Selection::Tags(tags(&["fast"]))),
        3 => Some(Selection::Tags(tags(&["fast", "big"]))),
        4 => Some(Selection::Tags(tags(&["big"]))),
        _ => None,
    };
    let named = match &selection {
        Some(Selection::Slots(names)) => u32::try_from(names.len()).expect("few"),
        _ => 1,
    };
    let (lock, others) = locks(choices);
    let others: Vec<Asked> = others.into_iter().map(|lock| Asked { lock, permits: permits(choices, 1) }).collect();
    // Those for several locks have neither, but for some that are refused.
    let alone = others.is_empty() || choices.below(12) == 0;
    NewTicket {
        lock,
        others,
        id,
        permits: permits(choices, named),
        selection: selection.filter(|_| alone),
        priority: [0, 0, 0, 1, -1][choices.below(5)],
        info: Arc::from(""),
        lease: match choices.below(12) {
            0 => Lease::Given(500),
            1 => Lease::Given(5000),
            2..=4 => Lease::Given(120_000),
            5 => Lease::Never,
            _ => Lease::OfLock,
        },
        queue_lease: [QueueLease::Minute, QueueLease::Expiration][choices.below(2)],
        max_hold: [None, None, None, Some(9999)][choices.below(4)],
        request_id: [None, None, Some(0), Some(1), Some(2)][choices.below(5)].map(|at: usize| Arc::from(REQUESTS[at])),
        holder: [None, None, None, Some("h1"), Some("h2")][choices.below(5)].map(Arc::from).filter(|_| alone),
        supersede: [None, None, None, Some("w1"), Some("w2")][choices.below(5)].map(Arc::from),
        if_busy: [IfBusy::Queue, IfBusy::Wait, IfBusy::Refuse, IfBusy::Wait][choices.below(4)],
        claim: choices.below(3) > 0,
    }
}

fn definitions(choices: &mut Choices<'_>) -> Vec<Definition> {
    let lock = |name| Target::Lock(LockName::new(name).expect("a name"));
    let template = |pattern| Target::Template(Prefix::from_pattern(pattern).expect("a pattern"));
    let targets = [lock("a"), lock("t-1"), template("t-*"), template("t-x*")];
    let present = choices.byte();
    let mut definitions = Vec::new();
    for (at, target) in targets.into_iter().enumerate() {
        if present >> at & 1 == 1 {
            definitions.push(Definition {
                target,
                settings: settings(choices),
                paused: present >> (at + 4) & 1 == 1 && present & 3 == 3,
            });
        }
    }
    definitions
}

fn patch(choices: &mut Choices<'_>) -> Patch {
    let mut patch = Patch::default();
    match choices.below(16) {
        13 | 14 => patch.tags = Some(slot_tags(choices.below(5))),
        15 => patch.pick = Some(choices.of(&[Pick::First, Pick::Lru])),
        10 | 11 => patch.max_per_owner = Some(choices.of(&[None, Some(1), Some(2), Some(3)])),
        12 => patch.min_hold = Some(choices.of(&[0, 8000, 25_000])),
        0..=3 => patch.capacity = Some(capacity(choices)),
        4 => patch.pause = Some(Some((Arc::from("why"), None))),
        5 => patch.pause = Some(Some((Arc::from("why"), Some(10_000)))),
        6 => patch.pause = Some(None),
        7 => patch.lock_delay = Some(choices.of(&[0, 5000, 30_000])),
        8 => patch.max_hold = Some(choices.of(&[None, Some(15_000)])),
        _ => patch.max_lock = Some(choices.of(&[None, Some(10_000), Some(60_000)])),
    }
    patch
}

fn release_target(choices: &mut Choices<'_>, world: &World) -> ReleaseTarget {
    match choices.below(8) {
        0 => {
            let (lock, others) = locks(choices);
            ReleaseTarget::Request(lock, others.into(), Arc::from(choices.of(&REQUESTS)))
        }
        1 => ReleaseTarget::Holder(lock(choices), Arc::from(choices.of(&["h1", "h2"]))),
        2 => ReleaseTarget::Id(Some(lock(choices)), ticket(choices, world)),
        _ => ReleaseTarget::Id(None, ticket(choices, world)),
    }
}

fn act(choices: &mut Choices<'_>, world: &mut World) -> Act {
    let mut caller = caller(choices);
    let command = match choices.below(69) {
        0..=23 => Command::Acquire(new_ticket(choices, world)),
        24 => Command::WaitOn { id: ticket(choices, world) },
        25..=32 => Command::Get {
            id: ticket(choices, world),
            lock: (choices.below(8) == 0).then(|| lock(choices)),
            renew: choices.below(2) == 0,
            wait: choices.below(2) == 0,
        },
        33..=36 => Command::Renew {
            id: ticket(choices, world),
            ttl: choices.of(&[None, None, Some(20_000), Some(999), Some(1_000_000)]),
        },
        37..=40 if !world.waits.is_empty() => {
            let id = world.waits.swap_remove(choices.below(world.waits.len()));
            let lost = choices.below(2) == 0;
            Command::EndWait { id, lost }
        }
        41..=42 if !world.waits.is_empty() => return Act::HangUp(choices.of(&world.waits)),
        43..=48 => Command::Release {
            target: release_target(choices, world),
            queued: choices.below(4) > 0,
            keep: choices.of(&[None, None, None, None, Some(7000), Some(100_000), Some(limits::TTL_MAX_MS + 1)]),
            withhold: (choices.below(8) == 0).then(|| Arc::from("no ping")),
        },
        49..=50 if !world.answers.is_empty() => {
            let back = choices.below(world.answers.len().min(8));
            return Act::Undelivered(world.answers.len() - 1 - back);
        }
        51..=52 => Command::PutLock {
            name: lock(choices),
            settings: settings(choices),
            precondition: precondition(choices),
            force: force(choices),
        },
        53..=55 => Command::PatchLock {
            name: lock(choices),
            patch: patch(choices),
            precondition: precondition(choices),
            force: force(choices),
        },
        56 => Command::DeleteLock { name: lock(choices), precondition: precondition(choices), force: force(choices) },
        57..=58 => {
            let (lock, number, _) = told(choices, world);
            caller.admin = choices.below(4) > 0;
            Command::Revoke {
                lock,
                number,
                reason: Arc::from("enough"),
                only: (choices.below(3) == 0).then(|| [Stage::Queued, Stage::Granted, Stage::Held][choices.below(3)]),
            }
        }
        59 => {
            let (lock, number, _) = told(choices, world);
            let which = choices.of(&[Restored::All, Restored::Number(number)]);
            Command::Restore { lock, which }
        }
        64..=65 => Command::Withhold {
            lock: lock(choices),
            what: match choices.below(2) {
                0 => ToWithhold::Count(choices.of(&[0, 1, 1, 2, 3])),
                _ => ToWithhold::Slots(slot_names(choices)),
            },
            reason: Arc::from("repair"),
            lasts: choices.of(&[None, Some(10_000), Some(40_000)]),
        },
        66 => Command::Outside {
            lock: lock(choices),
            report: choices.of(&[None, Some((1, 10_000)), Some((2, 40_000)), Some((9, 30_000)), Some((1, 999))]),
        },
        67 => Command::Restore { lock: lock(choices), which: Restored::Slots(slot_names(choices)) },
        68 => {
            let (lock, ..) = told(choices, world);
            Command::Withhold { lock, what: ToWithhold::Count(1), reason: Arc::from("spare"), lasts: None }
        }
        60..=61 => Command::Configure {
            definitions: definitions(choices),
            mode: [ConfigureMode::Apply, ConfigureMode::Apply, ConfigureMode::CreateMissing][choices.below(3)],
        },
        62 => {
            let (lock, _, token) = told(choices, world);
            Command::Verify { lock, token }
        }
        63 => Command::ListMine { after: 0, tickets: 10 },
        _ => Command::ViewLock { name: lock(choices), tickets: 10, after: TicketsAfter::default() },
    };
    Act::Command(caller, Box::new(command))
}

/// The step that these bytes describe.
pub(crate) fn step(bytes: &[u8], world: &mut World) -> Step {
    let mut choices = Choices(bytes);
    let choices = &mut choices;
    let (passed, kind) = (choices.of(&TIMES), choices.byte());
    if kind >= 248 {
        world.waits.clear();
        world.absent.clear();
        // The engine forgets its connections with its table.
        world.answers.clear();
    }
    // The bytes of one act after those of the other: what is left is for the second.
    let acts = 1 + usize::from(kind % 4 == 3);
    let load = match kind {
        ..248 => None,
        248..252 => Some(Load::Start),
        252.. => Some(Load::GoOn),
    };
    Step { passed, load, gap: kind == 247, acts: (0..acts).map(|_| act(choices, world)).collect() }
}
