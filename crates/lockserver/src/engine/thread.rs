//! The engine's thread: takes what has arrived, looks at the clock, makes a step.

use super::answer::CommandResult;
use super::clock::Tick;
use super::drive::Engine;
use super::handle::Handle;
use super::recovery::{Configuration, Fatal};
use super::request::Request;
use super::request_queue::RequestQueue;
use crate::audit::Audit;
use crate::store::{Store, StoreError};
use lock_core::{Caller, Command, ConfigureMode, Definition};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// The clock is looked at this often (rule 9).
const LOOK_MS: u64 = 250;

/// The engine's thread.
#[derive(Debug)]
pub struct Running {
    ended: oneshot::Receiver<Result<(), Fatal>>,
}

impl Running {
    /// Resolves when the engine has ended: after [`Handle::close`], or because it cannot go on.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub async fn ended(&mut self) -> Result<(), Fatal> {
        let panicked =
            || Err(Fatal::Impossible("the engine stopped at an impossible state; the log says which".to_owned()));
        (&mut self.ended).await.unwrap_or_else(|_| panicked())
    }
}

struct Clocks;

impl Clocks {
    fn tick(&self) -> Tick {
        let mono_ms = crate::wall::mono_ms();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Tick { mono_ms, wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX) }
    }
}

/// Loads the store, applies the configuration, and starts the thread.
///
/// # Errors
/// If the store is damaged; it is never replaced by memory. One that cannot be used *now* is tried again.
pub fn start(
    store: Box<dyn Store>,
    definitions: Vec<Definition>,
    mode: ConfigureMode,
) -> Result<(Handle, Running), StoreError> {
    start_audited(store, definitions, mode, Audit::default(), false)
}

/// The same, which writes down who did what, and which pauses every lock where the store has lost commits, if that is wanted.
///
/// # Errors
/// As [`start`].
pub fn start_audited(
    store: Box<dyn Store>,
    definitions: Vec<Definition>,
    mode: ConfigureMode,
    audit: Audit,
    pause_in_doubt: bool,
) -> Result<(Handle, Running), StoreError> {
    let (mut engine, handle) = Engine::audited(store, audit);
    engine.pause_in_doubt = pause_in_doubt;
    let clocks = Clocks;
    let configure = Command::Configure { definitions: definitions.clone(), mode };
    let (request, mut report) = Request::new(Caller::server(), configure);
    let tick = clocks.tick();
    let began = engine.step(tick, vec![request]).and_then(|()| engine.flush(tick));
    began.map_err(|fatal| StoreError::Damaged(fatal.to_string()))?;
    if let Some(reason) = handle.status().trouble() {
        // As while it runs: everybody is answered that the store cannot be used now, and why, until it can.
        tracing::error!("the store cannot be used, trying again: {reason}");
        engine.configure(Configuration { definitions, mode });
    } else {
        let configured: Option<CommandResult> = report.try_recv().ok().and_then(Result::ok);
        assert!(configured.is_some(), "a term has begun, so the configuration was answered");
    }
    let (end, ended) = oneshot::channel();
    let request_queue = Abandoned(handle.request_queue.clone());
    let run = move || {
        let result = run(&mut engine, &request_queue.0, &clocks);
        drop(request_queue);
        // The store is closed before the process may end, so that what is left is one file.
        drop(engine);
        drop(end.send(result));
    };
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(run)
        .map_err(|error| StoreError::Unavailable(format!("the engine's thread cannot be started: {error}")))?;
    Ok((handle, Running { ended }))
}

/// Ends the queues however the thread ends, by a panic too: nobody may wait for an engine that has ended.
struct Abandoned(Arc<RequestQueue>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn run(engine: &mut Engine, request_queue: &RequestQueue, clocks: &Clocks) -> Result<(), Fatal> {
    loop {
        let due = engine.due_in_ms().unwrap_or(LOOK_MS).min(LOOK_MS);
        let Some(batch) = request_queue.take(Duration::from_millis(due)) else {
            return engine.finish(clocks.tick());
        };
        let began = Instant::now();
        engine.step(clocks.tick(), batch)?;
        engine.observers.metrics.engine.was_busy(began.elapsed());
        engine.observers.status.pulse().beat();
    }
}
