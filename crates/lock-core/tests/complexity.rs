//! The work of an operation does not grow with the number of tickets. The only tests that look at a clock, and generously:
//! a queue that is 10,000 times as long may make each turn 20 times as dear, where a linear search would make it 10,000.

use lock_core::{
    Asked, Caller, Capacity, Command, ConfigureMode, Continuity, Definition, Force, IfBusy, LockName, NewTicket,
    Outcome, Permits, Precondition, ReleaseTarget, Selection, Settings, SlotName, Snapshot, StepContext, Table, Tag,
    Target, TicketId, TicketsAfter, limits,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TURNS: usize = 10_000;

/// How many sets of locks bundles ask for.
const BUNDLES: usize = 20;

/// What those who come ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// A permit.
    Plain,
    /// A slot with a certain tag; only one has it.
    Tags,
    /// A permit and one of another lock.
    Bundles,
    /// A permit of a lock with a cap, while somebody has as much as it may have and waits for more.
    Caps,
}

/// A lock of which one permit goes round, with its tickets in the order of their turns.
struct Shop {
    table: Table,
    manner: Manner,
    now: u64,
    ids: u128,
    turns: VecDeque<TicketId>,
}

impl Shop {
    fn at(&self) -> StepContext<'static> {
        StepContext { now: self.now, wall: self.now, is_connected: &|_| true }
    }

    fn open(queued: usize) -> Self {
        Self::open_for(Manner::Plain, queued)
    }

    fn open_for(manner: Manner, queued: usize) -> Self {
        let table = Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store");
        let mut shop = Self { table, manner, now: 0, ids: 0, turns: VecDeque::new() };
        let names = ["a", "b"].map(|name| SlotName::new(name).expect("a name")).to_vec();
        let tags = vec![(names[0].clone(), vec![Tag::new("fast").expect("a tag")])];
        shop.put(
            "san",
            match manner {
                Manner::Plain | Manner::Bundles => Settings::new(1),
                Manner::Tags => Settings { capacity: Capacity::Named(names), tags, ..Settings::new(2) },
                Manner::Caps => Settings { max_per_owner: Some(1), ..Settings::new(2) },
            },
        );
        (0..BUNDLES).for_each(|number| shop.put(&format!("other-{number}"), Settings::new(1)));
        let mut queued = queued;
        if manner == Manner::Caps {
            // The first of them holds, and never gives back.
            let greedy = queued / 11;
            for _ in 0..=greedy {
                shop.ask_as(&Caller::anonymous("greedy"));
            }
            queued -= greedy + 1;
        }
        (0..=queued).for_each(|_| shop.ask());
        shop.table.take_changes();
        shop.table.take_events();
        shop
    }

    fn put(&mut self, name: &str, settings: Settings) {
        let put = Command::PutLock {
            name: LockName::new(name).expect("a name"),
            settings,
            precondition: Precondition::None,
            force: Force { force: false, expect_tickets: None },
        };
        self.table.apply(self.at(), Caller::server(), &put).expect("a lock");
    }

    fn caller(&self, number: usize) -> Caller {
        // Callers take turns; each has a tenth of the longest queue, which is its bound.
        Caller::anonymous(&format!("host-{}", number % 11))
    }

    fn ask(&mut self) {
        let caller = self.caller(self.ids as usize);
        let id = self.ask_as(&caller);
        self.turns.push_back(id);
    }

    fn ask_as(&mut self, caller: &Caller) -> TicketId {
        self.ids += 1;
        let other = format!("other-{}", self.ids as usize % BUNDLES);
        let (san, other) = (LockName::new("san").expect("a name"), LockName::new(&other).expect("a name"));
        let id = TicketId(self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let new = NewTicket { if_busy: IfBusy::Queue, ..NewTicket::new(san.clone(), id) };
        let new = match self.manner {
            Manner::Plain | Manner::Caps => new,
            Manner::Tags => {
                NewTicket { selection: Some(Selection::Tags(vec![Tag::new("fast").expect("a tag")])), ..new }
            }
            Manner::Bundles => {
                NewTicket { lock: other, others: vec![Asked { lock: san, permits: Permits::Count(1) }], ..new }
            }
        };
        self.table.apply(self.at(), caller, &Command::Acquire(new)).expect("there is room");
        id
    }

    /// The holder goes, the next one is granted and claims, somebody in the middle sends a heartbeat, and a new one comes.
    fn turn(&mut self) {
        self.now += 1;
        self.table.begin_step(self.now);
        self.table.expire(self.at());
        let caller = self.caller(0);
        let first = self.turns.pop_front().expect("a holder");
        let release =
            Command::Release { target: ReleaseTarget::Id(None, first), queued: false, keep: None, withhold: None };
        self.table.apply(self.at(), &caller, &release).expect("it held");
        for (place, held) in [(0, true), (self.turns.len() / 2, false)] {
            let get = Command::Get { lock: None, id: self.turns[place], renew: true, wait: false };
            match self.table.apply(self.at(), &caller, &get) {
                Ok(Outcome::Ticket(view)) => assert_eq!(view.is_held(), held),
                other => panic!("{other:?}"),
            }
        }
        self.ask();
        self.table.take_changes();
        self.table.take_events();
    }

    fn time_of_turns(&mut self) -> Duration {
        let begin = Instant::now();
        (0..TURNS).for_each(|_| self.turn());
        begin.elapsed()
    }
}

#[test]
fn a_turn_costs_the_same_with_few_and_with_a_hundred_thousand_in_the_queue() {
    for manner in [Manner::Plain, Manner::Tags, Manner::Bundles, Manner::Caps] {
        // As many as there are kinds of them, since a turn may cost as much as there are kinds.
        let mut short = Shop::open_for(manner, BUNDLES + 2);
        // One holds, and a new one comes before the count of tickets is looked at again.
        let mut long = Shop::open_for(manner, limits::LOCK_TICKETS_MAX - 3);
        // The better of two each: somebody else may be using the machine.
        let best = |shop: &mut Shop| (0..2).map(|_| shop.time_of_turns()).min().expect("two runs");
        let (short, long) = (best(&mut short), best(&mut long));
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        println!("{manner:?}: {TURNS} turns: {short:?} with few queued, {long:?} with 100,000, ratio {ratio:.1}");
        assert!(ratio < 20.0, "{manner:?}: a turn costs {ratio:.1} times as much in the long queue");
    }
}

impl Shop {
    fn time_of(&mut self, looks: &Command) -> Duration {
        let begin = Instant::now();
        for _ in 0..1000 {
            self.table.apply(self.at(), &Caller::anonymous("nobody"), looks).expect("a look is always allowed");
        }
        begin.elapsed()
    }
}

#[test]
fn a_look_costs_what_it_shows_whatever_else_there_is() {
    let mut few = Shop::open(10);
    let mut many = Shop::open(limits::LOCK_TICKETS_MAX - 2);
    let lock = |number| Definition {
        target: Target::Lock(LockName::new(&format!("lock-{number:05}")).expect("a name")),
        settings: Settings::new(1),
        paused: false,
    };
    let mode = ConfigureMode::CreateMissing;
    let configure = Command::Configure { definitions: (0..50_000).map(lock).collect(), mode };
    many.table.apply(many.at(), Caller::server(), &configure).unwrap();
    let name = LockName::new("san").expect("a name");
    let among: Arc<[Target]> = Arc::from([Target::Lock(name.clone())]);
    for look in [
        Command::ListMine { after: 0, tickets: 1000 },
        Command::ListLocks { after: None, limit: 1000, tickets: 0, among: Some(among) },
        Command::ViewLock { name, tickets: 0, after: TicketsAfter::default() },
    ] {
        let best = |shop: &mut Shop| (0..3).map(|_| shop.time_of(&look)).min().expect("three runs");
        let (few, many) = (best(&mut few), best(&mut many));
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("1000 of {look:?}: {few:?} beside few, {many:?} beside many, ratio {ratio:.1}");
        assert!(ratio < 20.0, "{look:?} costs {ratio:.1} times as much beside many");
    }
}
