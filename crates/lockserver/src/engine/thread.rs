//! The start of the engine and of its thread.

use super::answer::CommandResult;
use super::drive::Engine;
use super::driver::{Driver, tick};
use super::handle::Handle;
use super::recovery::{Configuration, Fatal};
use super::request::Request;
use super::request_queue::Combine;
use super::status::Role;
use crate::audit::Audit;
use crate::store::{Store, StoreError};
use lock_core::{Caller, Command, ConfigureMode, Definition};
use std::sync::Arc;
use tokio::sync::oneshot;

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
    let (mut engine, mut handle) = Engine::audited(store, audit);
    let is_immediate = engine.is_immediate();
    engine.pause_in_doubt = pause_in_doubt;
    let configure = Command::Configure { definitions: definitions.clone(), mode };
    let (request, mut report) = Request::new(Caller::server(), configure);
    let tick = tick();
    let began = engine.step(tick, vec![request]).and_then(|()| engine.flush(tick));
    began.map_err(|fatal| StoreError::Damaged(fatal.to_string()))?;
    if let Some(reason) = handle.status().trouble() {
        // As while it runs: everybody is answered that the store cannot be used now, and why, until it can.
        if matches!(handle.status().role(), Role::Leading { .. }) {
            tracing::error!("the store cannot be used, trying again: {reason}");
        }
        engine.keep_configuration(Configuration { definitions, mode });
    } else {
        let configured: Option<CommandResult> = report.try_recv().ok().and_then(Result::ok);
        assert!(configured.is_some(), "a term has begun, so the configuration was answered");
    }
    let (end, ended) = oneshot::channel();
    let driver = Driver::new(engine);
    handle.combine = is_immediate.then(|| driver.clone() as Arc<dyn Combine>);
    let run = move || drop(end.send(driver.run()));
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(run)
        .map_err(|error| StoreError::Unavailable(format!("the engine's thread cannot be started: {error}")))?;
    Ok((handle, Running { ended }))
}
