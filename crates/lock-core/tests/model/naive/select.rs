//! Whose turn it is, and with which slots (rules 2 and 14).

use super::Naive;
use lock_core::*;

/// Somebody who waits, or would: its ticket, what it asks for, and what it selects.
pub(crate) type Waiter = (Option<TicketId>, Permits, Option<Selection>);

/// Names of the slots that fit a selection.
pub(crate) fn fitting(settings: &Settings, selection: &Selection) -> Vec<SlotName> {
    let Capacity::Named(names) = &settings.capacity else { return Vec::new() };
    match selection {
        Selection::Slots(wanted) if wanted.iter().all(|name| names.contains(name)) => wanted.clone(),
        Selection::Slots(_) => Vec::new(),
        Selection::Tags(tags) => {
            let has = |name: &&SlotName| {
                let own = settings.tags.iter().find(|(of, _)| of == *name);
                own.is_some_and(|(_, own)| tags.iter().all(|tag| own.contains(tag)))
            };
            names.iter().filter(has).cloned().collect()
        }
    }
}

impl Naive {
    /// Whose turn it is of those who ask for one lock, and the slots that it gets; with one more who would stand behind those of its
    /// priority. A bundle that is first in all of its queues lets nobody pass.
    pub(crate) fn turn(&self, name: &LockName, newcomer: Option<(i8, Waiter)>) -> Option<(Option<TicketId>, Vec<u32>)> {
        let lock = self.locks.iter().find(|lock| lock.rec.name == *name).expect("a lock");
        if lock.rec.pause.is_some() || self.exclusive(name) {
            return None;
        }
        let in_line = self.queue(name).into_iter().filter(|ticket| self.in_line(ticket));
        let in_line = in_line.filter(|ticket| !ticket.rec.is_bundle() || self.is_first(ticket));
        let mut line: Vec<(i8, Option<Waiter>)> = in_line
            .map(|ticket| {
                let selection = ticket.rec.more().selection.as_deref().cloned();
                let waiter = (Some(ticket.rec.id), ticket.rec.permits, selection);
                (ticket.rec.priority, (!ticket.rec.is_bundle()).then_some(waiter))
            })
            .collect();
        if let Some((own, waiter)) = newcomer {
            let at = line.iter().take_while(|(priority, _)| *priority >= own).count();
            line.insert(at, (own, Some(waiter)));
        }
        let record = &lock.rec;
        let out: Vec<u32> = self.out(name).into_iter().map(|(slot, _)| slot).collect();
        let room = (record.settings.size() as usize).saturating_sub(out.len());
        let all = all_slots(record);
        let mut aside: Vec<u32> = Vec::new();
        for (_, waiter) in line {
            let (id, permits, selection) = waiter?;
            let Permits::Count(count) = permits else {
                return out.is_empty().then_some((id, all));
            };
            let slots: Vec<u32> = match &selection {
                None => all.clone(),
                Some(selection) => {
                    let names = fitting(&record.settings, selection);
                    let named = record.slot_names.iter().filter(|(_, name)| names.contains(name));
                    named.map(|(slot, _)| *slot).collect()
                }
            };
            let usable = slots.iter().copied().filter(|slot| !out.contains(slot) && !aside.contains(slot));
            let usable: Vec<u32> = usable.collect();
            if usable.len() >= count as usize {
                if room < count as usize {
                    return None;
                }
                return Some((id, self.plainest_of(name, usable, count)));
            }
            selection?;
            aside.extend(slots);
        }
        None
    }

    /// The slots that somebody gets who takes any, and for whom there are enough.
    pub(crate) fn plainest(&self, name: &LockName, permits: Permits) -> Vec<u32> {
        let record = &self.locks.iter().find(|lock| lock.rec.name == *name).expect("a lock").rec;
        let Permits::Count(count) = permits else { return all_slots(record) };
        let out: Vec<u32> = self.out(name).into_iter().map(|(slot, _)| slot).collect();
        let free = all_slots(record).into_iter().filter(|slot| !out.contains(slot));
        self.plainest_of(name, free.collect(), count)
    }

    /// Of these slots those with the fewest tags, and of them as the lock picks.
    fn plainest_of(&self, name: &LockName, mut usable: Vec<u32>, count: u32) -> Vec<u32> {
        let lock = self.locks.iter().find(|lock| lock.rec.name == *name).expect("a lock");
        let record = &lock.rec;
        usable.sort_by_key(|slot| {
            let name = record.slot_names.iter().find(|(at, _)| at == slot).map(|(_, name)| name);
            let tags = record.settings.tags.iter().find(|(of, _)| Some(of) == name);
            let lru = record.settings.pick == Pick::Lru;
            let used = lock.used.get(slot).copied().filter(|_| lru);
            (tags.map_or(0, |(_, tags)| tags.len()), used, *slot)
        });
        usable.truncate(count as usize);
        usable.sort_unstable();
        usable
    }
}

fn all_slots(record: &LockRecord) -> Vec<u32> {
    match record.settings.capacity {
        Capacity::Size(size) => (0..size).collect(),
        Capacity::Named(_) => record.slot_names.iter().map(|(slot, _)| *slot).collect(),
    }
}
