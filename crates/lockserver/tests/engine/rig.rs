//! An engine that is stepped by hand, on a store that fails when it is told to.

use lock_core::{
    Caller, Change, Command, EndedAs, Force, IfBusy, Key, Lease, LockName, NewTicket, Outcome, Precondition,
    ReleaseTarget, Settings, Snapshot, State, TicketId, TicketView, invariants,
};
use lockserver::engine::{Answer, CommandResult, Delivery, Engine, EngineError, Fatal, Handle, Presence, Tick, Wait};
use lockserver::store::{Leader, Pipeline, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What the next commit does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Works,
    FailsWithEffect,
    FailsWithoutEffect,
    IsDamaged,
    /// Another server leads.
    IsDeposed,
}

/// What is on the disk, and what it was asked.
pub(crate) struct Disk {
    pub(crate) records: BTreeMap<Key, Change>,
    /// Commits that work before that one.
    pub(crate) good: u32,
    pub(crate) next: Next,
    pub(crate) load_fails: bool,
    /// Another server leads, whatever is asked.
    pub(crate) stands_by: bool,
    /// Too much time has passed to know who leads.
    pub(crate) is_unsure: bool,
    pub(crate) forgetful: bool,
    pub(crate) commits: Vec<Vec<Change>>,
    /// Batches that it takes before it has said of the first whether that is durable; 0 for a store that does one after the
    /// other.
    pub(crate) in_flight_max: usize,
    /// Those that are under way.
    pub(crate) in_flight: VecDeque<Vec<Change>>,
    /// So many of them are done; the others are, once they are waited for.
    pub(crate) flushed: usize,
}

#[derive(Clone)]
struct RigStore(Arc<Mutex<Disk>>);

impl Store for RigStore {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let disk = self.0.lock().unwrap();
        if disk.stands_by {
            return Err(deposed());
        }
        if disk.load_fails {
            return Err(StoreError::Unavailable("cannot be read".to_owned()));
        }
        Ok(snapshot(&disk))
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        assert!(disk.in_flight.is_empty(), "one way of committing at a time");
        disk.commit(changes)
    }

    fn is_authoritative(&self) -> bool {
        !self.0.lock().unwrap().is_unsure
    }

    fn pipeline(&mut self) -> Option<&mut dyn Pipeline> {
        let takes_many = self.0.lock().unwrap().in_flight_max > 0;
        takes_many.then_some(self as &mut dyn Pipeline)
    }
}

impl Pipeline for RigStore {
    fn max(&self) -> usize {
        self.0.lock().unwrap().in_flight_max
    }

    fn begin(&mut self, changes: &[Change]) {
        let mut disk = self.0.lock().unwrap();
        disk.in_flight.push_back(changes.to_vec());
        assert!(disk.in_flight.len() <= disk.in_flight_max);
    }

    fn poll(&mut self) -> Option<Result<(), StoreError>> {
        let mut disk = self.0.lock().unwrap();
        disk.flushed = disk.flushed.checked_sub(1)?;
        Some(disk.finish())
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        let mut disk = self.0.lock().unwrap();
        disk.flushed = disk.flushed.saturating_sub(1);
        disk.finish()
    }
}

impl Disk {
    /// The oldest batch that is under way.
    fn finish(&mut self) -> Result<(), StoreError> {
        let changes = self.in_flight.pop_front().expect("a batch is under way");
        let result = self.commit(&changes);
        if result.is_err() {
            self.in_flight.clear();
        }
        result
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let disk = self;
        let keys: BTreeSet<Key> = changes.iter().map(Change::key).collect();
        assert_eq!(keys.len(), changes.len(), "one change for each key");
        let next = match disk.good.checked_sub(1) {
            None => std::mem::replace(&mut disk.next, Next::Works),
            Some(left) => {
                disk.good = left;
                Next::Works
            }
        };
        if matches!(next, Next::Works | Next::FailsWithEffect) {
            disk.commits.push(changes.to_vec());
            for change in changes {
                match change {
                    Change::DeleteTicket { .. } | Change::DeleteLock(_) => drop(disk.records.remove(&change.key())),
                    _ => drop(disk.records.insert(change.key(), change.clone())),
                }
            }
        }
        match next {
            Next::Works => Ok(()),
            Next::IsDeposed => Err(deposed()),
            Next::IsDamaged => Err(StoreError::Damaged("the disk is broken".to_owned())),
            _ => Err(StoreError::Unavailable("the disk is full".to_owned())),
        }
    }
}

/// What a store says that another server has.
pub(crate) fn deposed() -> StoreError {
    let leader = Leader { name: "other".to_owned(), url: None, since_ms: 1 };
    StoreError::Standby { reason: "other leads".to_owned(), leader: Some(Arc::new(leader)) }
}

fn snapshot(disk: &Disk) -> Snapshot {
    let mut snapshot = Snapshot { restart_counters: disk.forgetful, ..Snapshot::default() };
    for change in disk.records.values().cloned() {
        match change {
            Change::Meta(meta) => snapshot.meta = meta,
            Change::PutLock(lock) => snapshot.locks.push(lock),
            Change::PutTicket(ticket) => snapshot.tickets.push(ticket),
            other => panic!("no scenario needs {other:?}"),
        }
    }
    snapshot.read_dormancy();
    snapshot.sort();
    snapshot
}

/// A connection that a test can break.
pub(crate) struct Connection(pub(crate) AtomicBool);

impl Presence for Connection {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection {
    pub(crate) fn break_off(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// An answer under way.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Answer>>>;

pub(crate) fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The answer that must be there.
pub(crate) fn now(coming: &mut Coming) -> Answer {
    poll(coming.as_mut()).expect("the step has answered")
}

pub(crate) fn not_yet(coming: &mut Coming) -> bool {
    poll(coming.as_mut()).is_none()
}

/// The answer of a waiting request, if it is there.
pub(crate) fn waited(wait: &mut Wait) -> Option<Answer> {
    poll(pin!(wait.answer()))
}

pub(crate) fn give_up(wait: Wait, lost: bool) -> Coming {
    let mut coming: Coming = Box::pin(wait.give_up(lost));
    assert!(poll(coming.as_mut()).is_none(), "nobody answers before the step");
    coming
}

pub(crate) fn ticket(answer: &Answer) -> &TicketView {
    match answer {
        Ok(CommandResult { outcome: Outcome::Ticket(view), .. }) => view,
        other => panic!("a ticket was expected: {other:?}"),
    }
}

pub(crate) fn confirm(answer: &Answer) {
    let receipt = answer.as_ref().unwrap().receipt.as_ref();
    receipt.expect("this answer has a receipt").resolve(Delivery::Delivered);
}

pub(crate) fn unknown(answer: &Answer) -> bool {
    matches!(answer, Err(EngineError::Unavailable { may_have_taken_effect: true, .. }))
}

pub(crate) fn anybody() -> Caller {
    Caller::anonymous("192.0.2.1")
}

pub(crate) fn lock() -> LockName {
    LockName::new("x").unwrap()
}

/// A request for one permit of the lock, with a lease of 10 s and nothing else.
pub(crate) fn acquire(id: u128, if_busy: IfBusy) -> NewTicket {
    NewTicket { lease: Lease::Given(10_000), if_busy, ..NewTicket::new(lock(), TicketId(id)) }
}

pub(crate) fn named(id: u128, if_busy: IfBusy, request: &str) -> NewTicket {
    NewTicket { request_id: Some(Arc::from(format!("{request:0>16}"))), ..acquire(id, if_busy) }
}

pub(crate) fn get(id: u128, renew: bool, wait: bool) -> Command {
    Command::Get { lock: None, id: TicketId(id), renew, wait }
}

pub(crate) fn renew(id: u128) -> Command {
    Command::Renew { id: TicketId(id), ttl: None }
}

pub(crate) fn release(id: u128) -> Command {
    Command::Release { target: ReleaseTarget::Id(None, TicketId(id)), queued: true, keep: None, withhold: None }
}

pub(crate) fn force() -> Force {
    Force { force: true, expect_tickets: None }
}

/// The engine, its store and its clocks.
pub(crate) struct Rig {
    pub(crate) disk: Arc<Mutex<Disk>>,
    pub(crate) engine: Engine,
    pub(crate) handle: Handle,
    pub(crate) mono_ms: u64,
}

impl Rig {
    /// With a lock x of that size.
    pub(crate) fn new(size: u32) -> Self {
        let disk = Arc::new(Mutex::new(Disk {
            records: BTreeMap::new(),
            good: 0,
            next: Next::Works,
            load_fails: false,
            stands_by: false,
            is_unsure: false,
            forgetful: false,
            commits: Vec::new(),
            in_flight_max: 0,
            in_flight: VecDeque::new(),
            flushed: 0,
        }));
        let (engine, handle) = Engine::new(Box::new(RigStore(disk.clone())));
        let mut rig = Self { disk, engine, handle, mono_ms: 0 };
        let made = rig.ask(Command::PutLock {
            name: lock(),
            settings: Settings::new(size),
            precondition: Precondition::None,
            force: force(),
        });
        assert!(made.is_ok());
        rig
    }

    /// Its store.
    pub(crate) fn store(&self) -> Box<dyn Store> {
        Box::new(RigStore(self.disk.clone()))
    }

    /// The server is killed and starts again.
    pub(crate) fn restart(&mut self) {
        let (engine, handle) = Engine::new(self.store());
        self.engine = engine;
        self.handle = handle;
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick { mono_ms: self.mono_ms, wall_us: 1_800_000_000_000_000 + self.mono_ms * 1000 }
    }

    pub(crate) fn send(&self, command: Command) -> Coming {
        self.send_as(anybody(), command)
    }

    pub(crate) fn send_as(&self, caller: Caller, command: Command) -> Coming {
        let handle = self.handle.clone();
        let mut coming: Coming = Box::pin(async move { handle.submit(&caller, command).await });
        assert!(poll(coming.as_mut()).is_none(), "nobody answers before the step");
        coming
    }

    pub(crate) fn wait(&self, command: Command) -> (Wait, Arc<Connection>) {
        let connection = Arc::new(Connection(AtomicBool::new(true)));
        let caller = anybody();
        let sent = self.handle.submit_waiting(&caller, command, connection.clone());
        (poll(pin!(sent)).expect("there is room").unwrap(), connection)
    }

    /// What a command is answered that needs no step.
    pub(crate) fn at_once(&self, command: Command) -> Answer {
        poll(pin!(self.handle.submit(&anybody(), command))).expect("answered without a step")
    }

    /// A step so many milliseconds later, with all that has arrived. What it holds back stays so.
    pub(crate) fn step_alone(&mut self, later: u64) -> Result<(), Fatal> {
        self.mono_ms += later;
        let batch = self.handle.request_queue().take().expect("the queues are open");
        self.engine.step(self.tick(), batch)
    }

    /// A step so many milliseconds later, with all that has arrived, and the commit of what it holds back.
    pub(crate) fn try_step(&mut self, later: u64) -> Result<(), Fatal> {
        self.step_alone(later)?;
        if self.disk.lock().unwrap().in_flight_max > 0 {
            return Ok(());
        }
        // Nothing comes to take along what is held back.
        self.engine.flush(self.tick())
    }

    pub(crate) fn step(&mut self, later: u64) {
        self.try_step(later).expect("the store is not damaged");
        if let Some(table) = self.engine.table() {
            invariants::check(table).unwrap();
            if !self.disk.lock().unwrap().in_flight.is_empty() {
                return;
            }
            let (mut memory, mut stored) = (table.snapshot(), snapshot(&self.disk.lock().unwrap()));
            stored.restart_counters = false;
            memory.meta.service_ms = stored.meta.service_ms;
            memory.meta.uptime.monotonic_ms = stored.meta.uptime.monotonic_ms;
            if table.has_deferred_changes() {
                // Whether a client knows of its ticket, and when its lease began, is a deferred change.
                for (is, was) in memory.tickets.iter_mut().zip(&stored.tickets) {
                    (is.acknowledged, is.lease_began) = (is.acknowledged && was.acknowledged, was.lease_began);
                }
            }
            assert_eq!(memory, stored, "after a step the table is what is stored");
        }
    }

    pub(crate) fn ask(&mut self, command: Command) -> Answer {
        self.ask_as(anybody(), command)
    }

    pub(crate) fn ask_as(&mut self, caller: Caller, command: Command) -> Answer {
        let mut coming = self.send_as(caller, command);
        self.step(1);
        now(&mut coming)
    }

    /// Asks for permits, gets them, and has the answer delivered.
    pub(crate) fn hold(&mut self, new: NewTicket) -> TicketView {
        let answer = self.ask(Command::Acquire(new));
        confirm(&answer);
        assert!(ticket(&answer).is_held());
        ticket(&answer).clone()
    }

    /// From now on the store takes so many batches, and flushes them when it is told to.
    pub(crate) fn takes(&self, in_flight_max: usize) {
        self.disk.lock().unwrap().in_flight_max = in_flight_max;
    }

    /// The oldest batch that is under way is flushed, which the next step learns.
    pub(crate) fn flush(&self) {
        self.disk.lock().unwrap().flushed += 1;
    }

    pub(crate) fn next(&self, next: Next) {
        self.disk.lock().unwrap().next = next;
    }

    /// So many commits work, and then this happens.
    pub(crate) fn after(&self, good: u32, next: Next) {
        let mut disk = self.disk.lock().unwrap();
        (disk.good, disk.next) = (good, next);
    }

    pub(crate) fn state(&self, id: u128) -> Option<State> {
        let stored = snapshot(&self.disk.lock().unwrap());
        stored.tickets.into_iter().find(|ticket| ticket.id == TicketId(id)).map(|ticket| ticket.state)
    }

    /// Whether it is stored that the ticket's client knows of it.
    pub(crate) fn acknowledged(&self, id: u128) -> bool {
        let stored = snapshot(&self.disk.lock().unwrap());
        stored.tickets.iter().find(|ticket| ticket.id == TicketId(id)).expect("is stored").acknowledged
    }

    pub(crate) fn ended(&self, id: u128) -> Option<EndedAs> {
        match self.state(id) {
            Some(State::Ended { how, .. }) => Some(how),
            _ => None,
        }
    }

    pub(crate) fn service_ms(&self) -> u64 {
        snapshot(&self.disk.lock().unwrap()).meta.service_ms
    }
}
