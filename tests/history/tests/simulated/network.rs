//! Servers, the way to them, and the time: what clients and faults share. One thread polls all of them in turn.

use crate::answers::MS;
use crate::etcd::{Plant, SimEtcd};
use history::history::{Answer, Ask, Call, Nanos, Told};
use lock_core::{Caller, Command, ConfigureMode, Definition, LockName, Settings, Target, TicketId};
use lockserver::engine::{Engine, Handle, Presence, Tick};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// All locks: the third one is resized, the last one is held by clients that renew late.
pub(crate) const LOCKS: [(&str, u32); 4] = [("one", 1), ("pair", 2), ("many", 3), ("late", 4)];

/// A server that runs.
pub(crate) struct Process {
    engine: Engine,
    pub(crate) handle: Handle,
    life: u64,
    pub(crate) is_frozen: bool,
}

/// See the module.
pub(crate) struct Network {
    pub(crate) etcd: SimEtcd,
    pub(crate) plant: Plant,
    inner: RefCell<Inner>,
}

struct Inner {
    dice: StdRng,
    now: u64,
    wall_us: u64,
    stamps: u64,
    lives: u64,
    servers: [Option<Process>; 2],
    apart: Option<usize>,
    calls: Vec<Call>,
    takeovers: Vec<Nanos>,
    ended: Vec<String>,
    recent: Vec<(String, Told)>,
    counts: BTreeMap<&'static str, u64>,
}

/// How somebody asks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    pub(crate) client: u32,
    /// It reaches its server even if nobody else does.
    pub(crate) is_companion: bool,
    pub(crate) queue: bool,
    pub(crate) wait: u64,
    pub(crate) ttl: u64,
    pub(crate) patience: u64,
}

struct Connection(AtomicBool);

impl Presence for Connection {
    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Hangs up when it is dropped.
struct HangUp(Arc<Connection>);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

pub(crate) fn lock(name: &str) -> LockName {
    LockName::new(name).expect("a good name")
}

impl Network {
    pub(crate) fn new(seed: u64, plant: Plant) -> Rc<Self> {
        Rc::new(Self {
            etcd: SimEtcd::new(plant),
            plant,
            inner: RefCell::new(Inner {
                dice: StdRng::seed_from_u64(seed),
                now: 1000,
                wall_us: 1_700_000_000_000_000,
                stamps: 0,
                lives: 0,
                servers: [None, None],
                apart: None,
                calls: Vec::new(),
                takeovers: Vec::new(),
                ended: Vec::new(),
                recent: Vec::new(),
                counts: BTreeMap::new(),
            }),
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.inner.borrow().now
    }

    /// This moment; no two are the same.
    pub(crate) fn stamp(&self) -> Nanos {
        let mut inner = self.inner.borrow_mut();
        inner.stamps += 1;
        inner.now * MS + inner.stamps % MS
    }

    pub(crate) fn from(&self, from: u64, until: u64) -> u64 {
        self.inner.borrow_mut().dice.random_range(from..=until)
    }

    pub(crate) fn new_id(&self) -> TicketId {
        TicketId(self.inner.borrow_mut().dice.random_range(1..u128::MAX))
    }

    pub(crate) fn percent(&self, of_hundred: u64) -> bool {
        self.from(0, 99) < of_hundred
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.inner.borrow_mut().counts.entry(what).or_default() += 1;
    }

    pub(crate) fn recent(&self) -> Option<(String, Told)> {
        let length = self.inner.borrow().recent.len() as u64;
        let at = (length > 0).then(|| self.from(0, length - 1))?;
        Some(self.inner.borrow().recent[usize::try_from(at).expect("small")].clone())
    }

    pub(crate) fn takeovers(&self) -> Vec<Nanos> {
        self.inner.borrow().takeovers.clone()
    }

    pub(crate) fn taken_over(&self, at: Nanos) {
        self.count("takeovers");
        self.inner.borrow_mut().takeovers.push(at);
    }

    pub(crate) fn set_apart(&self, server: Option<usize>) {
        self.inner.borrow_mut().apart = server;
    }

    pub(crate) fn is_apart(&self, server: usize) -> bool {
        self.inner.borrow().apart == Some(server)
    }

    /// Waits for the next round.
    pub(crate) async fn tick(&self) {
        let mut has_waited = false;
        poll_fn(|_| if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    pub(crate) async fn sleep(&self, ms: u64) {
        let until = self.now() + ms;
        while self.now() < until {
            self.tick().await;
        }
    }

    /// Time passes, and each server that runs makes a step.
    pub(crate) fn step(&self) {
        let ms = if self.percent(90) { self.from(2, 30) } else { self.from(30, 250) };
        let jump = if self.from(0, 2000) == 0 { self.from(0, 14_400_000_000) } else { 7_200_000_000 };
        let now = {
            let mut inner = self.inner.borrow_mut();
            inner.now += ms;
            // The wall clock is set now and then, by up to two hours.
            inner.wall_us = inner.wall_us + ms * 1000 + jump - 7_200_000_000;
            inner.now
        };
        self.etcd.pass(now);
        for server in 0..2 {
            let Some(mut process) = self.inner.borrow_mut().servers[server].take() else { continue };
            if process.is_frozen {
                self.inner.borrow_mut().servers[server] = Some(process);
                continue;
            }
            self.etcd.keep_alive(server);
            let tick = Tick { mono_ms: now, wall_us: self.inner.borrow().wall_us };
            let batch = process.handle.request_queue().take().unwrap_or_default();
            let stepped = process.engine.step(tick, batch);
            let mut inner = self.inner.borrow_mut();
            match stepped {
                Ok(()) => inner.servers[server] = Some(process),
                Err(fatal) => inner.ended.push(format!("server {server} ended by itself: {fatal}")),
            }
        }
    }

    /// Starts a server that does not run.
    pub(crate) fn start(&self, server: usize) {
        if self.inner.borrow().servers[server].is_some() {
            return;
        }
        let (engine, handle) = Engine::new(self.etcd.store(server));
        let definitions = LOCKS.map(|(name, size)| {
            let settings = Settings { max_ttl: Some(60_000), ..Settings::new(size) };
            Definition { target: Target::Lock(lock(name)), settings, paused: false }
        });
        let configure = Command::Configure { definitions: definitions.to_vec(), mode: ConfigureMode::CreateMissing };
        // Nobody waits for its answer.
        let sent = poll(pin!(handle.submit(Caller::server(), configure)));
        assert!(sent.is_none(), "nobody answers before the step");
        let mut inner = self.inner.borrow_mut();
        inner.lives += 1;
        let life = inner.lives;
        inner.servers[server] = Some(Process { engine, handle, life, is_frozen: false });
    }

    /// `kill -9`.
    pub(crate) fn kill(&self, server: usize) {
        let killed = self.inner.borrow_mut().servers[server].take();
        drop(killed);
    }

    /// Stops it in order.
    pub(crate) fn terminate(&self, server: usize) {
        let Some(mut process) = self.inner.borrow_mut().servers[server].take() else { return };
        let (now, wall_us) = (self.now(), self.inner.borrow().wall_us);
        process.engine.finish(Tick { mono_ms: now, wall_us }).expect("the store is not damaged");
        self.etcd.resign(server);
    }

    pub(crate) fn freeze(&self, server: usize, is_frozen: bool) {
        if let Some(process) = &mut self.inner.borrow_mut().servers[server] {
            process.is_frozen = is_frozen;
        }
    }

    /// Which server leads and serves.
    pub(crate) fn leader(&self) -> Option<usize> {
        let leader = self.etcd.leader()?;
        let inner = self.inner.borrow();
        inner.servers[leader].as_ref()?.engine.table().map(|_| leader)
    }

    pub(crate) fn has_ended(&self) -> bool {
        !self.inner.borrow().ended.is_empty()
    }

    /// What the judge is to know, and how often what came about.
    pub(crate) fn take_record(&self) -> (Vec<Call>, Vec<Nanos>, Vec<String>, BTreeMap<&'static str, u64>) {
        let mut inner = self.inner.borrow_mut();
        let inner = &mut *inner;
        let mut counts = std::mem::take(&mut inner.counts);
        counts.extend(self.etcd.take_counts());
        (std::mem::take(&mut inner.calls), inner.takeovers.clone(), std::mem::take(&mut inner.ended), counts)
    }

    /// Asks a server, and records what came of it.
    pub(crate) async fn ask(&self, manner: Manner, server: usize, ask: Ask) -> Answer {
        let (client, sent) = (manner.client, self.stamp());
        let answer = Answer::Unknown("under way".to_owned());
        let number = {
            let calls = &mut self.inner.borrow_mut().calls;
            calls.push(Call { client, server, sent, answered: Nanos::MAX, ask: ask.clone(), answer });
            calls.len() - 1
        };
        let answer = self.exchange(manner, server, &ask).await;
        let answered = self.stamp();
        let mut inner = self.inner.borrow_mut();
        if let (Answer::Ticket(told), Ask::Acquire { lock, .. }) = (&answer, &ask)
            && told.held
        {
            inner.recent.truncate(7);
            inner.recent.insert(0, (lock.clone(), told.clone()));
        }
        let call = &mut inner.calls[number];
        (call.answered, call.answer) = (answered, answer.clone());
        answer
    }

    fn reached(&self, server: usize, is_companion: bool) -> Option<(Handle, u64)> {
        let inner = self.inner.borrow();
        let process = inner.servers[server].as_ref()?;
        (is_companion || inner.apart != Some(server)).then(|| (process.handle.clone(), process.life))
    }

    async fn exchange(&self, manner: Manner, server: usize, ask: &Ask) -> Answer {
        let Some((handle, life)) = self.reached(server, manner.is_companion) else {
            return Answer::Refused("not sent".to_owned());
        };
        let command = self.command(manner, ask);
        let (until, wait_until) = (self.now() + manner.wait + manner.patience, self.now() + manner.wait);
        let connection = Arc::new(Connection(AtomicBool::new(true)));
        // Before the request: it hears of that first.
        let caller =
            if matches!(ask, Ask::Resize { .. }) { Caller::server().clone() } else { Caller::anonymous("192.0.2.1") };
        let is_over = || self.now() >= until || self.reached(server, manner.is_companion).is_none_or(|at| at.1 != life);
        let given_up = || Answer::Unknown("no answer".to_owned());
        if !command.may_wait() {
            let mut answer = pin!(handle.submit(&caller, command));
            loop {
                if let Some(answer) = poll(answer.as_mut()) {
                    return self.hear(ask, answer);
                }
                if is_over() {
                    return given_up();
                }
                self.tick().await;
            }
        }
        let sent = poll(pin!(handle.submit_waiting(&caller, command, connection.clone())));
        let mut wait = match sent.expect("there is room in the queues") {
            Ok(wait) => wait,
            Err(error) => return self.hear(ask, Err(error)),
        };
        let _hang_up = HangUp(connection);
        while self.now() < wait_until {
            if let Some(answer) = poll(pin!(wait.answer())) {
                return self.hear(ask, answer);
            }
            if is_over() {
                return given_up();
            }
            self.tick().await;
        }
        let mut answer = pin!(wait.give_up(false));
        loop {
            if let Some(answer) = poll(answer.as_mut()) {
                return self.hear(ask, answer);
            }
            if is_over() {
                return given_up();
            }
            self.tick().await;
        }
    }
}
