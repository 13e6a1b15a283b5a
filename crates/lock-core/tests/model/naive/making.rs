//! Making a ticket, and telling of it (rules 5 and 6).

use super::asking::is_for;
use super::select::fitting;
use super::{Naive, Ticket, Words, change_more, owner_of};
use lock_core::*;
use std::sync::Arc;

/// Locks and what is asked of each.
fn parts_of(new: &NewTicket) -> Vec<(LockName, Permits)> {
    let others = new.others.iter().map(|asked| (asked.lock.clone(), asked.permits));
    std::iter::once((new.lock.clone(), new.permits)).chain(others).collect()
}

impl Naive {
    /// Rule 6.
    pub(crate) fn acquire(&mut self, caller: &Caller, new: &NewTicket) -> Words {
        match self.repeated(caller, new) {
            Err(why) => return why,
            Ok(Some(id)) => {
                self.ticket(id).rec.acknowledged = true;
                self.record_activity(id);
                return self.told(id, new.claim, new.if_busy == IfBusy::Wait);
            }
            Ok(None) => {}
        }
        let parts = parts_of(new);
        let is_bundle = parts.len() > 1;
        let said = |name: &LockName, why: &str| if is_bundle { format!("{name}: {why}") } else { why.to_owned() };
        let mut templates = Vec::new();
        for (name, permits) in &parts {
            if is_bundle && !is_for(caller, name) {
                return said(name, "not usable");
            }
            match self.may_ask(new, name, *permits) {
                Err(why) => return said(name, &why),
                Ok(template) => templates.push(template),
            }
        }
        let mut busy = None;
        for ((name, permits), template) in parts.iter().zip(&templates) {
            let free = match template {
                Some(template) => !template.paused,
                None if is_bundle => self.would_fit(caller, new.priority, name, *permits),
                None => {
                    let selection = new.selection.as_ref().map(Selection::canonical);
                    let turn = self.turn(name, Some((new.priority, (None, *permits, selection))));
                    let owner = owner_of(caller.owner.as_ref(), &caller.from);
                    self.is_within_cap(&owner, name, *permits) && turn.is_some_and(|(id, _)| id.is_none())
                }
            };
            if !free {
                busy = busy.or(Some(name));
            }
        }
        if let Some(name) = busy.filter(|_| new.if_busy == IfBusy::Refuse) {
            return said(name, "busy");
        }
        let older = self.superseded(caller, new);
        for ((name, _), template) in parts.iter().zip(&templates) {
            let settings = template.as_ref().map_or_else(|| self.settings(name), |template| &template.settings);
            if busy.is_some() && self.queue(name).len() - older.len() >= settings.max_queue as usize {
                return said(name, "full max_queue");
            }
        }
        for ((name, _), template) in parts.iter().zip(templates) {
            if let Some(template) = template {
                self.make_instance(name, &template);
            }
        }
        self.make(caller, new);
        let number = self.ticket(new.id).rec.number;
        for id in older {
            change_more(&mut self.ticket(id).rec, |more| more.superseded_by = Some(number));
            self.end(id, EndedAs::Superseded, Some(Arc::from(format!("ticket {number} supersedes it"))));
        }
        self.told(new.id, new.claim, new.if_busy == IfBusy::Wait)
    }

    /// Whether a lock can ever give what is asked of it, and the template that it is to be made of.
    fn may_ask(&self, new: &NewTicket, name: &LockName, permits: Permits) -> Result<Option<TemplateRecord>, Words> {
        let template = match self.locks.iter().find(|lock| lock.rec.name == *name) {
            Some(lock) if lock.rec.retiring => return Err("retiring".into()),
            Some(_) => None,
            None => Some(self.may_make(name)?),
        };
        let settings = template.as_ref().map_or_else(|| self.settings(name), |template| &template.settings);
        let asked = match permits {
            Permits::Count(count) if count > settings.size() => return Err("too many permits".into()),
            Permits::Count(count) => count,
            Permits::All => settings.size(),
        };
        if settings.max_per_owner.is_some_and(|cap| asked > cap) {
            return Err("too many for one owner".into());
        }
        if let Some(selection) = &new.selection {
            let names: &[SlotName] = if let Capacity::Named(names) = &settings.capacity { names } else { &[] };
            let there = |tag: &Tag| settings.tags.iter().any(|(name, tags)| names.contains(name) && tags.contains(tag));
            match selection {
                Selection::Slots(wanted) if !wanted.iter().all(|name| names.contains(name)) => {
                    return Err("unknown slot".into());
                }
                Selection::Tags(tags) if !tags.iter().all(there) => return Err("unknown tag".into()),
                _ if fitting(settings, selection).len() < asked as usize => return Err("too few slots".into()),
                _ => {}
            }
        }
        Ok(template)
    }

    /// Rule 18: the queued tickets that this would end.
    fn superseded(&self, caller: &Caller, new: &NewTicket) -> Vec<TicketId> {
        let owner = owner_of(caller.owner.as_ref(), &caller.from);
        let same = |ticket: &&TicketRecord| {
            new.supersede.is_some()
                && ticket.more().supersede == new.supersede
                && ticket.parts().map(|part| part.lock).eq(parts_of(new).iter().map(|(name, _)| name))
                && owner_of(ticket.owner.as_ref(), &ticket.from) == owner
                && matches!(ticket.state, State::Queued { .. })
        };
        let mut found: Vec<&TicketRecord> = self.tickets.iter().map(|ticket| &ticket.rec).filter(same).collect();
        found.sort_by_key(|ticket| ticket.number);
        found.into_iter().map(|ticket| ticket.id).collect()
    }

    pub(crate) fn repeated(&self, caller: &Caller, new: &NewTicket) -> Result<Option<TicketId>, Words> {
        let asked_ttl = match new.lease {
            Lease::Given(ttl) => Some(ttl),
            _ => None,
        };
        let parts = parts_of(new);
        let nothing = parts.iter().any(|(_, permits)| *permits == Permits::Count(0));
        let bad_bundle = parts.len() > 1 && (new.selection.is_some() || new.holder.is_some());
        if asked_ttl.is_some_and(|ttl| ttl < 1000) || nothing || bad_bundle {
            return Err("invalid".into());
        }
        match (&new.selection, new.permits) {
            (Some(_), Permits::All) => return Err("invalid".into()),
            (Some(Selection::Slots(names)), Permits::Count(count)) if count as usize != names.len() => {
                return Err("invalid".into());
            }
            _ => {}
        }
        if let Some(id) = &new.request_id {
            let scope = RequestScope {
                lock: new.lock.clone(),
                others: new.others.iter().map(|asked| asked.lock.clone()).collect(),
                owner: caller.owner.clone(),
                id: id.clone(),
            };
            if self.withdrawn.iter().any(|withdrawn| withdrawn.scope == scope) {
                return Err("withdrawn".into());
            }
            let key = RequestKey { id: id.clone(), asked_ttl, asked_max_hold: new.max_hold };
            if let Some(ticket) = self.by_request(&scope) {
                let same = ticket.request.as_deref() == Some(&key)
                    && ticket.parts().map(|part| part.permits).eq(parts.iter().map(|(_, permits)| *permits))
                    && (ticket.priority, &ticket.info, &ticket.holder) == (new.priority, &new.info, &new.holder)
                    && ticket.more().supersede == new.supersede
                    && ticket.more().selection.as_deref() == new.selection.as_ref().map(Selection::canonical).as_ref();
                return match &ticket.state {
                    _ if !same => Err("request_id reused".into()),
                    State::Ended { how, .. } => Err(format!("gone {}", how.as_str())),
                    _ => Ok(Some(ticket.id)),
                };
            }
        }
        let Some(holder) = &new.holder else { return Ok(None) };
        match self.by_holder(&new.lock, holder) {
            Some(ticket) if ticket.owner == caller.owner => Ok(Some(ticket.id)),
            Some(_) => Err("holder taken".into()),
            None => Ok(None),
        }
    }

    pub(crate) fn by_request(&self, scope: &RequestScope) -> Option<&TicketRecord> {
        let same = |ticket: &&TicketRecord| {
            ticket.lock == scope.lock
                && ticket.more().parts.iter().map(|part| &part.lock).eq(&scope.others)
                && ticket.owner == scope.owner
                && ticket.request.as_ref().is_some_and(|request| request.id == scope.id)
        };
        self.tickets.iter().map(|ticket| &ticket.rec).find(same)
    }

    pub(crate) fn by_holder(&self, lock: &LockName, holder: &Arc<str>) -> Option<&TicketRecord> {
        let same = |t: &&TicketRecord| t.is_live() && t.lock == *lock && t.holder.as_ref() == Some(holder);
        self.tickets.iter().map(|ticket| &ticket.rec).find(same)
    }

    pub(crate) fn capped(&self, locks: &[&LockName], lease: Lease) -> Lease {
        let longest = |lock: &&LockName| {
            let settings = self.settings(lock);
            let default = settings.max_lock.map_or(2_592_000_000, |max_lock| max_lock.max(3_600_000));
            settings.max_ttl.unwrap_or(default)
        };
        match lease {
            Lease::Given(ttl) => Lease::Given(locks.iter().map(longest).fold(ttl, Ms::min)),
            other => other,
        }
    }

    pub(super) fn make(&mut self, caller: &Caller, new: &NewTicket) {
        self.meta.last_seq += 1;
        self.meta.last_number += 1;
        let asked_ttl = match new.lease {
            Lease::Given(ttl) => Some(ttl),
            _ => None,
        };
        let rec = TicketRecord {
            id: new.id,
            number: self.meta.last_number,
            lock: new.lock.clone(),
            owner: caller.owner.clone(),
            from: caller.from.clone(),
            info: new.info.clone(),
            permits: new.permits,
            priority: new.priority,
            seq: self.meta.last_seq,
            request: new
                .request_id
                .clone()
                .map(|id| Box::new(RequestKey { id, asked_ttl, asked_max_hold: new.max_hold })),
            holder: new.holder.clone(),
            lease: self.capped(&parts_of(new).iter().map(|(name, _)| name).collect::<Vec<_>>(), new.lease),
            queue_lease: new.queue_lease,
            max_hold: new.max_hold,
            acknowledged: false,
            lease_began: 0,
            state: State::Queued { dormant: false },
            token: None,
            slots: Vec::new(),
            slot_names: Vec::new(),
            hold_until: None,
            created_at: self.wall,
            granted_at: None,
            held_at: None,
            ended_at: None,
            more: None,
        };
        let mut rec = rec;
        change_more(&mut rec, |more| {
            more.parts = new
                .others
                .iter()
                .map(|asked| Part {
                    lock: asked.lock.clone(),
                    permits: asked.permits,
                    slots: Vec::new(),
                    slot_names: Vec::new(),
                    not_before: None,
                })
                .collect();
            more.supersede = new.supersede.clone();
            more.selection = new.selection.as_ref().map(|selection| Arc::new(selection.canonical()));
        });
        self.tickets.push(Ticket { rec, until: None, waiting: 0, life: 0, restored: false });
        parts_of(new).iter().for_each(|(name, _)| self.lock(name).idle_until = None);
        self.restart_lease(new.id);
    }

    pub(crate) fn told(&mut self, id: TicketId, claim: bool, wait: bool) -> Words {
        self.grant_all(Some(id));
        match self.ticket(id).rec.state {
            State::Granted if claim => self.claim(id),
            State::Queued { .. } if wait => {
                self.ticket(id).waiting += 1;
                self.restart_lease(id);
                let (least, most) = self.ahead(id);
                return format!("waits {least}..{most}");
            }
            // Its client may know now: the loss of an earlier answer is no loss any more.
            State::Held => self.ticket(id).life += 1,
            _ => {}
        }
        self.describe(id)
    }

    pub(crate) fn describe(&self, id: TicketId) -> Words {
        let record = &self.find(id).expect("a ticket").rec;
        let (least, most) = if matches!(record.state, State::Queued { .. }) { self.ahead(id) } else { (0, 0) };
        format!("ticket {} {:?} {:?} ahead {least}..{most}", record.number, record.state, record.slots)
    }
}
