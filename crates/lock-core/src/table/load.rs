//! From a store's snapshot to a table, and back (rules 8, 9, 10).

use super::{Lock, Table, Template, Ticket, Timer, Withdrawal};
use crate::queue::Place;
use crate::timers::TimerTable;
use crate::view::Moment;
use crate::{Continuity, Key, Meta, Permits, QuotaOwner, Shares, Snapshot, State, TicketId, TicketRecord, limits};
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
        let mut queued: Vec<(Place, TicketId)> = Vec::new();
        for record in snapshot.tickets {
            if matches!(record.state, State::Queued { .. }) {
                queued.push((Place::new(record.priority, record.seq), record.id));
            }
            let activity_seq = continuity.activity_seq(record.id);
            table.load_ticket(record, activity_seq)?;
        }
        queued.sort_unstable();
        for (place, id) in queued {
            let ticket = table.ticket(id);
            let (dormant, wants, lock) =
                (ticket.state == State::Queued { dormant: true }, ticket.wants(), ticket.lock.clone());
            table.lock_mut(&lock).queue.push(place, id, wants, dormant);
        }
        table.start_timers();
        crate::invariants::check_consistent(&table).map_err(LoadError)?;
        if matches!(continuity, Continuity::NewLife) {
            table.begin_life();
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
            numbers: BTreeMap::new(),
            requests: BTreeMap::new(),
            holders: BTreeMap::new(),
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
            pauses: TimerTable::default(),
            wall: 0,
            floor: 0,
            ends_left: limits::STEP_ENDS_MAX,
            ripe: BTreeSet::new(),
            unfinished: BTreeSet::new(),
            unstepped: None,
            moment: Moment::default(),
            dirty: BTreeSet::new(),
            deferred: BTreeSet::new(),
            served: Vec::new(),
            events: Vec::new(),
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
        self.locks.insert(name, Lock::new(record));
        Ok(())
    }

    fn load_withholding(&mut self, withholding: crate::Withholding) -> Result<(), LoadError> {
        let number = withholding.number;
        let lock = self.locks.get_mut(&withholding.lock);
        let lock = lock.ok_or_else(|| LoadError(format!("withheld permits {number} are of no lock")))?;
        let clash = || format!("slots of withheld permits {number} of lock {} are given twice", withholding.lock);
        require(lock.slots.restore(&withholding.slots, &withholding.slot_names), clash)?;
        lock.withholdings.insert(number);
        lock.withheld += crate::ranges::count(&withholding.slots);
        lock.exclusive |= withholding.all;
        self.timers.set(Timer::Withholding(number), withholding.until);
        self.withholdings.insert(number, withholding);
        Ok(())
    }

    fn load_ticket(&mut self, record: TicketRecord, activity_seq: u64) -> Result<(), LoadError> {
        let (id, number) = (record.id, record.number);
        let (meta, late) = (self.meta, record.seq.max(record.number));
        require(record.number <= meta.last_number && record.seq <= meta.last_seq, || {
            format!("ticket {number} has a number or place ({late}) that was never given")
        })?;
        let ticket = Ticket { record, lease_until: None, waiting: 0, activity_seq, restored: true };
        let scope = ticket.scope();
        if ticket.is_live() {
            let lock = self.locks.get_mut(&ticket.lock);
            let lock = lock.ok_or_else(|| LoadError(format!("live ticket {number} is of no lock")))?;
            if ticket.is_active() {
                let token = ticket.token.filter(|&token| token <= meta.last_token);
                let token =
                    token.ok_or_else(|| LoadError(format!("ticket {number} has permits and no given token")))?;
                let free = !ticket.slots.is_empty() && lock.slots.restore(&ticket.slots, &ticket.slot_names);
                require(free, || format!("slots of ticket {number} are given twice"))?;
                lock.exclusive |= ticket.permits == Permits::All;
                if ticket.state == State::Granted {
                    lock.granted += crate::ranges::count(&ticket.slots);
                }
                require(lock.active.insert(token, id).is_none(), || format!("token {token} is given twice"))?;
            }
            require(self.numbers.insert(number, id).is_none(), || format!("ticket number {number} is given twice"))?;
            if let Some(holder) = &ticket.holder {
                let key = (ticket.lock.clone(), holder.clone());
                require(self.holders.insert(key, id).is_none(), || format!("holder {holder} has two tickets"))?;
            }
            self.live_by_owner.entry(ticket.quota_owner()).or_default().insert(number);
        }
        if let State::Ended { at, .. } = ticket.state {
            self.ended.insert((at, number, id));
            self.ended_of.insert(&ticket.quota_owner(), (at, number, id));
        }
        if let Some(scope) = scope {
            // A live ticket wins over a remembered one.
            let live = ticket.is_live();
            if live || !self.requests.contains_key(&scope) {
                self.requests.insert(scope, id);
            }
        }
        self.tickets.insert(id, Box::new(ticket));
        Ok(())
    }

    fn start_timers(&mut self) {
        let live: Vec<TicketId> = self.numbers.values().copied().collect();
        for id in live {
            let hold = self.ticket(id).hold_until;
            if let Some(until) = hold {
                self.timers.set(Timer::Hold(id), until);
            }
            self.set_lease(id, self.now());
        }
        let names: Vec<crate::LockName> = self.locks.keys().cloned().collect();
        for name in names {
            self.charge_instance(&name);
            let idle = self.lock(&name).is_idle();
            if idle && self.lock(&name).record.template.is_some() {
                self.timers.set(Timer::Instance(name), self.now() + limits::INSTANCE_IDLE_MS);
            }
        }
    }

    fn begin_life(&mut self) {
        let now = self.meta.uptime_ms();
        // Those without a lease as well: another configuration may give them one.
        let began = self.numbers.values().map(|id| self.ticket(*id).lease_began);
        let oldest = began.min().unwrap_or(now);
        self.meta.uptime.starts.begin(now, oldest);
        let restored: Vec<TicketId> = self.leases.iter().map(|(_, id)| *id).collect();
        for id in restored {
            if let Some(began) = self.meta.uptime.starts.second_after(self.ticket(id).lease_began) {
                self.set_lease(id, began + self.meta.uptime.downtime_ms);
            }
        }
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
