//! The tickets of a store's snapshot become those of a table. There may be a million of them, so each index is built once, from all of
//! them, and is as small as it can be.

use super::{LoadError, require};
use crate::queue::{Bundle, Queue, Queued, Selected};
use crate::table::{Table, Ticket, Timer};
use crate::{
    Continuity, LockName, Ms, PartRef, Permits, QuotaOwner, RequestScope, Selection, State, TicketId, TicketRecord,
    limits, ranges,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What becomes an index once it is complete.
#[derive(Default)]
struct Gathered {
    numbers: Vec<(u64, TicketId)>,
    queued: BTreeMap<LockName, Vec<Queued>>,
    /// Those who will not have just any slot.
    selecting: BTreeMap<(LockName, Arc<Selection>), Vec<Queued>>,
    /// Bundles.
    bundles: BTreeMap<Arc<Bundle>, Vec<Queued>>,
    by_owner: BTreeMap<QuotaOwner, Vec<u64>>,
    /// Of each scope the ticket that is found by it comes first: a live one wins over those that are remembered.
    requests: Vec<(RequestScope, bool, Reverse<u64>, TicketId)>,
    ended: Vec<(Ms, u64, TicketId)>,
}

/// Puts the tickets into a table that has its locks and withheld permits, starts their leases (rule 9), and counts whose instances of
/// templates they keep.
pub(super) fn load(table: &mut Table, records: Vec<TicketRecord>, continuity: &Continuity) -> Result<(), LoadError> {
    let mut gathered = Gathered::default();
    let mut tickets: Vec<(TicketId, Box<Ticket>)> = Vec::with_capacity(records.len());
    for record in records {
        let activity_seq = continuity.activity_seq(record.id);
        let mut ticket = Box::new(Ticket { record, lease_until: None, waiting: 0, activity_seq, restored: true });
        table.place(&mut ticket, &mut gathered)?;
        tickets.push((ticket.id, ticket));
    }
    table.index(gathered)?;
    table.start_leases(&mut tickets, matches!(continuity, Continuity::NewLife));
    tickets.sort_unstable_by_key(|(id, _)| *id);
    let twice = tickets.windows(2).find(|pair| pair[0].0 == pair[1].0);
    require(twice.is_none(), || {
        format!("tickets {:?} have one id", twice.map(|pair| [pair[0].1.number, pair[1].1.number]))
    })?;
    table.tickets = tickets.into_iter().collect();
    table.look_after_instances();
    Ok(())
}

impl Table {
    /// Checks a ticket, and notes it where it belongs.
    fn place(&mut self, ticket: &mut Ticket, gathered: &mut Gathered) -> Result<(), LoadError> {
        let (id, number, meta) = (ticket.id, ticket.number, self.meta);
        let late = ticket.seq.max(number);
        require(number <= meta.last_number && ticket.seq <= meta.last_seq, || {
            format!("ticket {number} has a number or place ({late}) that was never given")
        })?;
        require(ticket.token.is_none_or(|token| token <= meta.last_token), || {
            format!("ticket {number} has a token that was never given")
        })?;
        if let Some(scope) = ticket.scope() {
            gathered.requests.push((scope, !ticket.is_live(), Reverse(number), id));
        }
        if let State::Ended { at, .. } = ticket.state {
            for part in ticket.parts() {
                if let Some(lock) = self.locks.get_mut(part.lock) {
                    lock.note_use(part.slots, at, number);
                }
            }
            gathered.ended.push((at, number, id));
            self.ended_of.insert(&ticket.quota_owner(), (at, number, id));
            return Ok(());
        }
        // One text for all of them.
        ticket.lock = self.place_lock(number, &ticket.lock)?;
        if ticket.is_bundle() {
            let parts = &mut ticket.more.as_mut().expect("a bundle").parts;
            for part in parts.iter_mut() {
                part.lock = self.place_lock(number, &part.lock)?;
            }
            let sorted = ticket.parts().map(|part| part.lock).is_sorted_by(|one, next| one < next);
            require(sorted && ticket.more().selection.is_none() && ticket.holder.is_none(), || {
                format!("ticket {number} is for several locks in no order, or has what is for one lock")
            })?;
        }
        if ticket.is_active() {
            ticket.parts().try_for_each(|part| self.place_permits(ticket, part))?;
        } else {
            if let Some(superseding) = ticket.superseding() {
                self.superseding.entry(superseding).or_default().insert(number);
            }
            match (ticket.selected(), gathered.queued.get_mut(&ticket.lock)) {
                (Selected::Bundle(bundle), _) => {
                    self.queued_bundles += 1;
                    gathered.bundles.entry(bundle).or_default().push(ticket.queued(0));
                }
                (Selected::Slots(selection), _) => {
                    let queued = ticket.queued(0);
                    let of = (ticket.lock.clone(), selection);
                    // One for all of them.
                    if let Some(((_, known), _)) = gathered.selecting.get_key_value(&of) {
                        let known = Some(known.clone());
                        ticket.change_more(|more| more.selection = known);
                    }
                    gathered.selecting.entry(of).or_default().push(queued);
                }
                (Selected::Any, Some(queued)) => queued.push(ticket.queued(0)),
                (Selected::Any, None) => drop(gathered.queued.insert(ticket.lock.clone(), vec![ticket.queued(0)])),
            }
        }
        gathered.numbers.push((number, id));
        gathered.by_owner.entry(ticket.quota_owner()).or_default().push(number);
        if let Some(holder) = &ticket.holder {
            let key = (ticket.lock.clone(), holder.clone());
            require(self.holders.insert(key, id).is_none(), || format!("holder {holder} has two tickets"))?;
        }
        if let Some(until) = ticket.hold_until {
            self.timers.set(Timer::Hold(id), until);
        }
        Ok(())
    }

    /// The name of a lock of a live ticket, as the lock itself has it.
    fn place_lock(&self, number: u64, name: &LockName) -> Result<LockName, LoadError> {
        let lock = self.locks.get(name).ok_or_else(|| LoadError(format!("live ticket {number} is of no lock")))?;
        Ok(lock.record.name.clone())
    }

    /// Notes the permits that a ticket has of one of its locks.
    fn place_permits(&mut self, ticket: &Ticket, part: PartRef<'_>) -> Result<(), LoadError> {
        let number = ticket.number;
        let token = ticket.token.ok_or_else(|| LoadError(format!("ticket {number} has permits and no given token")))?;
        let lock = self.lock_mut(part.lock);
        let free = !part.slots.is_empty() && lock.slots.restore(part.slots, part.slot_names);
        require(free, || format!("slots of ticket {number} are given twice"))?;
        lock.exclusive |= part.permits == Permits::All;
        if ticket.state == State::Granted {
            lock.granted += ranges::count(part.slots);
        }
        require(lock.active.insert(token, ticket.id).is_none(), || format!("token {token} is given twice"))?;
        if let Some(caps) = &mut lock.caps {
            caps.take(ticket.quota_owner(), ranges::count(part.slots));
        }
        Ok(())
    }

    fn index(&mut self, gathered: Gathered) -> Result<(), LoadError> {
        let Gathered { mut numbers, queued, selecting, bundles, by_owner, mut requests, ended } = gathered;
        numbers.sort_unstable();
        let twice = numbers.windows(2).find(|pair| pair[0].0 == pair[1].0);
        require(twice.is_none(), || format!("ticket number {} is given twice", twice.map_or(0, |pair| pair[0].0)))?;
        self.numbers = numbers.into_iter().collect();
        for (name, queued) in queued {
            let queue = Queue::of(queued).ok_or_else(|| LoadError(format!("a place of lock {name} is given twice")))?;
            self.lock_mut(&name).queue.set(queue);
        }
        for ((name, selection), queued) in selecting {
            let queue = Queue::of(queued).ok_or_else(|| LoadError(format!("a place of lock {name} is given twice")))?;
            let lock = self.lock_mut(&name);
            let slots = lock.slots_of(&selection);
            lock.queue.set_class(selection, queue, slots);
        }
        for (bundle, queued) in bundles {
            for (name, permits) in bundle.parts() {
                let here = queued.iter().map(|one| Queued { permits, ..*one }).collect();
                let queue =
                    Queue::of(here).ok_or_else(|| LoadError(format!("a place of lock {name} is given twice")))?;
                self.lock_mut(name).queue.set_bundle(bundle.clone(), queue);
            }
        }
        self.live_by_owner = by_owner.into_iter().map(|(owner, all)| (owner, all.into_iter().collect())).collect();
        requests.sort_unstable();
        requests.dedup_by(|next, first| next.0 == first.0);
        self.requests = requests.into_iter().map(|(scope, .., id)| (scope, id)).collect();
        self.ended = ended.into_iter().collect();
        Ok(())
    }

    /// Every lease begins now, in full. Where a new life of the server begins, one of which nobody has been heard in the last life, and the
    /// one before, goes on from where that life began it.
    fn start_leases(&mut self, tickets: &mut [(TicketId, Box<Ticket>)], begins_life: bool) {
        let (now, uptime) = (self.now(), self.meta.uptime_ms());
        if begins_life {
            // Those without a lease as well: another configuration may give them one.
            let began = tickets.iter().filter(|(_, ticket)| ticket.is_live()).map(|(_, ticket)| ticket.lease_began);
            self.meta.uptime.starts.begin(uptime, began.min().unwrap_or(uptime));
        }
        let lives = self.meta.uptime;
        let mut leases = Vec::with_capacity(tickets.len());
        for (_, ticket) in tickets.iter_mut().filter(|(_, ticket)| ticket.is_live()) {
            let goes_on = lives.starts.second_after(ticket.lease_began).filter(|_| begins_life);
            let from = goes_on.map_or(now, |began| began + lives.downtime_ms);
            let of_each =
                ticket.parts().filter_map(|part| ticket.lease_under(|| &self.locks[part.lock].record.settings));
            let lease = of_each.min();
            ticket.lease_until = lease.map(|lease| from + lease);
            leases.extend(ticket.lease_until.map(|until| (until, ticket.number)));
        }
        self.leases = leases.into_iter().collect();
    }

    fn look_after_instances(&mut self) {
        let names: Vec<LockName> = self.locks.keys().cloned().collect();
        for name in names {
            self.charge_instance(&name);
            let idle = self.lock(&name).is_idle();
            if idle && self.lock(&name).record.template.is_some() {
                self.timers.set(Timer::Instance(name), self.now() + limits::INSTANCE_IDLE_MS);
            }
        }
    }
}
