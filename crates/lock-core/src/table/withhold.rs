//! Permits that nobody may be given for now: put aside, restored, and by whose word (rules 4, 15 and 17).

use super::admin::check_text;
use super::apply::Effect;
use super::{Lock, StepContext, Table, Timer, WallTimer};
use crate::command::{Outcome, Rejection, Restored, ToWithhold};
use crate::event::{EventKind, Withheld};
use crate::limits::{EVENT_SLOT_NAMES_MAX, LOCK_WITHHOLDINGS_MAX, PERMITS_MAX, TTL_MAX_MS, TTL_MIN_MS};
use crate::ranges;
use crate::{Key, LockName, Ms, Outside, Prefix, SlotName, SlotRanges, Until, WallMs, WithheldCause, Withholding};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Withholding {
    /// One that has nothing yet.
    pub(super) fn empty(number: u64, lock: LockName, cause: WithheldCause) -> Self {
        Self {
            number,
            lock,
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

    /// Whether it is to have more as it comes back.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.awaited > 0 || !self.awaited_names.is_empty()
    }

    /// The slots that it has, each with its name.
    fn slots_and_names(&self) -> impl Iterator<Item = (u32, Option<SlotName>)> + '_ {
        let mut names = self.slot_names.iter().cloned();
        ranges::slots(&self.slots).map(move |slot| (slot, names.next()))
    }

    /// Names of what it has and of what it awaits.
    fn names(&self) -> impl Iterator<Item = &SlotName> {
        self.slot_names.iter().chain(&self.awaited_names)
    }

    fn set_slots(&mut self, slots: Vec<(u32, Option<SlotName>)>) {
        self.slots = ranges::of(slots.iter().map(|(slot, _)| *slot));
        self.slot_names = slots.into_iter().filter_map(|(_, name)| name).collect();
    }
}

impl Lock {
    fn count_withheld(&mut self, cause: WithheldCause, permits: u64) {
        self.withheld += permits;
        self.withheld_by[cause as usize] += permits;
    }

    fn count_restored(&mut self, cause: WithheldCause, permits: u64) {
        self.withheld -= permits;
        self.withheld_by[cause as usize] -= permits;
    }
}

impl Table {
    /// Withholds permits, which the caller has taken out of what can be given, or which are to come back.
    pub(super) fn add_withholding(&mut self, withholding: Withholding) {
        let (number, name) = (withholding.number, withholding.lock.clone());
        self.note_withholding(withholding);
        self.mark(Key::Withholding(number));
        self.ripen(&name);
    }

    /// Lists a withholding and its end.
    pub(super) fn note_withholding(&mut self, withholding: Withholding) {
        let number = withholding.number;
        match withholding.ends() {
            Some(Until::Service(until)) => self.timers.set(Timer::Withholding(number), until),
            Some(Until::Wall(until)) if withholding.cause != WithheldCause::Outside => {
                self.wall_timers.set(WallTimer::Withholding(number), until);
            }
            // One that was reported ends with its report.
            _ => {}
        }
        let lock = self.lock_mut(&withholding.lock);
        lock.withholdings.insert(number);
        lock.count_withheld(withholding.cause, ranges::count(&withholding.slots));
        lock.exclusive |= withholding.all;
        if withholding.is_awaiting() {
            lock.awaiting.insert(number);
        }
        self.withholdings.insert(number, withholding);
    }

    /// Puts aside what is withheld as it comes back, before anybody is given it; the oldest withholding first.
    pub(super) fn feed_withholdings(&mut self, name: &LockName) {
        let lock = self.lock(name);
        if lock.awaiting.is_empty() || lock.exclusive {
            return;
        }
        for number in lock.awaiting.iter().copied().collect::<Vec<_>>() {
            let slots = &mut self.locks.get_mut(name).expect("the caller looked").slots;
            let withholding = &self.withholdings[&number];
            let room = slots.room();
            let (taken, names) = if withholding.awaited > 0 {
                slots.take(room.min(withholding.awaited.into()))
            } else {
                let back = withholding.awaited_names.iter().filter_map(|name| slots.slot_of(name));
                let mut back: Vec<u32> = back.filter(|slot| slots.is_free(*slot)).collect();
                back.sort_unstable();
                back.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                slots.take_these(ranges::of(back.into_iter()))
            };
            if !taken.is_empty() {
                self.put_aside(number, &taken, names);
            }
        }
    }

    /// The withholding has these slots now.
    fn put_aside(&mut self, number: u64, taken: &SlotRanges, names: Vec<SlotName>) {
        let withholding = self.withholdings.get_mut(&number).expect("a number from the table's own lists");
        let name = withholding.lock.clone();
        if !withholding.slots.is_empty() && withholding.slot_names.is_empty() != names.is_empty() {
            // The lock has names only since, or no longer. What it was to have is a withholding of its own.
            let (awaited, awaited_names) = (withholding.awaited, std::mem::take(&mut withholding.awaited_names));
            withholding.awaited = 0;
            self.meta.last_number += 1;
            let rest = Withholding {
                number: self.meta.last_number,
                slots: Vec::new(),
                slot_names: Vec::new(),
                awaited,
                awaited_names,
                ..withholding.clone()
            };
            self.mark(Key::Withholding(number));
            self.lock_mut(&name).awaiting.remove(&number);
            self.add_withholding(rest);
            return self.put_aside(self.meta.last_number, taken, names);
        }
        let (count, cause) = (ranges::count(taken), withholding.cause);
        if withholding.awaited > 0 {
            withholding.awaited -= u32::try_from(count).expect("no more than it awaits");
        } else {
            let back: BTreeSet<&SlotName> = names.iter().collect();
            withholding.awaited_names.retain(|name| !back.contains(name));
        }
        let mut names = names.into_iter();
        let mut slots: Vec<(u32, Option<SlotName>)> = withholding.slots_and_names().collect();
        slots.extend(ranges::slots(taken).map(|slot| (slot, names.next())));
        slots.sort_unstable_by_key(|(slot, _)| *slot);
        withholding.set_slots(slots);
        let awaits = withholding.is_awaiting();
        let lock = self.lock_mut(&name);
        lock.count_withheld(cause, count);
        if !awaits {
            lock.awaiting.remove(&number);
        }
        self.mark(Key::Withholding(number));
    }

    /// Restores withheld permits, at the end of their time or by an administrator.
    pub(super) fn end_withholding(&mut self, at: StepContext<'_>, number: u64) {
        let withholding = self.remove_withholding(number);
        let lock = self.lock_mut(&withholding.lock);
        lock.slots.put_back(&withholding.slots, &withholding.slot_names);
        if withholding.all {
            lock.exclusive = false;
        }
        let over = self.told_of(at, &withholding, withholding.wanted(), withholding.names());
        self.emit(at, &withholding.lock, EventKind::PermitsRestored(over));
        self.ripen(&withholding.lock);
        self.reap_if_idle(at, &withholding.lock);
    }

    /// Forgets a withholding; its permits are the caller's affair.
    pub(super) fn remove_withholding(&mut self, number: u64) -> Withholding {
        let withholding = self.withholdings.remove(&number).expect("a number from the table's own lists");
        self.timers.cancel(&Timer::Withholding(number));
        self.wall_timers.cancel(&WallTimer::Withholding(number));
        let lock = self.lock_mut(&withholding.lock);
        lock.withholdings.remove(&number);
        lock.awaiting.remove(&number);
        lock.count_restored(withholding.cause, ranges::count(&withholding.slots));
        self.mark(Key::Withholding(number));
        withholding
    }

    /// Some permits of a withholding, as an event tells of them.
    fn told_of<'n>(
        &self,
        at: StepContext<'_>,
        withholding: &Withholding,
        permits: u64,
        names: impl Iterator<Item = &'n SlotName>,
    ) -> Box<Withheld> {
        let Withholding { number, cause, how, .. } = *withholding;
        let until = withholding.ends().map(|ends| match ends {
            Until::Service(until) => at.wall + until.saturating_sub(self.now()),
            Until::Wall(until) => until,
        });
        let (slot_names, reason) = (names.take(EVENT_SLOT_NAMES_MAX).cloned().collect(), withholding.reason.clone());
        Box::new(Withheld { number, cause, permits, slot_names, how, reason, until })
    }

    /// Tells that permits are withheld from now on.
    pub(super) fn emit_withheld(&mut self, at: StepContext<'_>, number: u64) {
        let withholding = &self.withholdings[&number];
        let told = self.told_of(at, withholding, withholding.wanted(), withholding.names());
        let name = withholding.lock.clone();
        self.emit(at, &name, EventKind::PermitsWithheld(told));
    }

    /// Restores some slots of a withholding, or awaits them no longer; the rest stays.
    fn restore_some(&mut self, at: StepContext<'_>, number: u64, names: &BTreeSet<&SlotName>) {
        let withholding = &self.withholdings[&number];
        let hit: Vec<&SlotName> = withholding.names().filter(|name| names.contains(name)).collect();
        let told = self.told_of(at, withholding, hit.len() as u64, hit.into_iter());
        if told.permits == withholding.wanted() {
            return self.end_withholding(at, number);
        }
        let withholding = self.withholdings.get_mut(&number).expect("a number from the table's own lists");
        withholding.awaited_names.retain(|name| !names.contains(name));
        let (back, stay): (Vec<_>, Vec<_>) =
            withholding.slots_and_names().partition(|(_, name)| name.as_ref().is_some_and(|name| names.contains(name)));
        withholding.set_slots(stay);
        let awaits = withholding.is_awaiting();
        let (name, cause) = (withholding.lock.clone(), withholding.cause);
        let lock = self.lock_mut(&name);
        for (slot, slot_name) in back {
            lock.count_restored(cause, 1);
            lock.slots.put_back(&vec![(slot, slot)], slot_name.as_slice());
        }
        if !awaits {
            lock.awaiting.remove(&number);
        }
        self.mark(Key::Withholding(number));
        self.emit(at, &name, EventKind::PermitsRestored(told));
        self.ripen(&name);
    }

    /// An administrator withholds permits (rule 15).
    pub(super) fn withhold(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        what: &ToWithhold,
        reason: &Arc<str>,
        lasts: Option<Ms>,
    ) -> Result<Effect, Rejection> {
        check_text("the reason", reason)?;
        if lasts.is_some_and(|lasts| lasts > TTL_MAX_MS) {
            return Err(Rejection::Invalid(format!("permits are withheld for at most {} s", TTL_MAX_MS / 1000)));
        }
        let prefix = self.template_for(name)?;
        self.check_withhold(name, prefix.as_ref(), what)?;
        if let Some(prefix) = prefix {
            self.make_instance(at, name, &prefix);
        }
        self.meta.last_number += 1;
        let lock = self.lock(name).record.name.clone();
        let mut withholding = Withholding::empty(self.meta.last_number, lock, WithheldCause::Admin);
        withholding.reason = Some(reason.clone()).filter(|reason| !reason.is_empty());
        withholding.until_wall = lasts.map(|lasts| at.wall + lasts);
        match what {
            ToWithhold::Count(count) => withholding.awaited = *count,
            ToWithhold::Slots(names) => withholding.awaited_names.clone_from(names),
        }
        let number = withholding.number;
        self.add_withholding(withholding);
        self.emit_withheld(at, number);
        Ok(Effect::Lock(name.clone()))
    }

    /// The template of which a lock of this name has to be made first; `None` if it is there.
    fn template_for(&self, name: &LockName) -> Result<Option<Prefix>, Rejection> {
        if self.locks.contains_key(name) { Ok(None) } else { self.instance_of(name, &[]).map(Some) }
    }

    fn check_withhold(&self, name: &LockName, prefix: Option<&Prefix>, what: &ToWithhold) -> Result<(), Rejection> {
        let settings = match prefix {
            Some(prefix) => &self.templates[prefix].record.settings,
            None => &self.lock(name).record.settings,
        };
        let own: Vec<&Withholding> = match self.locks.get(name) {
            Some(lock) => lock.withholdings.iter().map(|number| &self.withholdings[number]).collect(),
            None => Vec::new(),
        };
        let own: Vec<&Withholding> = own.into_iter().filter(|one| one.cause == WithheldCause::Admin).collect();
        let asked = match what {
            ToWithhold::Count(count) => u64::from(*count),
            ToWithhold::Slots(names) => {
                settings.capacity.check_names(names)?;
                let withheld = |name: &&SlotName| {
                    own.iter().any(|one| one.slot_names.contains(name) || one.awaited_names.contains(name))
                };
                if let Some(name) = names.iter().find(withheld) {
                    let text = format!("the slot {name} is withheld by an administrator already");
                    return Err(Rejection::Invalid(text));
                }
                names.len() as u64
            }
        };
        if asked == 0 {
            return Err(Rejection::Invalid("at least one permit is withheld".to_owned()));
        }
        let left = u64::from(settings.size()).saturating_sub(own.iter().map(|one| one.wanted()).sum());
        if asked > left {
            return Err(Rejection::TooManyWithheld { asked, left });
        }
        if own.len() >= LOCK_WITHHOLDINGS_MAX {
            let what = "withholdings of a lock";
            return Err(Rejection::LimitReached { what, max: LOCK_WITHHOLDINGS_MAX as u64 });
        }
        Ok(())
    }

    pub(super) fn restore(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        which: &Restored,
    ) -> Result<Effect, Rejection> {
        let lock = self.locks.get(name).ok_or(Rejection::UnknownLock)?;
        let numbers: Vec<u64> = match which {
            Restored::Number(number) if lock.withholdings.contains(number) => vec![*number],
            Restored::Number(_) => return Err(Rejection::UnknownTicket),
            Restored::All => lock.withholdings.iter().copied().collect(),
            Restored::Slots(names) => {
                self.restore_slots(at, name, names)?;
                Vec::new()
            }
        };
        for number in numbers {
            // The end of one may have been that of the lock.
            if self.withholdings.contains_key(&number) {
                self.end_withholding(at, number);
            }
        }
        Ok(Effect::Lock(name.clone()))
    }

    fn restore_slots(&mut self, at: StepContext<'_>, name: &LockName, names: &[SlotName]) -> Result<(), Rejection> {
        let wanted: BTreeSet<&SlotName> = names.iter().collect();
        let (mut found, mut of) = (BTreeSet::new(), Vec::new());
        for number in &self.lock(name).withholdings {
            let one = &self.withholdings[number];
            let hit: Vec<&SlotName> =
                one.slot_names.iter().chain(&one.awaited_names).filter(|name| wanted.contains(name)).collect();
            if !hit.is_empty() {
                of.push(*number);
                found.extend(hit);
            }
        }
        if let Some(missing) = names.iter().find(|name| !found.contains(name)) {
            return Err(Rejection::Invalid(format!("the slot {missing} is not withheld")));
        }
        for number in of {
            if self.withholdings.contains_key(&number) {
                self.restore_some(at, number, &wanted);
            }
        }
        Ok(())
    }

    /// What others use of the lock, as somebody reports who can see that (rule 15).
    pub(super) fn report_outside(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        report: Option<(u32, Ms)>,
    ) -> Result<Effect, Rejection> {
        if report.is_some_and(|(in_use, _)| in_use > PERMITS_MAX) {
            return Err(Rejection::Invalid(format!("at most {PERMITS_MAX} permits are in use")));
        }
        if report.is_some_and(|(_, lasts)| !(TTL_MIN_MS..=TTL_MAX_MS).contains(&lasts)) {
            return Err(Rejection::Invalid(format!("a report counts for 1 s to {} s", TTL_MAX_MS / 1000)));
        }
        match self.template_for(name)? {
            Some(_) if report.is_none() => return Ok(Effect::Done(Outcome::NothingHeld)),
            Some(prefix) => self.make_instance(at, name, &prefix),
            None => {}
        }
        let until = report.map(|(_, lasts)| at.wall + lasts);
        let outside = report.map(|(in_use, _)| Outside { in_use, reported_at: at.wall, until });
        let lock = self.lock_mut(name);
        lock.record.outside = outside;
        let held = lock.slots.out() - lock.withheld - lock.granted;
        let others = u64::from(report.map_or(0, |(in_use, _)| in_use)).saturating_sub(held);
        match until {
            Some(until) => self.wall_timers.set(WallTimer::Report(name.clone()), until),
            None => self.wall_timers.cancel(&WallTimer::Report(name.clone())),
        }
        self.mark(Key::Lock(name.clone()));
        self.withhold_for_others(at, name, others, until);
        self.reap_if_idle(at, name);
        Ok(Effect::Lock(name.clone()))
    }

    /// Has that many permits withheld because others use them: more are awaited, too many are restored.
    fn withhold_for_others(&mut self, at: StepContext<'_>, name: &LockName, others: u64, until: Option<WallMs>) {
        let of_report = |number: &&u64| self.withholdings[*number].cause == WithheldCause::Outside;
        let numbers: Vec<u64> = self.lock(name).withholdings.iter().filter(of_report).copied().collect();
        let before: u64 = numbers.iter().map(|number| self.withholdings[number].wanted()).sum();
        for &number in &numbers {
            self.withholdings.get_mut(&number).expect("just listed").until_wall = until;
            self.mark(Key::Withholding(number));
        }
        match numbers.last() {
            _ if others < before => self.restore_for_others(at, name, &numbers, before - others),
            Some(&number) if others > before => {
                let more = u32::try_from(others - before).expect("bounded by PERMITS_MAX");
                self.withholdings.get_mut(&number).expect("just listed").awaited += more;
                self.lock_mut(name).awaiting.insert(number);
                let told = self.told_of(at, &self.withholdings[&number], more.into(), std::iter::empty());
                self.emit(at, name, EventKind::PermitsWithheld(told));
            }
            None if others > 0 => {
                self.meta.last_number += 1;
                let lock = self.lock(name).record.name.clone();
                let mut withholding = Withholding::empty(self.meta.last_number, lock, WithheldCause::Outside);
                // Also more than the lock has: it may grow.
                withholding.awaited = u32::try_from(others).expect("bounded by PERMITS_MAX");
                withholding.until_wall = until;
                let number = withholding.number;
                self.add_withholding(withholding);
                self.emit_withheld(at, number);
            }
            _ => return,
        }
        self.ripen(name);
    }

    /// Others use so many fewer: the newest first, and of each what has not come back yet, then its highest slots.
    fn restore_for_others(&mut self, at: StepContext<'_>, name: &LockName, numbers: &[u64], mut fewer: u64) {
        for &number in numbers.iter().rev() {
            if fewer == 0 {
                break;
            }
            let wanted = self.withholdings[&number].wanted();
            if fewer >= wanted {
                fewer -= wanted;
                // The lock stays: the caller looks whether it is idle.
                let over = self.remove_withholding(number);
                self.lock_mut(name).slots.put_back(&over.slots, &over.slot_names);
                let told = self.told_of(at, &over, wanted, over.names());
                self.emit(at, name, EventKind::PermitsRestored(told));
                continue;
            }
            let restored = fewer;
            let withholding = self.withholdings.get_mut(&number).expect("just listed");
            let not_back = fewer.min(withholding.awaited.into());
            withholding.awaited -= u32::try_from(not_back).expect("no more than it awaits");
            fewer -= not_back;
            let mut slots: Vec<(u32, Option<SlotName>)> = withholding.slots_and_names().collect();
            let back = slots.split_off(slots.len() - usize::try_from(fewer).expect("it has more"));
            fewer = 0;
            withholding.set_slots(slots);
            let awaits = withholding.is_awaiting();
            let names = back.iter().filter_map(|(_, name)| name.as_ref());
            let told = self.told_of(at, &self.withholdings[&number], restored, names);
            let lock = self.lock_mut(name);
            for (slot, slot_name) in back {
                lock.count_restored(WithheldCause::Outside, 1);
                lock.slots.put_back(&vec![(slot, slot)], slot_name.as_slice());
            }
            if !awaits {
                lock.awaiting.remove(&number);
            }
            self.emit(at, name, EventKind::PermitsRestored(told));
        }
        self.ripen(name);
    }

    /// The last report is too old: nothing is withheld because of it any longer.
    pub(super) fn report_is_stale(&mut self, at: StepContext<'_>, name: &LockName) {
        if let Some(outside) = &mut self.lock_mut(name).record.outside {
            outside.until = None;
        }
        self.mark(Key::Lock(name.clone()));
        self.withhold_for_others(at, name, 0, None);
        self.emit(at, name, EventKind::ReportStale);
        self.reap_if_idle(at, name);
    }
}
