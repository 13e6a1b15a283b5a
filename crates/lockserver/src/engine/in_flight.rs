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
    /// What is to be committed for the newest of them, in one batch.
    uncommitted: Vec<Change>,
    /// So many of the oldest steps are durable, and not taken yet.
    durable: usize,
    /// When the oldest one was applied whose changes are uncommitted.
    held_since_ms: u64,
}

struct Step {
    sealed: Sealed,
    /// When it was applied.
    began: Instant,
    /// It changed more than the clock.
    wrote_records: bool,
    /// It is the last one whose changes are in a batch that a pipeline has begun.
    ends_batch: bool,
}

impl InFlight {
    /// Adds a step.
    pub(crate) fn push(&mut self, tick: Tick, mut sealed: Sealed) {
        if self.uncommitted.is_empty() {
            self.held_since_ms = tick.mono_ms;
        }
        let changes = std::mem::take(&mut sealed.changes);
        self.steps.push_back(Step {
            began: Instant::now(),
            wrote_records: changes.len() > 1,
            ends_batch: false,
            sealed,
        });
        self.add_uncommitted(changes);
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

    /// Has a store with a pipeline begin to flush what is not to be held back any longer.
    pub(crate) fn begin(&mut self, tick: Tick, store: &mut dyn Store, observers: &Observers) {
        if self.uncommitted.is_empty() || self.may_hold(tick) {
            return;
        }
        let (Some(pipeline), Some(newest)) = (store.pipeline(), self.steps.back_mut()) else { return };
        observers.in_store(|| pipeline.begin(&self.uncommitted));
        newest.ends_batch = true;
        self.uncommitted.clear();
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
        if self.steps.is_empty() {
            return Ok(None);
        }
        if self.durable == 0 {
            let Some(durable) = self.commit_some(store, observers, wait)? else { return Ok(None) };
            self.durable = durable;
        }
        // As the last thing before they are answered: what was read or found the same as before is told on this server's authority, too.
        if !store.is_authoritative() {
            return Err(StoreError::deposed());
        }
        self.durable -= 1;
        Ok(self.steps.pop_front().map(|step| Committed::new(step.sealed, step.wrote_records)))
    }

    /// How many of the oldest steps have become durable; `None` if that is not known yet.
    fn commit_some(
        &mut self,
        store: &mut dyn Store,
        observers: &Observers,
        wait: bool,
    ) -> Result<Option<usize>, StoreError> {
        if let (Some(last), Some(pipeline)) = (self.steps.iter().position(|step| step.ends_batch), store.pipeline()) {
            let result = observers.in_store(|| if wait { Some(pipeline.wait()) } else { pipeline.poll() });
            let Some(result) = result else { return Ok(None) };
            observers.note_commit(self.steps[0].began, result)?;
            return Ok(Some(last + 1));
        }
        if !self.uncommitted.is_empty() {
            if !wait {
                return Ok(None);
            }
            let changes = std::mem::take(&mut self.uncommitted);
            let began = Instant::now();
            let result = observers.in_store(|| store.commit(&changes));
            observers.note_commit(began, result)?;
        }
        Ok(Some(self.steps.len()))
    }

    /// Whether what is uncommitted may wait for company: nobody is told anything by it, and it is young and small.
    fn may_hold(&self, tick: Tick) -> bool {
        let is_young = tick.mono_ms.saturating_sub(self.held_since_ms) < HOLD_MS;
        is_young && self.uncommitted.len() < HELD_CHANGES_MAX && !self.is_awaited()
    }

    /// Whether somebody waits for what is uncommitted.
    fn is_awaited(&self) -> bool {
        self.steps.iter().rev().take_while(|step| !step.ends_batch).any(|step| step.sealed.is_awaited())
    }

    /// Has a look answered with the newest step, all of which it has seen. Gives it back if every step is durable.
    pub(crate) fn look(&mut self, look: Look) -> Option<Look> {
        let Some(newest) = self.steps.back_mut() else { return Some(look) };
        newest.sealed.looks.push(look);
        None
    }

    /// Whether the store and the answers keep up with the steps, so that it is not to be waited for.
    pub(crate) fn has_room(&self, tick: Tick, store: &mut dyn Store) -> bool {
        let is_immediate = store.is_immediate();
        let has_room = match store.pipeline() {
            Some(pipeline) => self.batches() < pipeline.max(),
            None => !is_immediate && !self.uncommitted.is_empty() && self.may_hold(tick),
        };
        has_room && self.steps.len() < STEPS_MAX
    }

    /// Milliseconds until there is something to do for them; `None` if there are none.
    pub(crate) fn due_in_ms(&self) -> Option<u64> {
        (!self.is_empty()).then(|| if self.is_held() && self.batches() == 0 { HOLD_MS } else { 0 })
    }

    /// Batches that a pipeline has begun.
    fn batches(&self) -> usize {
        self.steps.iter().filter(|step| step.ends_batch).count()
    }

    /// Whether there are steps whose commit waits for company.
    pub(crate) fn is_held(&self) -> bool {
        !self.uncommitted.is_empty() && !self.is_awaited()
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
