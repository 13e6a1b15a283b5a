//! From a store's snapshot to a table, and back (rules 8, 9, 10).

mod tickets;

use super::{Lock, Table, Template, Timer, WallTimer, Withdrawal};
use crate::rising::Rising;
use crate::shared_texts::SharedTexts;
use crate::timers::TimerTable;
use crate::view::Moment;
use crate::{Continuity, Key, Meta, QuotaOwner, Shares, Snapshot, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What in a store contradicts itself. The store is damaged, or was written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored table contradicts itself: {0}")]
pub struct LoadError(String);

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), LoadError> {
    if holds { Ok(()) } else { Err(LoadError(what())) }
}

impl Table {
    /// The table that a store holds. Every lease starts again in full; holds and withheld permits continue (rule 9).
    /// `wall_us`, Unix time in microseconds, is where counters begin if the store says so (rule 10).
    ///
    /// # Errors
    /// If the records contradict each other.
    pub fn load(snapshot: Snapshot, wall_us: u64, continuity: &Continuity) -> Result<Self, LoadError> {
        let mut table = Self::empty(snapshot.meta);
        if snapshot.restart_counters {
            table.restart_counters(wall_us);
        }
        for template in snapshot.templates {
            table.templates.insert(template.prefix.clone(), Template { record: template, instances: 0 });
        }
        for record in snapshot.locks {
            table.load_lock(record)?;
        }
        for withheld in snapshot.withheld_names {
            table.timers.set(Timer::WithheldName(withheld.name.clone()), withheld.until);
            table.withheld_names.insert(withheld.name.clone(), withheld);
        }
        for withdrawn in snapshot.withdrawn {
            table.timers.set(Timer::Withdrawn(withdrawn.scope.clone()), withdrawn.until);
            let by = QuotaOwner::of(withdrawn.scope.owner.as_ref(), &Arc::from(""));
            table.withdrawn_by.insert(&by, (withdrawn.until, withdrawn.scope.clone()));
            table.withdrawn.insert(withdrawn.scope.clone(), Withdrawal { record: withdrawn, by });
        }
        for withholding in snapshot.withholdings {
            table.load_withholding(withholding)?;
        }
        tickets::load(&mut table, snapshot.tickets, continuity)?;
        crate::invariants::check_stored(&table).map_err(LoadError)?;
        // What is derived has just been made of what is checked here.
        if cfg!(debug_assertions) {
            crate::invariants::check_consistent(&table).map_err(LoadError)?;
        }
        table.unstepped = Some(!matches!(continuity, Continuity::SameProcess { .. }));
        Ok(table)
    }

    fn empty(meta: Meta) -> Self {
        Self {
            meta,
            locks: BTreeMap::new(),
            templates: BTreeMap::new(),
            tickets: BTreeMap::new(),
            numbers: Rising::default(),
            requests: BTreeMap::new(),
            holders: BTreeMap::new(),
            superseding: BTreeMap::new(),
            live_by_owner: BTreeMap::new(),
            withholdings: BTreeMap::new(),
            withheld_names: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            withdrawn_by: Shares::default(),
            instances: BTreeMap::new(),
            ended: BTreeSet::new(),
            ended_of: Shares::default(),
            leases: BTreeSet::new(),
            timers: TimerTable::default(),
            wall_timers: TimerTable::default(),
            wall: 0,
            floor: 0,
            ends_left: limits::STEP_ENDS_MAX,
            ripe: BTreeSet::new(),
            unfinished: BTreeSet::new(),
            unstepped: None,
            queued_bundles: 0,
            moment: Moment::default(),
            dirty: BTreeSet::new(),
            shared: SharedTexts::default(),
            deferred: BTreeSet::new(),
            served: Vec::new(),
            events: Vec::new(),
            author: None,
        }
    }

    fn restart_counters(&mut self, wall_us: u64) {
        for counter in [&mut self.meta.last_token, &mut self.meta.last_number, &mut self.meta.last_revision] {
            *counter = (*counter).max(wall_us.min(limits::COUNTER_MAX / 2));
        }
        self.mark(Key::Meta);
    }

    fn load_lock(&mut self, record: crate::LockRecord) -> Result<(), LoadError> {
        let name = record.name.clone();
        super::admin::check_settings(&record.settings).map_err(|why| LoadError(format!("lock {name}: {why}")))?;
        if let Some(template) = record.template.as_ref().and_then(|prefix| self.templates.get_mut(prefix)) {
            template.instances += 1;
        }
        let until = record.pause.as_ref().and_then(|pause| pause.until);
        self.set_pause_timer(&name, until);
        if let Some(until) = record.outside.and_then(|outside| outside.until) {
            self.wall_timers.set(WallTimer::Report(name.clone()), until);
        }
        self.locks.insert(name, Lock::new(record));
        Ok(())
    }

    fn load_withholding(&mut self, withholding: crate::Withholding) -> Result<(), LoadError> {
        let number = withholding.number;
        let lock = self.locks.get_mut(&withholding.lock);
        let lock = lock.ok_or_else(|| LoadError(format!("withheld permits {number} are of no lock")))?;
        let clash = || format!("slots of withheld permits {number} of lock {} are given twice", withholding.lock);
        require(lock.slots.restore(&withholding.slots, &withholding.slot_names), clash)?;
        self.note_withholding(withholding);
        Ok(())
    }

    /// Everything durable, as a store that got every change, deferred ones included, gives it back. Sorted.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            meta: self.meta,
            locks: self.locks.values().map(|lock| lock.record.clone()).collect(),
            templates: self.templates.values().map(|template| template.record.clone()).collect(),
            tickets: self.tickets.values().map(|ticket| ticket.record.clone()).collect(),
            withholdings: self.withholdings.values().cloned().collect(),
            withheld_names: self.withheld_names.values().cloned().collect(),
            withdrawn: self.withdrawn.values().map(|one| one.record.clone()).collect(),
            restart_counters: false,
            lost_commits: false,
        };
        snapshot.sort();
        snapshot
    }
}
