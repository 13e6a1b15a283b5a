//! The rules once more, as plainly as they can be written: lists, searched from end to end, and everything counted anew
//! each time. Slow and short; only the public records are shared with the real table.

mod asking;
mod file;
mod life;
mod locks;
mod making;
mod select;
mod withhold;

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
        let active = |ticket: &&Ticket| ticket.rec.lock == *name && ticket.rec.is_active();
        let mut found: Vec<&Ticket> = self.tickets.iter().filter(active).collect();
        found.sort_by_key(|ticket| ticket.rec.token);
        found
    }

    /// The queue in its order (rule 2).
    pub(crate) fn queue(&self, name: &LockName) -> Vec<&Ticket> {
        let queued = |ticket: &&Ticket| ticket.rec.lock == *name && matches!(ticket.rec.state, State::Queued { .. });
        let mut found: Vec<&Ticket> = self.tickets.iter().filter(queued).collect();
        found.sort_by_key(|ticket| (-i32::from(ticket.rec.priority), ticket.rec.seq));
        found
    }

    /// Tickets before it: those in line at least, those that are not dormant at most. Who is passed over for another reason need
    /// not be found out before it is the first.
    pub(crate) fn ahead(&self, id: TicketId) -> (u64, u64) {
        let lock = &self.find(id).expect("a ticket").rec.lock;
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
        own.map(|ticket| listed(&ticket.rec.slots).len() as u64).sum()
    }

    /// Whether nothing has others pass this waiter: it is not dormant, and its owner may have what it asks for (rule 16).
    pub(crate) fn in_line(&self, ticket: &Ticket) -> bool {
        let settings = self.settings(&ticket.rec.lock);
        let asked = match ticket.rec.permits {
            Permits::Count(count) => count,
            Permits::All => settings.size(),
        };
        let used = self.used(&ticket.rec.lock, &owner_of(ticket.rec.owner.as_ref(), &ticket.rec.from));
        let within_cap = settings.max_per_owner.is_none_or(|cap| used + u64::from(asked) <= u64::from(cap));
        ticket.rec.state == State::Queued { dormant: false } && within_cap
    }

    pub(crate) fn withholdings_of(&self, name: &LockName) -> Vec<&Withholding> {
        self.withholdings.iter().filter(|withholding| withholding.lock == *name).collect()
    }

    /// Slots that are out, with the names their holders were told.
    pub(crate) fn out(&self, name: &LockName) -> Vec<(u32, Option<SlotName>)> {
        let held = self.active(name).into_iter().map(|t| (&t.rec.slots, &t.rec.slot_names));
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
        self.active(name).iter().any(|ticket| ticket.rec.permits == Permits::All)
            || self.withholdings_of(name).iter().any(|withholding| withholding.all)
    }

    /// Rules 2 and 3.
    pub(crate) fn grant(&mut self, name: &LockName) {
        self.put_aside(name);
        while let Some((Some(id), taken)) = self.turn(name, None) {
            let head = self.find(id).expect("a ticket").clone();
            if head.waiting > 0 && self.absent.contains(&id) {
                self.ticket(id).rec.state = State::Queued { dormant: true };
                continue;
            }
            let record = self.lock(name).rec.clone();
            let name_of =
                |slot: &u32| record.slot_names.iter().find(|(at, _)| at == slot).map(|(_, name)| name.clone());
            self.meta.last_token += 1;
            let (token, wall) = (self.meta.last_token, self.wall);
            let ticket = self.ticket(id);
            ticket.rec.state = State::Granted;
            ticket.rec.token = Some(token);
            ticket.rec.slot_names = taken.iter().filter_map(name_of).collect();
            ticket.rec.slots = ranges(&taken);
            ticket.rec.granted_at = Some(wall);
            self.restart_lease(id);
            if head.waiting > 0 {
                self.claim(id);
            }
        }
    }
}
