//! Steps between the table and their answers: applied, and not yet durable.

use super::clock::Tick;
use super::observers::Observers;
use super::sealed::{Committed, Look, Sealed};
use super::waiters::Waiters;
use crate::store::{Store, StoreError};
use lock_core::{Change, Command, Key};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Steps in flight, at most, whatever the store takes: some have nothing to commit.
const STEPS_MAX: usize = 64;
/// Steps that tell nobody anything are held back this long, so that the next answer takes them along in its commit: a client
/// that waits for its grant is told nothing of its place in the queue, and needs no commit for it.
pub(crate) const HOLD_MS: u64 = 10;
/// They are held back no longer than until they have so many changes.
const HELD_CHANGES_MAX: usize = 1000;

/// Steps that are applied and not yet committed, from the oldest on.
#[derive(Default)]
pub(crate) struct InFlight {
    steps: VecDeque<Step>,
    /// What a store without a pipeline has to commit for them, in one batch.
    uncommitted: Vec<Change>,
    /// So many of the oldest steps are durable, and not taken yet.
    durable: usize,
    /// Somebody is told something as soon as they are durable.
    is_awaited: bool,
    /// When the oldest one was applied that is held back.
    held_since_ms: u64,
}

struct Step {
    sealed: Sealed,
    /// When it was applied.
    began: Instant,
    /// What it has to commit; more than one is more than a look at the clock.
    changes: usize,
}

impl InFlight {
    /// Adds a step, and has a store with a pipeline begin to flush it.
    pub(crate) fn push(&mut self, tick: Tick, mut sealed: Sealed, store: &mut dyn Store, observers: &Observers) {
        if self.steps.is_empty() {
            self.held_since_ms = tick.mono_ms;
            self.is_awaited = false;
        }
        self.is_awaited |= sealed.is_awaited();
        let changes = std::mem::take(&mut sealed.changes);
        self.steps.push_back(Step { sealed, began: Instant::now(), changes: changes.len() });
        match store.pipeline() {
            Some(_) if changes.is_empty() => {}
            Some(pipeline) => observers.in_store(|| pipeline.begin(&changes)),
            None => self.add_uncommitted(changes),
        }
    }

    /// Keeps the last change of each key.
    fn add_uncommitted(&mut self, changes: Vec<Change>) {
        if self.uncommitted.is_empty() {
            self.uncommitted = changes;
        } else if !changes.is_empty() {
            let all = std::mem::take(&mut self.uncommitted).into_iter().chain(changes);
            let last: BTreeMap<Key, Change> = all.map(|change| (change.key(), change)).collect();
            self.uncommitted = last.into_values().collect();
        }
    }

    /// The oldest step once it is durable. `None` if there is none, or if it is not yet and `wait` is false.
    ///
    /// # Errors
    /// As [`Store::commit`]; all steps are to be given up then.
    pub(crate) fn commit_oldest(
        &mut self,
        store: &mut dyn Store,
        observers: &Observers,
        wait: bool,
    ) -> Result<Option<Committed>, StoreError> {
        let Some(first) = self.steps.front() else { return Ok(None) };
        if self.durable == 0 {
            match store.pipeline() {
                Some(_) if first.changes == 0 => self.durable = 1,
                Some(pipeline) => {
                    let result = observers.in_store(|| if wait { Some(pipeline.wait()) } else { pipeline.poll() });
                    let Some(result) = result else { return Ok(None) };
                    observers.note_commit(first.began, result)?;
                    self.durable = 1;
                }
                None if !wait => return Ok(None),
                None => {
                    self.commit_all(store, observers)?;
                    self.durable = self.steps.len();
                }
            }
        }
        self.durable -= 1;
        Ok(self.steps.pop_front().map(|step| Committed::new(step.sealed, step.changes > 1)))
    }

    fn commit_all(&mut self, store: &mut dyn Store, observers: &Observers) -> Result<(), StoreError> {
        if self.uncommitted.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let result = observers.in_store(|| store.commit(&self.uncommitted));
        self.uncommitted.clear();
        observers.note_commit(began, result)
    }

    /// Has a look answered with the newest step, all of which it has seen. Gives it back if every step is durable.
    pub(crate) fn look(&mut self, look: Look) -> Option<Look> {
        let Some(newest) = self.steps.back_mut() else { return Some(look) };
        newest.sealed.looks.push(look);
        self.is_awaited = true;
        None
    }

    /// Whether the store and the answers keep up with the steps, so that it is not to be waited for.
    pub(crate) fn has_room(&self, tick: Tick, store: &mut dyn Store) -> bool {
        let is_immediate = store.is_immediate();
        let has_room = match store.pipeline() {
            Some(pipeline) => self.steps.iter().filter(|step| step.changes > 0).count() < pipeline.max(),
            None => {
                let is_young = tick.mono_ms.saturating_sub(self.held_since_ms) < HOLD_MS;
                !is_immediate && !self.is_awaited && is_young && self.uncommitted.len() < HELD_CHANGES_MAX
            }
        };
        has_room && self.steps.len() < STEPS_MAX
    }

    /// Milliseconds until there is something to do for them; `None` if there are none.
    pub(crate) fn due_in_ms(&self) -> Option<u64> {
        (!self.is_empty()).then(|| if self.is_held() { HOLD_MS } else { 0 })
    }

    /// Whether there are steps whose commit waits for company.
    pub(crate) fn is_held(&self) -> bool {
        !self.uncommitted.is_empty() && !self.is_awaited
    }

    /// Whether every step is durable and answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Gives up all of them: the first is not known to be durable, and those behind it build on it. Gives the waits whose
    /// handlers have given up meanwhile, and whether the client is lost.
    pub(crate) fn give_up(
        &mut self,
        error: &StoreError,
        waiters: &mut Waiters,
        carry_over: &mut Vec<Command>,
    ) -> Vec<(u64, bool)> {
        let steps = std::mem::take(self).steps;
        steps.into_iter().flat_map(|step| step.sealed.give_up(error, waiters, carry_over)).collect()
    }
}
