//! What holds of bundles whatever their locks and the order of releases are (rule 13): no circle forms, nobody starves, and a bundle
//! that is the first in all of its queues is the next in all of them.

use lock_core::{
    Asked, Caller, Command, Continuity, Force, IfBusy, LockName, NewTicket, Permits, Precondition, ReleaseTarget,
    Settings, Snapshot, State, StepContext, Table, TicketId, TicketRecord, invariants,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const LOCKS: usize = 5;

fn name(lock: usize) -> LockName {
    LockName::new(&format!("lock-{lock}")).expect("a name")
}

const fn at() -> StepContext<'static> {
    StepContext { now: 0, wall: 0, is_connected: &|_| true }
}

/// A ticket: its priority, and how many permits it asks for of each lock, 0 for none.
type Wish = (i8, [u32; LOCKS]);

struct Hall {
    table: Table,
    sizes: [u32; LOCKS],
}

impl Hall {
    fn open(sizes: [u32; LOCKS]) -> Self {
        let table = Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store");
        let mut hall = Self { table, sizes };
        for (lock, size) in sizes.into_iter().enumerate() {
            hall.apply(&Command::PutLock {
                name: name(lock),
                settings: Settings::new(size),
                precondition: Precondition::None,
                force: Force { force: false, expect_tickets: None },
            });
        }
        hall.table.expire(at());
        hall
    }

    fn apply(&mut self, command: &Command) {
        self.table.apply(at(), Caller::server(), command).expect("nothing is refused here");
    }

    fn ask(&mut self, id: u128, (priority, wants): Wish) {
        let wanted = wants.into_iter().zip(self.sizes).enumerate().filter(|(_, (wants, _))| *wants > 0);
        let mut parts = wanted.map(|(lock, (wants, size))| Asked {
            lock: name(lock),
            // Four are all.
            permits: if wants > 3 { Permits::All } else { Permits::Count(wants.min(size)) },
        });
        let Some(first) = parts.next() else { return };
        let new = NewTicket {
            permits: first.permits,
            others: parts.collect(),
            priority,
            if_busy: IfBusy::Queue,
            ..NewTicket::new(first.lock, TicketId(id))
        };
        self.apply(&Command::Acquire(new));
    }

    fn release(&mut self, id: TicketId) {
        let target = ReleaseTarget::Id(None, id);
        self.apply(&Command::Release { target, queued: false, keep: None, withhold: None });
    }

    fn live(&self) -> Vec<TicketRecord> {
        self.table.snapshot().tickets.into_iter().filter(TicketRecord::is_live).collect()
    }
}

fn is_before(one: &TicketRecord, other: &TicketRecord) -> bool {
    (-i32::from(one.priority), one.seq) < (-i32::from(other.priority), other.seq)
}

fn meet(one: &TicketRecord, other: &TicketRecord) -> bool {
    one.parts().any(|part| other.is_of(part.lock))
}

fn queues(ticket: &TicketRecord) -> bool {
    matches!(ticket.state, State::Queued { .. })
}

/// Those before which nobody queues in any of their locks.
fn firsts(live: &[TicketRecord]) -> Vec<TicketRecord> {
    let queued = || live.iter().filter(|one| queues(one));
    let first = |one: &&TicketRecord| !queued().any(|other| is_before(other, one) && meet(other, one));
    queued().filter(first).cloned().collect()
}

fn wishes() -> impl Strategy<Value = Wish> {
    // Most locks are not asked for, so that bundles meet in some.
    let wants = prop_oneof![6 => Just(0), 4 => 1_u32..=3, 1 => Just(4)];
    (prop_oneof![5 => Just(0_i8), 1 => -1_i8..=1], prop::array::uniform5(wants))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn rule_13_everybody_is_served_in_whatever_order_holders_give_back(
        sizes in prop::array::uniform5(1_u32..=3),
        wishes in prop::collection::vec(wishes(), 1..40),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let mut hall = Hall::open(sizes);
        let mut waiting = wishes.iter().zip(1_u128..);
        let mut picks = picks.into_iter().cycle();
        loop {
            let before = hall.live();
            // One comes, or a holder goes; at last nobody comes any more.
            let held: Vec<TicketId> =
                before.iter().filter(|one| one.is_active()).map(|one| one.id).collect();
            let pick = picks.next().expect("they go round");
            let comes = if held.is_empty() || pick.index(3) > 0 { waiting.next() } else { None };
            match comes {
                Some((wish, id)) => hall.ask(id, *wish),
                None if held.is_empty() => break,
                None => hall.release(held[pick.index(held.len())]),
            }
            let after: BTreeMap<TicketId, TicketRecord> = hall.live().into_iter().map(|one| (one.id, one)).collect();
            prop_assert_eq!(invariants::check(&hall.table), Ok(()));
            // Nobody behind it in any of its queues was let in before it. One that came meanwhile may stand before it.
            let left: Vec<TicketRecord> = after.values().cloned().collect();
            let still = firsts(&left);
            for first in firsts(&before).iter().filter(|first| still.iter().any(|one| one.id == first.id)) {
                let let_in = before.iter().filter(|one| queues(one) && after.get(&one.id).is_some_and(|one| one.is_active()));
                let mut let_in = let_in.filter(|one| is_before(first, one) && meet(first, one));
                prop_assert!(let_in.next().is_none(), "somebody overtook {first:?}");
            }
            hall.table.take_changes();
            hall.table.take_events();
        }
        // Nobody holds anything any more, so nobody waits either: no circle has formed.
        let left = hall.live();
        prop_assert!(left.is_empty(), "{left:?}");
    }

    /// In each round every holder of its beginning ends, and a new client comes for each. So a round is no longer than a hold.
    /// In each the first of all that wait is granted, since nobody stands before it anywhere.
    #[test]
    fn rule_13_a_ticket_waits_for_no_more_holds_than_there_are_tickets_before_it_whoever_comes(
        sizes in prop::array::uniform5(1_u32..=3),
        wishes in prop::collection::vec(wishes(), 5..40),
        newcomers in prop::collection::vec(wishes(), 1..40),
    ) {
        let mut hall = Hall::open(sizes);
        wishes.iter().zip(1_u128..).for_each(|(wish, id)| hall.ask(id, *wish));
        let waiting: Vec<TicketRecord> = hall.live().into_iter().filter(queues).collect();
        let Some(last) = waiting.iter().max_by_key(|one| (-i32::from(one.priority), one.seq)) else { return Ok(()) };
        let before = waiting.iter().filter(|one| is_before(one, last)).count();
        // Who comes stands behind it.
        let mut newcomers = newcomers.into_iter().map(|(_, wants)| (last.priority, wants)).cycle().zip(1000_u128..);
        for _round in 0..=before {
            for held in hall.live().into_iter().filter(|one| !queues(one)) {
                hall.release(held.id);
                let (wish, id) = newcomers.next().expect("they go round");
                hall.ask(id, wish);
            }
            hall.table.take_changes();
            hall.table.take_events();
        }
        let still = hall.live().into_iter().find(|one| one.id == last.id);
        prop_assert!(!still.as_ref().is_some_and(queues), "{before} stood before it, and it still waits: {still:?}");
    }
}
