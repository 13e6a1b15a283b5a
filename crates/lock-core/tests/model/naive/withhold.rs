//! Permits that somebody's word withholds (rule 15).

use super::{Naive, Words, listed, ranges, slots_in};
use lock_core::*;
use std::sync::Arc;

/// One that has nothing yet.
fn empty(number: u64, lock: &LockName, cause: WithheldCause) -> Withholding {
    Withholding {
        number,
        lock: lock.clone(),
        slots: Vec::new(),
        slot_names: Vec::new(),
        all: false,
        cause,
        how: None,
        reason: None,
        until: None,
        until_wall: None,
        awaited: 0,
        awaited_names: Vec::new(),
    }
}

fn set_slots(withholding: &mut Withholding, slots: &[(u32, Option<SlotName>)]) {
    withholding.slots = ranges(&slots.iter().map(|(slot, _)| *slot).collect::<Vec<_>>());
    withholding.slot_names = slots.iter().filter_map(|(_, name)| name.clone()).collect();
}

fn slots_of(withholding: &Withholding) -> Vec<(u32, Option<SlotName>)> {
    let named = |(at, slot)| (slot, withholding.slot_names.get(at).cloned());
    listed(&withholding.slots).into_iter().enumerate().map(named).collect()
}

impl Naive {
    fn withholding(&mut self, number: u64) -> &mut Withholding {
        self.withholdings.iter_mut().find(|one| one.number == number).expect("withheld permits")
    }

    /// Slots of a lock that are not out, with their names.
    fn free_slots(&mut self, name: &LockName) -> Vec<(u32, Option<SlotName>)> {
        let out: Vec<u32> = self.out(name).into_iter().map(|(slot, _)| slot).collect();
        let record = self.lock(name).rec.clone();
        let all: Vec<(u32, Option<SlotName>)> = match record.settings.capacity {
            Capacity::Size(size) => (0..size).map(|slot| (slot, None)).collect(),
            Capacity::Named(_) => record.slot_names.into_iter().map(|(slot, name)| (slot, Some(name))).collect(),
        };
        all.into_iter().filter(|(slot, _)| !out.contains(slot)).collect()
    }

    /// What is withheld as it comes back, before anybody is given it.
    pub(super) fn put_aside(&mut self, name: &LockName) {
        if self.exclusive(name) {
            return;
        }
        let awaits = |one: &&Withholding| one.lock == *name && (one.awaited > 0 || !one.awaited_names.is_empty());
        let mut numbers: Vec<u64> = self.withholdings.iter().filter(awaits).map(|one| one.number).collect();
        numbers.sort_unstable();
        for mut number in numbers {
            let room = (self.settings(name).size() as usize).saturating_sub(self.out(name).len());
            let free = self.free_slots(name);
            let one = self.withholding(number).clone();
            let wanted = |(_, name): &(u32, Option<SlotName>)| {
                one.awaited > 0 || name.as_ref().is_some_and(|name| one.awaited_names.contains(name))
            };
            let most = if one.awaited > 0 { room.min(one.awaited as usize) } else { room };
            let taken: Vec<(u32, Option<SlotName>)> = free.into_iter().filter(wanted).take(most).collect();
            let Some((_, first)) = taken.first() else { continue };
            if !one.slots.is_empty() && one.slot_names.is_empty() == first.is_some() {
                // With and without names do not go together.
                self.meta.last_number += 1;
                let other = self.meta.last_number;
                self.withholdings.push(Withholding {
                    number: other,
                    slots: Vec::new(),
                    slot_names: Vec::new(),
                    ..one.clone()
                });
                let before = self.withholding(number);
                before.awaited = 0;
                before.awaited_names.clear();
                number = other;
            }
            let one = self.withholding(number);
            one.awaited = one.awaited.saturating_sub(u32::try_from(taken.len()).expect("few"));
            one.awaited_names.retain(|name| taken.iter().all(|(_, taken)| taken.as_ref() != Some(name)));
            let mut slots = slots_of(one);
            slots.extend(taken);
            slots.sort();
            set_slots(one, &slots);
        }
    }

    /// The lock, made from its template if it has to be, by an administrator's word.
    fn settings_of(&self, name: &LockName) -> Result<(Option<TemplateRecord>, Settings), Words> {
        if self.has_lock(name) {
            return Ok((None, self.settings(name).clone()));
        }
        let template = self.may_make(name)?;
        let settings = template.settings.clone();
        Ok((Some(template), settings))
    }

    pub(super) fn withhold(
        &mut self,
        name: &LockName,
        what: &ToWithhold,
        reason: &Arc<str>,
        lasts: Option<Ms>,
    ) -> Words {
        let (template, settings) = match self.settings_of(name) {
            Ok(found) => found,
            Err(why) => return why,
        };
        let own: Vec<&Withholding> =
            self.withholdings_of(name).into_iter().filter(|one| one.cause == WithheldCause::Admin).collect();
        let asked = match what {
            ToWithhold::Count(count) => u64::from(*count),
            ToWithhold::Slots(names) => {
                let known: &[SlotName] = if let Capacity::Named(known) = &settings.capacity { known } else { &[] };
                if names.iter().any(|name| !known.contains(name)) {
                    return "unknown slot".into();
                }
                let twice = |name| names.iter().filter(|other| *other == name).count() > 1;
                let withheld =
                    |name| own.iter().any(|one| one.slot_names.contains(name) || one.awaited_names.contains(name));
                if names.iter().any(|name| twice(name) || withheld(name)) {
                    return "invalid".into();
                }
                names.len() as u64
            }
        };
        let withheld: u64 = own.iter().map(|one| one.wanted()).sum();
        if asked == 0 {
            return "invalid".into();
        }
        if asked + withheld > u64::from(settings.size()) {
            return "too many withheld".into();
        }
        if let Some(template) = template {
            self.make_instance(name, &template);
        }
        self.meta.last_number += 1;
        let mut new = empty(self.meta.last_number, name, WithheldCause::Admin);
        new.reason = Some(reason.clone());
        new.until_wall = lasts.map(|lasts| self.wall + lasts);
        match what {
            ToWithhold::Count(count) => new.awaited = *count,
            ToWithhold::Slots(names) => new.awaited_names = names.clone(),
        }
        self.withholdings.push(new);
        self.shown(name)
    }

    pub(super) fn restore_which(&mut self, lock: &LockName, which: &Restored) -> Words {
        if !self.has_lock(lock) {
            return "unknown lock".into();
        }
        let mut numbers: Vec<u64> = self.withholdings_of(lock).iter().map(|one| one.number).collect();
        numbers.sort_unstable();
        match which {
            Restored::All => {}
            Restored::Number(number) if numbers.contains(number) => numbers = vec![*number],
            Restored::Number(_) => return "unknown ticket".into(),
            Restored::Slots(names) => {
                let has = |one: &Withholding, name: &SlotName| {
                    one.slot_names.contains(name) || one.awaited_names.contains(name)
                };
                let own = self.withholdings_of(lock);
                if names.iter().any(|name| !own.iter().any(|one| has(one, name))) {
                    return "invalid".into();
                }
                for number in std::mem::take(&mut numbers) {
                    let one = self.withholding(number);
                    if names.iter().any(|name| has(one, name)) {
                        one.awaited_names.retain(|name| !names.contains(name));
                        let mut slots = slots_of(one);
                        slots.retain(|(_, name)| name.as_ref().is_none_or(|name| !names.contains(name)));
                        set_slots(one, &slots);
                        if one.wanted() == 0 {
                            numbers.push(number);
                        }
                    }
                }
            }
        }
        for number in numbers {
            if self.withholdings.iter().any(|one| one.number == number) {
                self.restore(number);
            }
        }
        self.shown(lock)
    }

    pub(super) fn outside(&mut self, name: &LockName, report: Option<(u32, Ms)>) -> Words {
        if report.is_some_and(|(_, lasts)| lasts < 1000) {
            return "invalid".into();
        }
        match self.settings_of(name) {
            Err(why) => return why,
            Ok((Some(_), _)) if report.is_none() => return "nothing".into(),
            Ok((Some(template), _)) => self.make_instance(name, &template),
            Ok(_) => {}
        }
        let wall = self.wall;
        self.lock(name).rec.outside =
            report.map(|(in_use, lasts)| Outside { in_use, reported_at: wall, until: Some(wall + lasts) });
        let held = self.active(name).into_iter().filter(|ticket| ticket.rec.state == State::Held);
        let held: u32 = held.map(|ticket| u32::try_from(listed(slots_in(ticket, name)).len()).expect("few")).sum();
        let others = report.map_or(0, |(in_use, _)| in_use.saturating_sub(held));
        self.withhold_for_others(name, others, report.map(|(_, lasts)| wall + lasts));
        self.reap_if_idle(name);
        self.shown(name)
    }

    fn withhold_for_others(&mut self, name: &LockName, others: u32, until: Option<WallMs>) {
        let of_report = |one: &&mut Withholding| one.lock == *name && one.cause == WithheldCause::Outside;
        let mut own: Vec<&mut Withholding> = self.withholdings.iter_mut().filter(of_report).collect();
        own.sort_by_key(|one| one.number);
        let before: u64 = own.iter().map(|one| one.wanted()).sum();
        own.iter_mut().for_each(|one| one.until_wall = until);
        let mut fewer = before.saturating_sub(others.into());
        for one in own.iter_mut().rev() {
            let mut slots = slots_of(one);
            while fewer > 0 && one.awaited > 0 {
                one.awaited -= 1;
                fewer -= 1;
            }
            while fewer > 0 && slots.pop().is_some() {
                fewer -= 1;
            }
            set_slots(one, &slots);
        }
        let more = u64::from(others).saturating_sub(before);
        match own.last_mut() {
            Some(last) => last.awaited += u32::try_from(more).expect("few"),
            None if more > 0 => {
                self.meta.last_number += 1;
                let mut new = empty(self.meta.last_number, name, WithheldCause::Outside);
                (new.awaited, new.until_wall) = (u32::try_from(more).expect("few"), until);
                self.withholdings.push(new);
            }
            None => {}
        }
        self.withholdings.retain(|one| one.cause != WithheldCause::Outside || one.wanted() > 0);
    }

    pub(super) fn stale(&mut self, name: &LockName) {
        if let Some(outside) = &mut self.lock(name).rec.outside {
            outside.until = None;
        }
        self.withhold_for_others(name, 0, None);
        self.reap_if_idle(name);
    }
}
