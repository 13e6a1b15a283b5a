//! Making, changing and deleting locks by request (rules 2, 7, 11, 12).

use super::apply::Effect;
use super::{Lock, StepContext, Table, Timer, WallTimer};
use crate::change::Condition;
use crate::command::{Force, Outcome, Patch, Precondition, Rejection};
use crate::event::EventKind;
use crate::limits::{INSTANCE_IDLE_MS, LOCKS_MAX, PERMITS_MAX, SLOT_NAMES_MAX, TEXT_BYTES_MAX, TTL_MAX_MS};
use crate::{Capacity, EndedAs, Key, LockName, Pause, Selection, Settings, TicketId, Until, WithheldName, text};
use std::collections::BTreeSet;

/// Tickets that a refusal shows.
const SHOWN_TICKETS: usize = 20;

impl Table {
    pub(super) fn put_lock(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        settings: &Settings,
        precondition: Precondition,
        force: Force,
    ) -> Result<Effect, Rejection> {
        check_settings(settings)?;
        self.check_precondition(name, precondition)?;
        if self.locks.contains_key(name) {
            self.check_shrink(name, settings, force)?;
            let was = Condition::of(&self.lock(name).record);
            self.set_settings(at, name, settings.clone(), &was);
            return Ok(Effect::Lock(name.clone()));
        }
        if let Some(withheld) = self.withheld_names.get(name) {
            return Err(Rejection::NameWithheld(withheld.until - self.now()));
        }
        if self.locks.len() >= LOCKS_MAX {
            return Err(Rejection::LimitReached { what: "locks of the server", max: LOCKS_MAX as u64 });
        }
        self.insert_lock(at, name, settings.clone(), false, None, None);
        Ok(Effect::Lock(name.clone()))
    }

    pub(super) fn patch_lock(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        patch: &Patch,
        precondition: Precondition,
        force: Force,
    ) -> Result<Effect, Rejection> {
        let prefix = match self.locks.get(name) {
            Some(_) => None,
            None => Some(self.instance_of(name, &[])?),
        };
        let before = match &prefix {
            Some(prefix) => &self.templates[prefix].record.settings,
            None => &self.lock(name).record.settings,
        };
        let settings = patch.applied_to(before);
        check_settings(&settings)?;
        if let Some(Some((reason, until))) = &patch.pause {
            check_text("the reason", reason)?;
            if until.is_some_and(|until| until > TTL_MAX_MS) {
                return Err(Rejection::Invalid(format!("a pause lasts at most {} s", TTL_MAX_MS / 1000)));
            }
        }
        self.check_precondition(name, precondition)?;
        match prefix {
            // An administrative change of a fitting name makes the lock (rule 12).
            Some(prefix) => self.make_instance(at, name, &prefix),
            None => self.check_shrink(name, &settings, force)?,
        }
        let was = Condition::of(&self.lock(name).record);
        if let Some(pause) = &patch.pause {
            let by = self.author.clone();
            self.set_pause(
                name,
                pause.as_ref().map(|(reason, lasts)| Pause {
                    reason: reason.clone(),
                    by,
                    until: lasts.map(|lasts| Until::Wall(at.wall + lasts)),
                }),
            );
        }
        self.set_settings(at, name, settings, &was);
        Ok(Effect::Lock(name.clone()))
    }

    pub(super) fn delete_lock(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        precondition: Precondition,
        force: Force,
    ) -> Result<Effect, Rejection> {
        if !self.locks.contains_key(name) {
            return Err(Rejection::UnknownLock);
        }
        if !self.lock(name).deleting {
            self.check_precondition(name, precondition)?;
            if !self.lock(name).is_idle() {
                let hit: Vec<TicketId> = self.live_tickets(name).collect();
                self.check_force(hit.len() as u64, &hit, force)?;
            }
        }
        self.lock_mut(name).deleting = true;
        // Bundles that wait for it hold up nobody any more.
        self.ripen(name);
        // The end of its last ticket removes it.
        while let Some(id) = self.locks.contains_key(name).then(|| self.live_tickets(name).next()).flatten() {
            if !self.may_end() {
                return Ok(Effect::Done(Outcome::Incomplete));
            }
            self.close_name(name, id);
            self.end(at, id, EndedAs::LockDeleted, None);
        }
        if self.locks.contains_key(name) {
            self.remove_lock(at, name);
        }
        Ok(Effect::Done(Outcome::Done))
    }

    /// The name of a lock that is deleted while permits are out stays withheld as long as those permits would (rule 7).
    fn close_name(&mut self, name: &LockName, id: TicketId) {
        let ticket = self.ticket(id);
        let part = ticket.part(name).expect("a ticket of the lock");
        if ticket.is_active()
            && let Some((until, _)) = self.withheld_until(part, true, 0)
        {
            self.withhold_name_until(name, until);
        }
    }

    fn withhold_name_until(&mut self, name: &LockName, until: crate::Ms) {
        let before = self.withheld_names.get(name).map(|withheld| withheld.until);
        if before.is_some_and(|before| before >= until) {
            return;
        }
        self.timers.set(Timer::WithheldName(name.clone()), until);
        self.withheld_names.insert(name.clone(), WithheldName { name: name.clone(), until });
        self.mark(Key::WithheldName(name.clone()));
    }

    /// Removes a lock without live tickets. Permits that are still withheld keep its name withheld.
    pub(super) fn remove_lock(&mut self, at: StepContext<'_>, name: &LockName) {
        let numbers: Vec<u64> = self.lock(name).withholdings.iter().copied().collect();
        for number in numbers {
            // What an administrator or a report withholds goes with the lock; of the rest somebody may still be at work.
            if let Some(until) = self.remove_withholding(number).until {
                self.withhold_name_until(name, until);
            }
        }
        self.set_pause(name, None);
        self.wall_timers.cancel(&WallTimer::Report(name.clone()));
        self.timers.cancel(&Timer::Instance(name.clone()));
        self.discharge_instance(name);
        self.emit(at, name, EventKind::LockDeleted);
        let lock = self.locks.remove(name).expect("the caller looked");
        assert_eq!(lock.live(), 0, "a lock with tickets is removed");
        if let Some(prefix) = &lock.record.template
            && let Some(template) = self.templates.get_mut(prefix)
        {
            template.instances -= 1;
        }
        self.mark(Key::Lock(name.clone()));
    }

    /// What follows from a lock having become idle: one that is going goes, an instance of a template goes in a minute.
    pub(super) fn reap_if_idle(&mut self, at: StepContext<'_>, name: &LockName) {
        let lock = self.lock(name);
        if lock.live() > 0 {
            return;
        }
        if lock.deleting || (lock.record.retiring && !self.is_at_risk(lock)) {
            self.remove_lock(at, name);
        } else if lock.is_idle() && lock.record.template.is_some() {
            let timer = Timer::Instance(name.clone());
            if self.timers.at(&timer).is_none() {
                self.timers.set(timer, self.now() + INSTANCE_IDLE_MS);
            }
        }
    }

    /// Whether permits of a lock are withheld that somebody may still be at work with, or that rest for a time.
    fn is_at_risk(&self, lock: &Lock) -> bool {
        lock.withholdings.iter().any(|number| self.withholdings[number].until.is_some())
    }

    /// Ends a pause whose time has come.
    pub(super) fn resume(&mut self, at: StepContext<'_>, name: &LockName) {
        let was = Condition::of(&self.lock(name).record);
        self.set_pause(name, None);
        let revision = self.next_revision();
        self.lock_mut(name).record.revision = revision;
        self.emit_change(at, name, &was);
        self.ripen(name);
        self.reap_if_idle(at, name);
    }

    pub(super) fn set_pause(&mut self, name: &LockName, pause: Option<Pause>) {
        let until = pause.as_ref().and_then(|pause| pause.until);
        self.set_pause_timer(name, until);
        self.lock_mut(name).record.pause = pause;
        self.mark(Key::Lock(name.clone()));
    }

    /// Has a pause end by itself, or not.
    pub(super) fn set_pause_timer(&mut self, name: &LockName, until: Option<Until>) {
        let timer = Timer::Pause(name.clone());
        match until {
            Some(Until::Service(until)) => {
                self.wall_timers.cancel(&WallTimer::Pause(name.clone()));
                self.timers.set(timer, until);
            }
            Some(Until::Wall(until)) => {
                self.timers.cancel(&timer);
                self.wall_timers.set(WallTimer::Pause(name.clone()), until);
            }
            None => {
                self.timers.cancel(&timer);
                self.wall_timers.cancel(&WallTimer::Pause(name.clone()));
            }
        }
    }

    /// Sets everything. What has become impossible by it ends, and what has become possible is granted. `was`: how the lock was
    /// before the command.
    pub(super) fn set_settings(&mut self, at: StepContext<'_>, name: &LockName, settings: Settings, was: &Condition) {
        let revision = self.next_revision();
        let lock = self.lock_mut(name);
        let capacity_changes = lock.record.settings.capacity != settings.capacity;
        if capacity_changes {
            lock.slots.set_capacity(&settings.capacity);
            lock.record.slot_names = lock.slots.names();
        }
        let endless = |of: &Settings| (of.expiration.is_none(), of.max_lock.is_none());
        let tags_change = lock.record.settings.tags != settings.tags;
        if lock.record.settings.pick != settings.pick {
            lock.used.clear();
        }
        let leases_change = endless(&lock.record.settings) != endless(&settings);
        // What "all" asks for depends on the size.
        let caps_change = lock.record.settings.max_per_owner != settings.max_per_owner || capacity_changes;
        lock.record.settings = settings;
        lock.record.revision = revision;
        if capacity_changes || tags_change {
            lock.refresh_selections();
        }
        if leases_change {
            self.start_or_stop_leases(name);
        }
        if caps_change {
            self.count_caps_anew(name);
        }
        self.mark(Key::Lock(name.clone()));
        self.emit_change(at, name, was);
        self.ripen(name);
        self.reap_if_idle(at, name);
    }

    /// A finite limit on an endless lease counts from now, and one that has become endless stops. Other leases keep their
    /// length until the next heartbeat.
    fn start_or_stop_leases(&mut self, name: &LockName) {
        let tickets: Vec<TicketId> = self.live_tickets(name).collect();
        for id in tickets {
            if self.lease_of(self.ticket(id)).is_some() != self.ticket(id).lease_until.is_some() {
                self.restart_lease(id);
            }
        }
    }

    pub(super) fn next_revision(&mut self) -> u64 {
        self.meta.last_revision += 1;
        self.meta.last_revision
    }

    fn check_precondition(&self, name: &LockName, precondition: Precondition) -> Result<(), Rejection> {
        let revision = self.locks.get(name).map(|lock| lock.record.revision);
        match (precondition, revision) {
            (Precondition::Absent, Some(_)) => Err(Rejection::Exists),
            (Precondition::Revision(_), None) => Err(Rejection::UnknownLock),
            (Precondition::Revision(wanted), Some(is)) if wanted != is => Err(Rejection::RevisionMismatch(is)),
            _ => Ok(()),
        }
    }

    /// Whether waiters that these settings make impossible may end.
    fn check_shrink(&self, name: &LockName, settings: &Settings, force: Force) -> Result<(), Rejection> {
        let fitting = |selection: &Selection, _| settings.count_fitting(selection);
        let queue = &self.lock(name).queue;
        let hit: Vec<TicketId> = queue.oversized(settings.most_permits(), settings.size(), fitting).collect();
        if hit.is_empty() { Ok(()) } else { self.check_force(hit.len() as u64, &hit, force) }
    }

    fn check_force(&self, tickets: u64, hit: &[TicketId], force: Force) -> Result<(), Rejection> {
        let expected = force.expect_tickets.is_none_or(|expected| expected == tickets);
        if force.force && expected {
            return Ok(());
        }
        let some = hit.iter().take(SHOWN_TICKETS).map(|&id| self.view_ticket(id)).collect();
        Err(Rejection::WouldEnd { tickets, some })
    }

    fn live_tickets(&self, name: &LockName) -> impl Iterator<Item = TicketId> + '_ {
        let lock = self.lock(name);
        lock.active.values().copied().chain(lock.queue.iter().map(|(_, id)| id))
    }
}

impl Patch {
    fn applied_to(&self, before: &Settings) -> Settings {
        Settings {
            capacity: self.capacity.clone().unwrap_or_else(|| before.capacity.clone()),
            tags: self.tags.clone().unwrap_or_else(|| before.tags.clone()),
            pick: self.pick.unwrap_or(before.pick),
            grace: self.grace.unwrap_or(before.grace),
            expiration: self.expiration.unwrap_or(before.expiration),
            max_lock: self.max_lock.unwrap_or(before.max_lock),
            max_hold: self.max_hold.unwrap_or(before.max_hold),
            max_ttl: self.max_ttl.unwrap_or(before.max_ttl),
            lock_delay: self.lock_delay.unwrap_or(before.lock_delay),
            max_queue: self.max_queue.unwrap_or(before.max_queue),
            max_per_owner: self.max_per_owner.unwrap_or(before.max_per_owner),
            min_hold: self.min_hold.unwrap_or(before.min_hold),
            description: self.description.clone().unwrap_or_else(|| before.description.clone()),
        }
    }
}

/// A text for people, within its bound.
pub(super) fn check_text(what: &str, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Rejection::Invalid(format!("{what} must have at most {TEXT_BYTES_MAX} bytes")));
    }
    text::check(what, text).map_err(Rejection::Invalid)
}

/// Settings within their bounds.
pub(super) fn check_settings(settings: &Settings) -> Result<(), Rejection> {
    match &settings.capacity {
        Capacity::Size(size) if !(1..=PERMITS_MAX).contains(size) => {
            return Err(Rejection::Invalid(format!("size must be from 1 to {PERMITS_MAX}")));
        }
        Capacity::Named(names) if !(1..=SLOT_NAMES_MAX).contains(&names.len()) => {
            return Err(Rejection::Invalid(format!("a lock has 1 to {SLOT_NAMES_MAX} slots with names")));
        }
        Capacity::Named(names) => {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(Rejection::Invalid(format!("the slot name {:?} is given twice", twice.as_str())));
            }
        }
        Capacity::Size(_) => {}
    }
    settings.check_tags()?;
    if settings.max_per_owner.is_some_and(|cap| !(1..=PERMITS_MAX).contains(&cap)) {
        return Err(Rejection::Invalid(format!("max_per_owner must be from 1 to {PERMITS_MAX}")));
    }
    let times = [
        ("grace", Some(settings.grace)),
        ("expiration", settings.expiration),
        ("max_lock", settings.max_lock),
        ("max_hold", settings.max_hold),
        ("max_ttl", settings.max_ttl),
        ("lock_delay", Some(settings.lock_delay)),
        ("min_hold", Some(settings.min_hold)),
    ];
    if let Some((name, _)) = times.iter().find(|(_, time)| time.is_some_and(|time| time > TTL_MAX_MS)) {
        return Err(Rejection::Invalid(format!("{name} must be at most {} s", TTL_MAX_MS / 1000)));
    }
    check_text("the description", &settings.description)
}
