//! Whether a new ticket may be made: what its locks can give, what their queues and the server take (rules 2, 6, 12 to 16).

use super::acquire::{asked_of, file_pause};
use super::{Lock, Table};
use crate::command::{Caller, IfBusy, NewTicket, Rejection};
use crate::limits::{LOCK_TICKETS_MAX, OWNER_INSTANCES_MAX, OWNER_TICKETS_MAX, SELECTIONS_MAX, TICKETS_MAX};
use crate::queue::Place;
use crate::{LockName, Permits, Prefix};

impl Table {
    /// Whether a new ticket may be made; with the templates of those of its locks that must be made first.
    pub(super) fn admit(&self, caller: &Caller, new: &NewTicket) -> Result<Vec<(LockName, Prefix)>, Rejection> {
        let full = |what, max: usize| Err(Rejection::LimitReached { what, max: max as u64 });
        let is_bundle = !new.others.is_empty();
        let mut to_make: Vec<(LockName, Prefix)> = Vec::new();
        let (mut busy, mut crowded) = (None, None);
        for (name, permits) in new.parts() {
            let lock = self.locks.get(name);
            let of_one = |why: Rejection| why.in_lock(name, is_bundle);
            let prefix = self.admit_of(caller, new, (name, permits), lock, &to_make).map_err(of_one)?;
            if busy.is_none() && !self.would_be_granted(caller, new, lock, prefix.as_ref(), permits) {
                busy = Some((name, lock));
            }
            if lock.is_some_and(|lock| lock.live() >= LOCK_TICKETS_MAX) {
                crowded = crowded.or(Some(name));
            }
            to_make.extend(prefix.map(|prefix| (name.clone(), prefix)));
        }
        if let Some((name, lock)) = busy {
            if new.if_busy == IfBusy::Refuse {
                let pause = lock.map_or_else(|| Some(file_pause()), |lock| lock.record.pause.clone());
                let why = pause.map_or(Rejection::Busy, |pause| Rejection::Paused(Box::new(pause)));
                return Err(why.in_lock(name, is_bundle));
            }
            for (name, _) in new.parts() {
                self.admit_to_queue(caller, new, name).map_err(|why| why.in_lock(name, is_bundle))?;
            }
        }
        if let Some(name) = crowded {
            let why = Rejection::LimitReached { what: "tickets of a lock", max: LOCK_TICKETS_MAX as u64 };
            return Err(why.in_lock(name, is_bundle));
        }
        if self.numbers.len() >= TICKETS_MAX {
            return full("tickets of the server", TICKETS_MAX);
        }
        let quota_owner = caller.quota_owner();
        let instances = || self.instances.get(&quota_owner).copied().unwrap_or(0);
        if !to_make.is_empty() && instances() + to_make.len() > OWNER_INSTANCES_MAX {
            return full("instances of templates of a key or address", OWNER_INSTANCES_MAX);
        }
        if self.live_by_owner.get(&quota_owner).is_some_and(|numbers| numbers.len() >= OWNER_TICKETS_MAX) {
            return full("tickets of a key or address", OWNER_TICKETS_MAX);
        }
        Ok(to_make)
    }

    /// Whether a lock can ever give what is asked of it; with its template if it must be made first, as those before it must.
    fn admit_of(
        &self,
        caller: &Caller,
        new: &NewTicket,
        (name, permits): (&LockName, Permits),
        lock: Option<&Lock>,
        to_make: &[(LockName, Prefix)],
    ) -> Result<Option<Prefix>, Rejection> {
        if !new.others.is_empty() && !caller.uses(name) {
            return Err(Rejection::NotUsable);
        }
        let template = match lock {
            Some(lock) if lock.deleting || lock.record.retiring => return Err(Rejection::Retiring),
            Some(_) => None,
            None => Some(self.instance_of(name, to_make)?),
        };
        let settings = match (lock, &template) {
            (Some(lock), _) => &lock.record.settings,
            (None, template) => &self.templates[template.as_ref().expect("no lock")].record.settings,
        };
        if let Permits::Count(asked) = permits
            && asked > settings.size()
        {
            return Err(Rejection::TooManyPermits { asked, size: settings.size() });
        }
        let asked = asked_of(permits, settings.size());
        if let Some(max) = settings.max_per_owner
            && asked > max
        {
            return Err(Rejection::TooManyForOwner { asked, max });
        }
        if let Some(selection) = &new.selection {
            settings.check_selection(&selection.canonical(), asked)?;
        }
        Ok(template)
    }

    /// Whether the queue of a lock takes one more.
    fn admit_to_queue(&self, caller: &Caller, new: &NewTicket, name: &LockName) -> Result<(), Rejection> {
        let full = |what, max: usize| Err(Rejection::LimitReached { what, max: max as u64 });
        let lock = self.locks.get(name);
        let is_new_line = lock.is_some_and(|lock| match &new.selection {
            Some(selection) => lock.queue.class(&selection.canonical()).is_none(),
            None => !new.others.is_empty() && lock.queue.bundles_like(&new.bundle()).is_none(),
        });
        if is_new_line && lock.is_some_and(|lock| lock.queue.count_classes() >= SELECTIONS_MAX) {
            return full("selections of slots and sets of locks that wait for a lock", SELECTIONS_MAX);
        }
        let max_queue = match lock {
            Some(lock) => lock.record.settings.max_queue,
            None => self
                .matching_template(name.as_str())
                .map_or(0, |prefix| self.templates[prefix].record.settings.max_queue),
        };
        let queued = lock.map_or(0, |lock| lock.queue.len()) - self.superseded_by(caller, new);
        if queued >= max_queue as usize {
            return full("max_queue", max_queue as usize);
        }
        Ok(())
    }

    /// Whether a new ticket would get what it asks for of this lock at once. A bundle is granted if that is so of all of its locks.
    fn would_be_granted(
        &self,
        caller: &Caller,
        new: &NewTicket,
        lock: Option<&Lock>,
        template: Option<&Prefix>,
        permits: Permits,
    ) -> bool {
        let Some(lock) = lock else {
            return template.is_some_and(|prefix| !self.templates[prefix].record.paused);
        };
        let place = Place::new(new.priority, u64::MAX);
        let takes_any = new.selection.is_none() && (!lock.queue.has_classes() || !new.others.is_empty());
        let gets_its_slots = if takes_any {
            let first = lock.queue.head().is_none_or(|(head, _)| place < head);
            first && lock.fits(permits)
        } else {
            self.could_be_given(lock, place, new.selection.as_ref(), permits)
        };
        gets_its_slots
            && !lock.caps.as_ref().is_some_and(|caps| {
                let asked = asked_of(permits, lock.slots.size());
                lock.is_over(caps.used(&caller.quota_owner()) + u64::from(asked))
            })
    }
}
