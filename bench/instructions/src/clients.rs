//! Clients with a lock each, who take turns; the table they are served from is driven as the engine drives it.

use lock_core::{
    Caller, Change, Command, ConfigureMode, Continuity, Definition, LockName, Moment, NewTicket, ReleaseTarget,
    Settings, Snapshot, StepContext, Table, Target, TicketId,
};

/// How many there are.
const CLIENTS: usize = 100;
/// Between two steps. Tickets that have ended are forgotten after ten minutes, which so are soon over.
const STEP_MS: u64 = 10_000;
/// When it begins; only shown.
const WALL_MS: u64 = 1_800_000_000_000;

pub(crate) struct Clients {
    table: Table,
    now: u64,
    callers: Vec<(Caller, LockName)>,
    /// The last ticket's, and how many there were.
    id: TicketId,
    made: usize,
    locks: Vec<Change>,
}

impl Clients {
    pub(crate) fn new() -> Self {
        let table = Table::load(Snapshot::default(), 0, &Continuity::NewLife).expect("an empty store");
        let name = |number| LockName::new(&format!("lock-{number}")).expect("a name");
        let callers = (0..CLIENTS).map(|number| (Caller::anonymous(&format!("10.0.0.{number}")), name(number)));
        let mut clients =
            Self { table, now: 0, callers: callers.collect(), id: TicketId(0), made: 0, locks: Vec::new() };
        let lock = |(_, name): &(Caller, LockName)| Definition {
            target: Target::Lock(name.clone()),
            settings: Settings::new(1),
            paused: false,
        };
        let definitions = clients.callers.iter().map(lock).collect();
        let configure = Command::Configure { definitions, mode: ConfigureMode::Apply };
        clients.locks = clients.step(&[(Caller::server().clone(), configure)]);
        clients
    }

    /// What made their locks, for a store.
    pub(crate) fn locks(&self) -> Vec<Change> {
        self.locks.clone()
    }

    /// The next one takes the permit of its lock.
    pub(crate) fn acquire(&mut self) -> Vec<Change> {
        let command = self.asked();
        self.step(&[command])
    }

    /// The last one gives it back.
    pub(crate) fn release(&mut self) -> Vec<Change> {
        let command = self.given_back();
        self.step(&[command])
    }

    /// Both in one step: the last one gives its permit back, the next one takes that of its own lock.
    pub(crate) fn release_and_acquire(&mut self) -> Vec<Change> {
        let commands = [self.given_back(), self.asked()];
        self.step(&commands)
    }

    fn asked(&mut self) -> (Caller, Command) {
        self.made += 1;
        // Ids are random; these are only scattered, and each run has the same.
        self.id = TicketId((self.made as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let (caller, lock) = &self.callers[self.made % CLIENTS];
        (caller.clone(), Command::Acquire(NewTicket::new(lock.clone(), self.id)))
    }

    fn given_back(&self) -> (Caller, Command) {
        let (caller, _) = &self.callers[self.made % CLIENTS];
        (
            caller.clone(),
            Command::Release { target: ReleaseTarget::Id(None, self.id), queued: false, keep: None, withhold: None },
        )
    }

    /// The calls that [`Table`] asks for, in its order. What must become durable.
    fn step(&mut self, commands: &[(Caller, Command)]) -> Vec<Change> {
        self.now += STEP_MS;
        let wall = WALL_MS + self.now;
        self.table.set_moment(Moment { wall, mono: self.now });
        self.table.begin_step(self.now);
        for (caller, command) in commands {
            self.table.heartbeat(caller, command);
        }
        let at = StepContext { now: self.now, wall, is_connected: &|_| true };
        self.table.expire(at);
        for (caller, command) in commands {
            self.table.apply(at, caller, command).expect("a lock for each client");
        }
        let mut changes = self.table.take_changes();
        changes.extend(self.table.take_deferred_changes());
        self.table.take_served();
        self.table.take_events();
        changes
    }
}
