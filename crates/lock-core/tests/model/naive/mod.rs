//! The rules once more, as plainly as they can be written: lists, searched from end to end, and everything counted anew
//! each time. Slow and short; only the public records are shared with the real table.

mod asking;
mod bundles;
mod file;
mod life;
mod locks;
mod making;
mod select;
mod withhold;

pub(crate) use bundles::CONDITIONS;
use lock_core::*;
use std::sync::Arc;

/// A refusal, or an answer, in a few words.
pub(crate) type Words = String;

#[derive(Debug, Clone)]
pub(crate) struct Lock {
    pub(crate) rec: LockRecord,
    /// An idle instance of a template is looked at then.
    pub(crate) idle_until: Option<Ms>,
    /// When the last ticket that had each slot ended, and its number, if the one that is unused for longest is given.
    pub(crate) used: std::collections::BTreeMap<u32, (Ms, u64)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) rec: TicketRecord,
    /// End of its lease.
    pub(crate) until: Option<Ms>,
    pub(crate) waiting: u32,
    /// Heartbeats so far.
    pub(crate) life: u64,
    /// From the store, and not heard of since.
    pub(crate) restored: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    pub(crate) meta: Meta,
    pub(crate) wall: u64,
    pub(crate) locks: Vec<Lock>,
    pub(crate) templates: Vec<TemplateRecord>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) withholdings: Vec<Withholding>,
    pub(crate) withheld_names: Vec<WithheldName>,
    pub(crate) withdrawn: Vec<Withdrawn>,
    pub(crate) floor: Ms,
    /// When the server was started; all of them.
    pub(crate) starts: Vec<Ms>,
    /// Loaded and not yet stepped; whether as the process started.
    pub(crate) fresh: Option<bool>,
    /// Tickets whose waiting clients are gone.
    pub(crate) absent: Vec<TicketId>,
    /// The administrator whose command it is.
    pub(crate) author: Option<Arc<str>>,
    /// The lock that is being deleted.
    pub(crate) deleting: Option<LockName>,
}

pub(crate) fn listed(slots: &SlotRanges) -> Vec<u32> {
    slots.iter().flat_map(|&(start, end)| start..=end).collect()
}

fn ranges(slots: &[u32]) -> SlotRanges {
    let mut ranges: SlotRanges = Vec::new();
    for &slot in slots {
        match ranges.last_mut() {
            Some(last) if last.1 + 1 == slot => last.1 = slot,
            _ => ranges.push((slot, slot)),
        }
    }
    ranges
}

pub(crate) fn may_use(ticket: &TicketRecord, caller: &Caller) -> bool {
    ticket.owner.is_none() || caller.admin || ticket.owner == caller.owner
}

/// Whose share a ticket counts against: its key's or, without one, its network's.
pub(crate) fn owner_of(owner: Option<&Arc<str>>, from: &Arc<str>) -> (bool, Arc<str>) {
    owner.map_or_else(|| (false, network_name(from)), |owner| (true, owner.clone()))
}

/// The slots that a ticket has of one of its locks.
pub(crate) fn slots_in<'a>(ticket: &'a Ticket, name: &LockName) -> &'a SlotRanges {
    ticket.rec.part(name).expect("one of its locks").slots
}

/// What a ticket asks for of one of its locks.
pub(crate) fn permits_in(ticket: &Ticket, name: &LockName) -> Permits {
    ticket.rec.part(name).expect("one of its locks").permits
}

/// It has these slots of one of its locks.
pub(crate) fn set_slots_in(record: &mut TicketRecord, name: &LockName, slots: SlotRanges, names: Vec<SlotName>) {
    if record.lock == *name {
        (record.slots, record.slot_names) = (slots, names);
        return;
    }
    change_more(record, |more| {
        let part = more.parts.iter_mut().find(|part| part.lock == *name).expect("one of its locks");
        (part.slots, part.slot_names) = (slots, names);
    });
}

pub(crate) fn change_more(record: &mut TicketRecord, change: impl FnOnce(&mut More)) {
    let mut more = record.more().clone();
    change(&mut more);
    record.more = Some(Box::new(more)).filter(|more| **more != More::default());
}

impl Naive {
    pub(crate) fn now(&self) -> Ms {
        self.meta.service_ms
    }

    pub(crate) fn lock(&mut self, name: &LockName) -> &mut Lock {
        self.locks.iter_mut().find(|lock| lock.rec.name == *name).expect("a lock")
    }

    pub(crate) fn has_lock(&self, name: &LockName) -> bool {
        self.locks.iter().any(|lock| lock.rec.name == *name)
    }

    pub(crate) fn known(&self, name: &LockName) -> bool {
        self.has_lock(name) || self.template_of(name).is_some()
    }

    pub(crate) fn settings(&self, name: &LockName) -> &Settings {
        let lock = self.locks.iter().find(|lock| lock.rec.name == *name);
        &lock.expect("a lock").rec.settings
    }

    pub(crate) fn template_of(&self, name: &LockName) -> Option<&TemplateRecord> {
        let fits = |template: &&TemplateRecord| name.as_str().starts_with(template.prefix.as_str());
        let length = |template: &&TemplateRecord| template.prefix.as_str().len();
        self.templates.iter().filter(fits).max_by_key(length)
    }

    pub(crate) fn ticket(&mut self, id: TicketId) -> &mut Ticket {
        self.tickets.iter_mut().find(|ticket| ticket.rec.id == id).expect("a ticket")
    }

    pub(crate) fn find(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.rec.id == id)
    }

    /// Tickets with permits, in the order of their grants.
    pub(crate) fn active(&self, name: &LockName) -> Vec<&Ticket> {
        let active = |ticket: &&Ticket| ticket.rec.is_of(name) && ticket.rec.is_active();
        let mut found: Vec<&Ticket> = self.tickets.iter().filter(active).collect();
        found.sort_by_key(|ticket| ticket.rec.token);
        found
    }

    /// The queue in its order (rule 2).
    pub(crate) fn queue(&self, name: &LockName) -> Vec<&Ticket> {
        let queued = |ticket: &&Ticket| ticket.rec.is_of(name) && matches!(ticket.rec.state, State::Queued { .. });
        let mut found: Vec<&Ticket> = self.tickets.iter().filter(queued).collect();
        found.sort_by_key(|ticket| (-i32::from(ticket.rec.priority), ticket.rec.seq));
        found
    }

    /// Tickets before it: those in line at least, those that are not dormant at most. Who is passed over for another reason need
    /// not be found out before it is the first.
    pub(crate) fn ahead(&self, id: TicketId) -> (u64, u64) {
        self.ahead_in(&self.find(id).expect("a ticket").rec.lock, id)
    }

    /// The same in the queue of one of its locks.
    pub(crate) fn ahead_in(&self, lock: &LockName, id: TicketId) -> (u64, u64) {
        let queue = self.queue(lock);
        let before = || queue.iter().take_while(|ticket| ticket.rec.id != id);
        let ready = |ticket: &&&Ticket| ticket.rec.state == State::Queued { dormant: false };
        let in_line = before().filter(|ticket| self.in_line(ticket)).count();
        (in_line as u64, before().filter(ready).count() as u64)
    }

    /// Permits of the lock that the owner has.
    pub(crate) fn used(&self, name: &LockName, owner: &(bool, Arc<str>)) -> u64 {
        let active = self.active(name).into_iter();
        let own = active.filter(|ticket| owner_of(ticket.rec.owner.as_ref(), &ticket.rec.from) == *owner);
        own.map(|ticket| listed(slots_in(ticket, name)).len() as u64).sum()
    }

    /// Whether nothing has others pass this waiter: it is not dormant, and its owner may have what it asks for in each of its locks
    /// (rule 16). A bundle may be passed by others all the same, see [`Naive::is_first`].
    pub(crate) fn in_line(&self, ticket: &Ticket) -> bool {
        let owner = owner_of(ticket.rec.owner.as_ref(), &ticket.rec.from);
        ticket.rec.state == State::Queued { dormant: false }
            && ticket.rec.parts().all(|part| self.is_within_cap(&owner, part.lock, part.permits))
    }

    /// Whether the owner may have that much more of a lock (rule 16).
    pub(crate) fn is_within_cap(&self, owner: &(bool, Arc<str>), name: &LockName, permits: Permits) -> bool {
        let settings = self.settings(name);
        let asked = match permits {
            Permits::Count(count) => count,
            Permits::All => settings.size(),
        };
        settings.max_per_owner.is_none_or(|cap| self.used(name, owner) + u64::from(asked) <= u64::from(cap))
    }

    pub(crate) fn withholdings_of(&self, name: &LockName) -> Vec<&Withholding> {
        self.withholdings.iter().filter(|withholding| withholding.lock == *name).collect()
    }

    /// Slots that are out, with the names their holders were told.
    pub(crate) fn out(&self, name: &LockName) -> Vec<(u32, Option<SlotName>)> {
        let held = self.active(name).into_iter().filter_map(|t| t.rec.part(name));
        let held = held.map(|part| (part.slots, part.slot_names));
        let withheld = self.withholdings_of(name).into_iter().map(|c| (&c.slots, &c.slot_names));
        held.chain(withheld)
            .flat_map(|(slots, names)| {
                let names = names.clone();
                listed(slots).into_iter().enumerate().map(move |(at, slot)| (slot, names.get(at).cloned()))
            })
            .collect()
    }

    /// Whether "all" is out.
    pub(crate) fn exclusive(&self, name: &LockName) -> bool {
        self.active(name).iter().any(|ticket| permits_in(ticket, name) == Permits::All)
            || self.withholdings_of(name).iter().any(|withholding| withholding.all)
    }

    /// Rules 2 and 3 in a lock for which no bundle waits.
    pub(crate) fn grant(&mut self, name: &LockName) {
        while let Some((Some(id), taken)) = self.turn(name, None) {
            self.give(id, &[(name.clone(), taken)]);
        }
    }

    /// Gives these slots of these locks, unless the client is gone.
    pub(crate) fn give(&mut self, id: TicketId, taken: &[(LockName, Vec<u32>)]) {
        let waits = self.ticket(id).waiting > 0;
        if waits && self.absent.contains(&id) {
            self.ticket(id).rec.state = State::Queued { dormant: true };
            return;
        }
        self.meta.last_token += 1;
        let (token, wall) = (self.meta.last_token, self.wall);
        let ticket = self.ticket(id);
        ticket.rec.state = State::Granted;
        ticket.rec.token = Some(token);
        ticket.rec.granted_at = Some(wall);
        for (name, taken) in taken {
            let record = self.lock(name).rec.clone();
            let name_of =
                |slot: &u32| record.slot_names.iter().find(|(at, _)| at == slot).map(|(_, name)| name.clone());
            let names = taken.iter().filter_map(name_of).collect();
            set_slots_in(&mut self.ticket(id).rec, name, ranges(taken), names);
        }
        self.restart_lease(id);
        if waits {
            self.claim(id);
        }
    }
}
