//! Drives the engine. Its own thread always does; with a store that never waits, the senders of requests do as well.
//!
//! A sender that finds the engine free makes the step for everything that has queued, on its own thread; one that finds it taken
//! leaves its request to the other (flat combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010). No thread is woken for a request
//! that takes a few microseconds. What a store flushes is left to the engine's thread, and so are looks and timers.

use super::clock::Tick;
use super::drive::Engine;
use super::recovery::Fatal;
use super::request_queue::{Combine, RequestQueue};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock is looked at this often (rule 9).
const LOOK_MS: u64 = 250;
/// Steps that a sender makes for others before it leaves them to the engine's thread.
const STEPS_OF_A_SENDER_MAX: usize = 16;

/// The time now.
pub(super) fn tick() -> Tick {
    let mono_ms = crate::wall::mono_ms();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Tick { mono_ms, wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX) }
}

/// The engine, and what its drivers agree on.
pub(crate) struct Driver {
    state: Mutex<State>,
    queue: Arc<RequestQueue>,
    /// When the engine's thread comes round next, on the monotonic clock.
    wakes_at_ms: AtomicU64,
}

enum State {
    Running(Box<Engine>),
    /// It cannot go on; the engine's thread is to hear why.
    Failed(Fatal),
    /// It has ended, and the engine's thread knows.
    Ended,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    /// Takes over an engine that has begun.
    pub(super) fn new(engine: Engine) -> Arc<Self> {
        let queue = engine.queue.clone();
        if engine.is_immediate() {
            queue.combine();
        }
        Arc::new(Self { state: Mutex::new(State::Running(Box::new(engine))), queue, wakes_at_ms: AtomicU64::new(0) })
    }

    /// The work of the engine's thread: steps until the queue is closed and empty.
    ///
    /// # Errors
    /// Why the engine cannot go on.
    pub(super) fn run(&self) -> Result<(), Fatal> {
        let _guard = Abandon(&self.queue);
        loop {
            self.queue.wait(self.until_due());
            if let Some(ended) = self.come_round() {
                return ended;
            }
        }
    }

    /// One step of the engine's thread; says how the engine has ended if it has.
    fn come_round(&self) -> Option<Result<(), Fatal>> {
        let mut state = self.state();
        let ended = match &mut *state {
            State::Running(engine) => match self.queue.take() {
                Some(batch) => {
                    let result = timed(engine, |engine| engine.step(tick(), batch));
                    engine.observers.status.pulse().beat();
                    result.err().map(Err)
                }
                None => Some(engine.finish(tick())),
            },
            State::Failed(fatal) => Some(Err(fatal.clone())),
            State::Ended => unreachable!("only this thread ends it"),
        };
        if ended.is_some() {
            // Under the lock, so that no sender makes another step. The store is closed before the process may end: what is left is one file.
            *state = State::Ended;
        }
        ended
    }

    /// How long the engine's thread may sleep.
    fn until_due(&self) -> Duration {
        let mut state = self.state();
        let State::Running(engine) = &mut *state else { return Duration::ZERO };
        let due = engine.due_in_ms().unwrap_or(LOOK_MS).min(LOOK_MS);
        // Under the lock: a step that comes after this one compares its own with it.
        self.wakes_at_ms.store(crate::wall::mono_ms() + due, Ordering::Relaxed);
        Duration::from_millis(due)
    }

    /// # Panics
    /// If a step of a sender has panicked: the table may be anything then.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no step has panicked")
    }
}

impl Combine for Driver {
    fn combine(&self) {
        for _ in 0..STEPS_OF_A_SENDER_MAX {
            let mut state = match self.state.try_lock() {
                Ok(state) => state,
                // Its holder looks at the queue again after letting go.
                Err(TryLockError::WouldBlock) => return,
                // A step has panicked; the queue is abandoned.
                Err(TryLockError::Poisoned(_)) => return,
            };
            let State::Running(engine) = &mut *state else { return };
            let Some(batch) = self.queue.take() else { return };
            let guard = Abandon(&self.queue);
            let now = tick();
            let result = timed(engine, |engine| engine.serve(now, batch));
            let due = engine.due_in_ms().map(|due| now.mono_ms + due);
            if let Err(fatal) = result {
                *state = State::Failed(fatal);
                return;
            }
            std::mem::forget(guard);
            drop(state);
            if due.is_some_and(|due| due < self.wakes_at_ms.load(Ordering::Relaxed)) {
                self.queue.wake();
            }
            if self.queue.is_drained() {
                return;
            }
        }
        self.queue.wake();
    }
}

/// Makes a step, and counts the time that it takes.
fn timed(engine: &mut Engine, step: impl FnOnce(&mut Engine) -> Result<(), Fatal>) -> Result<(), Fatal> {
    let began = Instant::now();
    let result = step(engine);
    engine.observers.metrics.engine.was_busy(began.elapsed());
    result
}

/// Ends the queues however a step ends, by a panic too: nobody may wait for an engine that has ended.
struct Abandon<'q>(&'q RequestQueue);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
