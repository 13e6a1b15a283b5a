//! Locks: making, changing, deleting (rules 1, 7, 11, 12).

use super::file::size_0;
use super::{Lock, Naive, Ticket, Words};
use lock_core::*;

impl Naive {
    pub(crate) fn may_make(&self, name: &LockName) -> Result<TemplateRecord, Words> {
        if self.withheld_names.iter().any(|withheld| withheld.name == *name) {
            return Err("name withheld".into());
        }
        self.template_of(name).cloned().ok_or_else(|| "unknown lock".into())
    }

    pub(crate) fn make_instance(&mut self, name: &LockName, template: &TemplateRecord) {
        let file = FileValues { settings: template.settings.clone(), paused: template.paused };
        self.insert(name, template.settings.clone(), template.paused, Some(file), Some(template));
    }

    pub(super) fn insert(
        &mut self,
        name: &LockName,
        settings: Settings,
        paused: bool,
        file: Option<FileValues>,
        template: Option<&TemplateRecord>,
    ) {
        let rec = LockRecord {
            name: name.clone(),
            slot_names: Vec::new(),
            settings,
            file,
            template: template.map(|template| template.prefix.clone()),
            retiring: false,
            pause: paused.then(size_0),
            outside: None,
            revision: 0,
        };
        self.locks.push(Lock { rec, idle_until: None, used: Default::default() });
        self.place_names(name, &Capacity::Size(1));
        self.reap_if_idle(name);
    }

    /// Rule 11: a name keeps its slot, also one that is out; a new one gets the lowest that has none.
    pub(super) fn place_names(&mut self, name: &LockName, before: &Capacity) {
        let out = self.out(name);
        let record = self.lock(name).rec.clone();
        let Capacity::Named(wanted) = &record.settings.capacity else {
            self.lock(name).rec.slot_names.clear();
            return;
        };
        let old: &[(u32, SlotName)] = if matches!(before, Capacity::Named(_)) { &record.slot_names } else { &[] };
        let was = |wanted: &SlotName| {
            let of_holder = out.iter().find(|(_, name)| name.as_ref() == Some(wanted)).map(|(slot, _)| *slot);
            of_holder.or_else(|| old.iter().find(|(_, name)| name == wanted).map(|(slot, _)| *slot))
        };
        let mut placed: Vec<(u32, SlotName)> = Vec::new();
        placed.extend(wanted.iter().filter_map(|name| Some((was(name)?, name.clone()))));
        for new in wanted.iter().filter(|name| was(name).is_none()) {
            let taken = |slot: &u32| {
                placed.iter().any(|(at, _)| at == slot) || out.iter().any(|(at, name)| at == slot && name.is_some())
            };
            let slot = (0..).find(|slot| !taken(slot)).expect("there is always another number");
            placed.push((slot, new.clone()));
        }
        placed.sort();
        self.lock(name).rec.slot_names = placed;
    }

    pub(super) fn live_of(&self, name: &LockName) -> Vec<TicketId> {
        self.active(name).into_iter().chain(self.queue(name)).map(|ticket| ticket.rec.id).collect()
    }

    pub(super) fn idle(&self, name: &LockName) -> bool {
        self.live_of(name).is_empty() && self.withholdings_of(name).is_empty()
    }

    pub(crate) fn reap_if_idle(&mut self, name: &LockName) {
        if !self.has_lock(name) || !self.live_of(name).is_empty() {
            return;
        }
        let minute = self.now() + 60_000;
        let at_risk = self.withholdings_of(name).iter().any(|one| one.until.is_some());
        let idle = self.idle(name);
        let lock = self.lock(name);
        if lock.rec.retiring && !at_risk {
            self.remove(name);
        } else if idle && lock.rec.template.is_some() {
            lock.idle_until.get_or_insert(minute);
        }
    }

    pub(super) fn remove(&mut self, name: &LockName) {
        let longest = self.withholdings_of(name).iter().filter_map(|withholding| withholding.until).max();
        self.withholdings.retain(|withholding| withholding.lock != *name);
        self.locks.retain(|lock| lock.rec.name != *name);
        if let Some(until) = longest {
            self.close_name(name, until);
        }
    }

    pub(super) fn close_name(&mut self, name: &LockName, until: Ms) {
        let before = self.withheld_names.iter().find(|withheld| withheld.name == *name).map(|withheld| withheld.until);
        self.withheld_names.retain(|withheld| withheld.name != *name);
        let until = before.map_or(until, |before| before.max(until));
        self.withheld_names.push(WithheldName { name: name.clone(), until });
    }

    pub(crate) fn drop_idle(&mut self, name: &LockName) {
        self.lock(name).idle_until = None;
        let lock = self.lock(name).rec.clone();
        let template = self.templates.iter().find(|template| Some(&template.prefix) == lock.template.as_ref());
        let reported = lock.outside.is_some_and(|outside| outside.until.is_some());
        if !reported
            && self.idle(name)
            && template.is_some_and(|t| t.settings == lock.settings && t.paused == lock.pause.is_some())
        {
            self.remove(name);
        }
    }

    pub(crate) fn resume(&mut self, name: &LockName) {
        self.lock(name).rec.pause = None;
        self.reap_if_idle(name);
    }

    pub(super) fn set(&mut self, name: &LockName, settings: Settings) {
        let lock = self.lock(name);
        let before = std::mem::replace(&mut lock.rec.settings, settings);
        if before.pick != lock.rec.settings.pick {
            lock.used.clear();
        }
        self.start_or_stop_leases(name);
        let lock = self.lock(name);
        if before.capacity != lock.rec.settings.capacity {
            self.place_names(name, &before.capacity);
        }
        self.reap_if_idle(name);
    }

    /// A lease that was endless begins, one that has become endless stops; others run on as they were told.
    fn start_or_stop_leases(&mut self, name: &LockName) {
        for id in self.live_of(name) {
            if self.lease(id).is_some() != self.find(id).expect("a ticket").until.is_some() {
                self.restart_lease(id);
            }
        }
    }

    pub(super) fn check(
        &self,
        name: &LockName,
        precondition: Precondition,
        settings: Option<&Settings>,
    ) -> Result<(), Words> {
        if settings.is_some_and(|settings| settings.size() == 0) {
            return Err("invalid".into());
        }
        match precondition {
            Precondition::Absent if self.has_lock(name) => Err("exists".into()),
            Precondition::Revision(_) => unreachable!("not drawn"),
            _ => Ok(()),
        }
    }

    pub(super) fn put(
        &mut self,
        name: &LockName,
        settings: &Settings,
        precondition: Precondition,
        force: Force,
    ) -> Words {
        if let Err(why) = self.check(name, precondition, Some(settings)) {
            return why;
        }
        if self.has_lock(name) {
            if let Err(why) = self.shrink(name, settings, force) {
                return why;
            }
            self.set(name, settings.clone());
        } else if self.withheld_names.iter().any(|withheld| withheld.name == *name) {
            return "name withheld".into();
        } else {
            self.insert(name, settings.clone(), false, None, None);
        }
        self.shown(name)
    }

    pub(super) fn shrink(&self, name: &LockName, settings: &Settings, force: Force) -> Result<(), Words> {
        let hit = self.oversized(name, settings).len() as u64;
        let agreed = force.force && force.expect_tickets.is_none_or(|expected| expected == hit);
        if hit == 0 || agreed { Ok(()) } else { Err(format!("would end {hit}")) }
    }

    pub(super) fn patch(&mut self, name: &LockName, patch: &Patch, precondition: Precondition, force: Force) -> Words {
        let template = match self.has_lock(name) {
            true => None,
            false => match self.may_make(name) {
                Ok(template) => Some(template),
                Err(why) => return why,
            },
        };
        let mut settings = template.as_ref().map_or_else(|| self.settings(name), |t| &t.settings).clone();
        if let Some(capacity) = &patch.capacity {
            settings.capacity = capacity.clone();
        }
        settings.grace = patch.grace.unwrap_or(settings.grace);
        settings.lock_delay = patch.lock_delay.unwrap_or(settings.lock_delay);
        settings.max_hold = patch.max_hold.unwrap_or(settings.max_hold);
        settings.max_lock = patch.max_lock.unwrap_or(settings.max_lock);
        settings.max_per_owner = patch.max_per_owner.unwrap_or(settings.max_per_owner);
        settings.min_hold = patch.min_hold.unwrap_or(settings.min_hold);
        settings.tags = patch.tags.clone().unwrap_or(settings.tags);
        settings.pick = patch.pick.unwrap_or(settings.pick);
        if let Err(why) = self.check(name, precondition, Some(&settings)) {
            return why;
        }
        match template {
            Some(template) => self.make_instance(name, &template),
            None => {
                if let Err(why) = self.shrink(name, &settings, force) {
                    return why;
                }
            }
        }
        let (wall, by) = (self.wall, self.author.clone());
        if let Some(pause) = &patch.pause {
            self.lock(name).rec.pause = pause.as_ref().map(|(reason, lasts)| Pause {
                reason: reason.clone(),
                by,
                until: lasts.map(|lasts| Until::Wall(wall + lasts)),
            });
        }
        self.set(name, settings);
        self.shown(name)
    }

    pub(super) fn delete(&mut self, name: &LockName, precondition: Precondition, force: Force) -> Words {
        if !self.has_lock(name) {
            return "unknown lock".into();
        }
        if let Err(why) = self.check(name, precondition, None) {
            return why;
        }
        let live = self.live_of(name);
        let agreed = force.force && force.expect_tickets.is_none_or(|expected| expected == live.len() as u64);
        if !self.idle(name) && !agreed {
            return format!("would end {}", live.len());
        }
        let until = |ticket: &Ticket| {
            let (risk, cooldown) = self.withheld_until(ticket.rec.part(name).expect("a ticket of the lock"), true, 0);
            risk.max(cooldown)
        };
        let until = self.active(name).into_iter().map(until).max().unwrap_or(0);
        if until > self.now() {
            self.close_name(name, until);
        }
        // Nothing is granted to one of them when another ends.
        self.lock(name).rec.pause = Some(size_0());
        self.lock(name).rec.retiring = false;
        self.lock(name).rec.template = None;
        self.deleting = Some(name.clone());
        live.into_iter().for_each(|id| self.end(id, EndedAs::LockDeleted, None));
        self.deleting = None;
        self.remove(name);
        "done".into()
    }
}
