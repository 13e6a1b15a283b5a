//! Making a ticket (rule 6).

use super::apply::Effect;
use super::checks::check_bundle;
use super::{Lock, StepContext, Table, Ticket, Timer, wants};
use crate::command::{Asked, Caller, IfBusy, NewTicket, Rejection};
use crate::event::{EventKind, Transition};
use crate::limits::{
    HOLDER_BYTES_MAX, INFO_BYTES_MAX, INFO_KEPT_BYTES_MAX, PERMITS_MAX, PRIORITY_MAX, PRIORITY_MIN,
    REQUEST_ID_CHARS_MAX, REQUEST_ID_CHARS_MIN, SUPERSEDE_BYTES_MAX, TTL_MAX_MS, TTL_MIN_MS,
};
use crate::queue::Bundle;
use crate::{
    FileValues, Key, Lease, LockName, LockRecord, More, Ms, Part, Pause, Permits, Prefix, RequestKey, RequestScope,
    Selection, Settings, SlotRanges, State, TicketId, TicketRecord, text,
};
use std::sync::Arc;

impl Table {
    pub(super) fn acquire(
        &mut self,
        at: StepContext<'_>,
        caller: &Caller,
        new: &NewTicket,
    ) -> Result<Effect, Rejection> {
        let asked = |id| Effect::Asked { id, claim: new.claim, wait: new.if_busy == IfBusy::Wait };
        if let Some(id) = self.repeated(caller, new)? {
            self.mark_acknowledged(id);
            self.record_activity(id);
            return Ok(asked(id));
        }
        for (name, prefix) in self.admit(caller, new)? {
            self.make_instance(at, &name, &prefix);
        }
        self.make_ticket(at, caller, new);
        if new.supersede.is_some() {
            self.supersede_older(at, new.id);
        }
        Ok(asked(new.id))
    }

    /// The live ticket that this asks for once more.
    pub(super) fn repeated(&self, caller: &Caller, new: &NewTicket) -> Result<Option<TicketId>, Rejection> {
        check_bounds(new)?;
        match self.same_request(caller, new)? {
            Some(id) => Ok(Some(id)),
            None => self.same_holder(caller, new),
        }
    }

    /// A repetition of a request that made a ticket.
    fn same_request(&self, caller: &Caller, new: &NewTicket) -> Result<Option<TicketId>, Rejection> {
        let Some(scope) = new.scope(caller) else { return Ok(None) };
        if self.withdrawn.contains_key(&scope) {
            return Err(Rejection::Withdrawn);
        }
        let Some(&id) = self.requests.get(&scope) else {
            return Ok(None);
        };
        let ticket = self.ticket(id);
        if !new.equals(ticket) {
            return Err(Rejection::RequestIdReused);
        }
        if self.is_ended(id) { Err(Rejection::Gone(Box::new(self.view_ticket(id)))) } else { Ok(Some(id)) }
    }

    fn same_holder(&self, caller: &Caller, new: &NewTicket) -> Result<Option<TicketId>, Rejection> {
        let Some(holder) = &new.holder else { return Ok(None) };
        match self.holders.get(&(new.lock.clone(), holder.clone())) {
            Some(&id) if self.ticket(id).owner == caller.owner => Ok(Some(id)),
            Some(_) => Err(Rejection::HolderTaken),
            None => Ok(None),
        }
    }

    /// Adds a lock that is not there.
    pub(super) fn insert_lock(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        settings: Settings,
        paused: bool,
        file: Option<FileValues>,
        template: Option<Prefix>,
    ) {
        let revision = self.next_revision();
        let lock = Lock::new(LockRecord {
            name: name.clone(),
            settings,
            file,
            template,
            retiring: false,
            pause: paused.then(file_pause),
            outside: None,
            slot_names: Vec::new(),
            revision,
        });
        self.locks.insert(name.clone(), lock);
        self.mark(Key::Lock(name.clone()));
        self.emit(at, name, EventKind::LockCreated);
        self.reap_if_idle(at, name);
    }

    fn make_ticket(&mut self, at: StepContext<'_>, caller: &Caller, new: &NewTicket) {
        self.meta.last_seq += 1;
        self.meta.last_number += 1;
        let record = TicketRecord {
            id: new.id,
            number: self.meta.last_number,
            // One text for all tickets of the lock.
            lock: self.lock(&new.lock).record.name.clone(),
            owner: caller.owner.as_ref().map(|owner| self.shared.one(owner)),
            from: self.shared.one(&caller.from),
            info: self.shared.one(&new.info),
            permits: new.permits,
            priority: new.priority,
            seq: self.meta.last_seq,
            request: new.request_key(),
            holder: new.holder.clone(),
            lease: self.cap_lease(new.parts().map(|(name, _)| name), new.lease),
            queue_lease: new.queue_lease,
            max_hold: new.max_hold,
            acknowledged: false,
            lease_began: 0,
            state: State::Queued { dormant: false },
            token: None,
            slots: Vec::new(),
            slot_names: Vec::new(),
            hold_until: None,
            created_at: at.wall,
            granted_at: None,
            held_at: None,
            ended_at: None,
            more: self.more_of(new),
        };
        let ticket = Ticket { record, lease_until: None, waiting: 0, activity_seq: 0, restored: false };
        if let Some(scope) = ticket.scope() {
            self.requests.insert(scope, new.id);
        }
        if let Some(holder) = &new.holder {
            self.holders.insert((new.lock.clone(), holder.clone()), new.id);
        }
        self.live_by_owner.entry(ticket.quota_owner()).or_default().insert(ticket.number);
        self.numbers.push(ticket.number, new.id);
        let number = ticket.number;
        let before = self.tickets.insert(new.id, Box::new(ticket));
        assert!(before.is_none(), "ticket ids are random and given once");
        self.enqueue(new.id);
        if new.supersede.is_some() {
            self.join_superseding(new.id);
        }
        for (name, _) in new.parts() {
            let lock = self.lock_mut(name);
            lock.statistics.queries += 1;
            let is_instance = lock.record.template.is_some();
            self.ripen(name);
            if is_instance {
                self.timers.cancel(&Timer::Instance(name.clone()));
                self.charge_instance(name);
            }
        }
        self.restart_lease(new.id);
        self.mark(Key::Ticket(number, new.id));
        self.emit_transition(at, new.id, Transition::Queued);
    }

    /// What few tickets have of what was asked.
    fn more_of(&self, new: &NewTicket) -> Option<Box<More>> {
        if new.supersede.is_none() && new.selection.is_none() && new.others.is_empty() {
            return None;
        }
        let part = |asked: &Asked| Part {
            // One text for all tickets of the lock.
            lock: self.lock(&asked.lock).record.name.clone(),
            permits: asked.permits,
            slots: SlotRanges::new(),
            slot_names: Vec::new(),
            not_before: None,
        };
        let parts = new.others.iter().map(part).collect();
        let selection = new.selection.as_ref().map(|selection| {
            let selection = selection.canonical();
            // One for all who wait with it.
            let known = self.lock(&new.lock).queue.class(&selection).map(|(known, _)| known.clone());
            known.unwrap_or_else(|| Arc::new(selection))
        });
        Some(Box::new(More { supersede: new.supersede.clone(), selection, parts, ..More::default() }))
    }

    /// Rule 4: a lease asked for is capped by the `max_ttl` of each lock.
    pub(super) fn cap_lease<'a>(&self, locks: impl Iterator<Item = &'a LockName>, lease: Lease) -> Lease {
        match lease {
            Lease::Given(ttl) => {
                Lease::Given(locks.map(|lock| self.lock(lock).record.settings.max_ttl_ms()).fold(ttl, Ms::min))
            }
            other => other,
        }
    }
}

impl NewTicket {
    fn scope(&self, caller: &Caller) -> Option<RequestScope> {
        let id = self.request_id.clone()?;
        Some(RequestScope { lock: self.lock.clone(), others: self.other_locks(), owner: caller.owner.clone(), id })
    }

    /// Its locks and what it asks for of each.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&LockName, Permits)> {
        std::iter::once((&self.lock, self.permits)).chain(self.others.iter().map(|asked| (&asked.lock, asked.permits)))
    }

    /// The locks behind the first one.
    pub(super) fn other_locks(&self) -> Box<[LockName]> {
        self.others.iter().map(|asked| asked.lock.clone()).collect()
    }

    /// What it asks for as a bundle.
    pub(super) fn bundle(&self) -> Bundle {
        self.parts().map(|(name, permits)| (name.clone(), wants(permits))).collect()
    }

    fn request_key(&self) -> Option<Box<RequestKey>> {
        let id = self.request_id.clone()?;
        Some(Box::new(RequestKey { id, asked_ttl: given(self.lease), asked_max_hold: self.max_hold }))
    }

    /// Whether it asks for what the ticket was made for.
    fn equals(&self, ticket: &Ticket) -> bool {
        // Of one that has ended, not all of its words are known any more.
        let max = if ticket.is_live() { usize::MAX } else { INFO_KEPT_BYTES_MAX };
        let same_info = text::cut(&ticket.info, max) == text::cut(&self.info, max);
        ticket.request == self.request_key()
            && ticket.priority == self.priority
            && same_info
            && ticket.holder == self.holder
            && ticket.more().supersede == self.supersede
            && ticket.parts().map(|part| part.permits).eq(self.parts().map(|(_, permits)| permits))
            && ticket.more().selection.as_deref() == self.selection.as_ref().map(Selection::canonical).as_ref()
    }
}

/// The pause of a lock that has size 0 in the file.
pub(super) fn file_pause() -> Pause {
    Pause { reason: Arc::from("size 0 in the configuration"), by: None, until: None }
}

/// Permits that this asks for, of a lock of that size.
pub(super) fn asked_of(permits: Permits, size: u32) -> u32 {
    match permits {
        Permits::Count(count) => count,
        Permits::All => size,
    }
}

fn given(lease: Lease) -> Option<Ms> {
    match lease {
        Lease::Given(ttl) => Some(ttl),
        _ => None,
    }
}

/// A lease that a client may ask for.
pub(super) fn check_ttl(ttl: Ms) -> Result<(), Rejection> {
    if (TTL_MIN_MS..=TTL_MAX_MS).contains(&ttl) {
        return Ok(());
    }
    Err(Rejection::Invalid(format!("ttl must be from 1 s to {} s", TTL_MAX_MS / 1000)))
}

/// A `request_id` as rule 6 has it.
pub(super) fn check_request_id(id: &str) -> Result<(), Rejection> {
    if (REQUEST_ID_CHARS_MIN..=REQUEST_ID_CHARS_MAX).contains(&id.chars().count()) && !id.contains(text::is_unsafe) {
        return Ok(());
    }
    Err(Rejection::Invalid(format!(
        "request_id must have {REQUEST_ID_CHARS_MIN} to {REQUEST_ID_CHARS_MAX} characters, none of them a control or invisible character"
    )))
}

fn check_bounds(new: &NewTicket) -> Result<(), Rejection> {
    let invalid = |text: String| Err(Rejection::Invalid(text));
    if let Permits::Count(count) = new.permits
        && !(1..=PERMITS_MAX).contains(&count)
    {
        return invalid(format!("permits must be from 1 to {PERMITS_MAX}, or all"));
    }
    if !(PRIORITY_MIN..=PRIORITY_MAX).contains(&new.priority) {
        return invalid(format!("priority must be from {PRIORITY_MIN} to {PRIORITY_MAX}"));
    }
    if new.info.len() > INFO_BYTES_MAX {
        return invalid(format!("info has {} bytes, {INFO_BYTES_MAX} are allowed", new.info.len()));
    }
    text::check("info", &new.info).map_err(Rejection::Invalid)?;
    if let Some(holder) = &new.holder {
        if holder.is_empty() || holder.len() > HOLDER_BYTES_MAX {
            return invalid(format!("the holder's name must have 1 to {HOLDER_BYTES_MAX} bytes"));
        }
        text::check("the holder's name", holder).map_err(Rejection::Invalid)?;
    }
    if let Some(selection) = &new.selection {
        selection.check(new.permits)?;
    }
    check_bundle(new)?;
    if let Some(word) = &new.supersede {
        if word.is_empty() || word.len() > SUPERSEDE_BYTES_MAX {
            return invalid(format!("the word of supersede must have 1 to {SUPERSEDE_BYTES_MAX} bytes"));
        }
        text::check("the word of supersede", word).map_err(Rejection::Invalid)?;
    }
    if let Some(max_hold) = new.max_hold
        && !(TTL_MIN_MS..=TTL_MAX_MS).contains(&max_hold)
    {
        return invalid(format!("max_hold must be from 1 s to {} s", TTL_MAX_MS / 1000));
    }
    if let Some(id) = &new.request_id {
        check_request_id(id)?;
    }
    given(new.lease).map_or(Ok(()), check_ttl)
}
