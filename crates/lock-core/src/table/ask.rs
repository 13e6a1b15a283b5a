//! What a client asks of its ticket: read, renew, wait, release (rules 5 and 6).

use super::acquire::{check_request_id, check_ttl};
use super::apply::Effect;
use super::life::After;
use super::{StepContext, Table, Ticket, Timer, Withdrawal};
use crate::command::{Caller, Command, Outcome, Rejection, ReleaseTarget};
use crate::limits::{ENDED_MEMORY_MS, OWNER_WITHDRAWN_MAX, WITHDRAWN_MAX};
use crate::{EndedAs, Key, Lease, LockName, Ms, RequestScope, Stage, State, TicketId, TicketRecord, Withdrawn};
use std::sync::Arc;

/// Whether this caller's word counts for the ticket, if it may use the lock: one made without a key needs its id only.
pub(super) fn may_use(ticket: &TicketRecord, caller: &Caller) -> bool {
    ticket.owner.is_none() || caller.admin || ticket.owner == caller.owner
}

/// Whether this caller made the ticket, or somebody who shows as little.
fn is_own(ticket: &TicketRecord, caller: &Caller) -> bool {
    ticket.owner == caller.owner
}

impl Table {
    /// The ticket of that id and, if one is named, that lock, if the caller may use it; another key's ticket looks like
    /// none.
    fn usable(&self, lock: Option<&LockName>, id: TicketId, caller: &Caller) -> Result<&Ticket, Rejection> {
        if let Some(name) = lock
            && !self.locks.contains_key(name)
            && self.matching_template(name.as_str()).is_none()
        {
            return Err(Rejection::UnknownLock);
        }
        let ticket = self.find(id)?;
        if !may_use(ticket, caller) || lock.is_some_and(|lock| !ticket.is_of(lock)) {
            return Err(Rejection::UnknownTicket);
        }
        match ticket.parts().find(|part| !caller.uses(part.lock)) {
            None => Ok(ticket),
            Some(part) if is_own(ticket, caller) => Err(Rejection::OutOfReach(part.lock.clone())),
            Some(_) => Err(Rejection::UnknownTicket),
        }
    }

    /// The ticket of that id if the caller may give it back: also its own in a lock that it may not use any more.
    fn releasable(&self, lock: Option<&LockName>, id: TicketId, caller: &Caller) -> Result<(), Rejection> {
        match self.usable(lock, id, caller) {
            Ok(_) | Err(Rejection::OutOfReach(_)) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// The live ticket that this command is a heartbeat of (rule 5).
    pub(super) fn heartbeat_of(&self, caller: &Caller, command: &Command) -> Option<TicketId> {
        let alive = |ticket: &Ticket| ticket.is_live().then_some(ticket.id);
        match command {
            Command::Get { lock, id, renew, wait } => {
                let ticket = self.usable(lock.as_ref(), *id, caller).ok()?;
                let counts = match ticket.state {
                    State::Queued { .. } => *renew || *wait,
                    // It will be claimed.
                    State::Granted => true,
                    // Only a queued ticket is waited for.
                    State::Held => *renew,
                    State::Ended { .. } => false,
                };
                counts.then_some(*id)
            }
            Command::WaitOn { id } => alive(self.usable(None, *id, caller).ok()?),
            Command::Renew { id, ttl } => {
                ttl.map_or(Ok(()), check_ttl).ok()?;
                alive(self.usable(None, *id, caller).ok()?)
            }
            Command::Acquire(new) => self.repeated(caller, new).ok()?,
            _ => None,
        }
    }

    pub(super) fn get(
        &mut self,
        lock: Option<&LockName>,
        id: TicketId,
        caller: &Caller,
        renew: bool,
        wait: bool,
    ) -> Result<Effect, Rejection> {
        let state = &self.usable(lock, id, caller)?.state;
        if matches!(state, State::Ended { .. }) {
            return Ok(Effect::Ticket(id));
        }
        // A read renews while it waits, and only a queued ticket is waited for (rule 5).
        let lives = renew || (wait && matches!(state, State::Queued { .. }));
        self.mark_acknowledged(id);
        if lives {
            self.record_activity(id);
        }
        Ok(Effect::Asked { id, claim: true, wait })
    }

    pub(super) fn wait_on(&mut self, id: TicketId, caller: &Caller) -> Result<Effect, Rejection> {
        self.usable(None, id, caller)?;
        if self.is_ended(id) {
            return Ok(Effect::Ticket(id));
        }
        // A ticket of an earlier life is waited for only by somebody who has named it in this one.
        if self.ticket(id).number <= self.meta.dormant_to {
            self.mark_acknowledged(id);
        }
        self.record_activity(id);
        Ok(Effect::Asked { id, claim: true, wait: true })
    }

    /// The answer about a live ticket: claims it, or begins to wait, or just tells.
    pub(super) fn claim_or_wait(&mut self, at: StepContext<'_>, id: TicketId, claim: bool, wait: bool) -> Outcome {
        let mut claimed = false;
        match self.ticket(id).state {
            State::Granted if claim => {
                self.claim(at, id, 1);
                claimed = true;
            }
            State::Queued { .. } if wait => {
                self.ticket_mut(id).waiting += 1;
                self.restart_lease(id);
                return Outcome::Waiting(Box::new(self.view_ticket(id)));
            }
            State::Held => {
                let ticket = self.ticket_mut(id);
                // Its client may know now, so that the loss of an earlier answer must not take the permits away.
                ticket.activity_seq += 1;
                for (_, seat) in ticket.seats().iter() {
                    self.lock_mut(&seat.lock).statistics.got += 1;
                }
            }
            _ => {}
        }
        let mut view = self.view_ticket(id);
        view.claimed = claimed;
        Outcome::Ticket(Box::new(view))
    }

    pub(super) fn renew(&mut self, id: TicketId, caller: &Caller, ttl: Option<Ms>) -> Result<Effect, Rejection> {
        ttl.map_or(Ok(()), check_ttl)?;
        self.usable(None, id, caller)?;
        if self.is_ended(id) {
            return Err(Rejection::Gone(Box::new(self.view_ticket(id))));
        }
        self.mark_acknowledged(id);
        if let Some(ttl) = ttl {
            let lease = self.cap_lease(self.ticket(id).parts().map(|part| part.lock), Lease::Given(ttl));
            if self.ticket(id).lease != lease {
                self.ticket_mut(id).lease = lease;
                self.mark_ticket(id);
            }
        }
        self.record_activity(id);
        Ok(Effect::Asked { id, claim: true, wait: false })
    }

    /// A waiting request is over. It was a heartbeat all the while; if its client is gone and nobody else waits, the
    /// ticket is dormant, in its place, until its client is back (rule 5).
    pub(super) fn end_wait(&mut self, id: TicketId, lost: bool) -> Effect {
        let Some(ticket) = self.tickets.get_mut(&id) else {
            return Effect::Done(Outcome::Done);
        };
        // None is counted if the wait began before the table was loaded.
        ticket.waiting = ticket.waiting.saturating_sub(1);
        let last = ticket.waiting == 0;
        match ticket.state {
            State::Queued { dormant } if last => {
                self.restart_lease(id);
                if lost && !dormant {
                    self.set_dormant(id, true);
                }
            }
            _ => {}
        }
        Effect::Ticket(id)
    }

    /// The requests that waited for this ticket have been answered with the returned view.
    ///
    /// # Panics
    /// If there is no such ticket: the caller has the id from [`Table::take_served`] of this step.
    pub fn answer_waiting(&mut self, id: TicketId) -> crate::view::TicketView {
        self.ticket_mut(id).waiting = 0;
        let mut view = self.view_ticket(id);
        view.claimed = view.is_held();
        view
    }

    pub(super) fn undelivered(&mut self, at: StepContext<'_>, id: TicketId, activity_seq: u64, made: bool) -> Effect {
        let done = Effect::Done(Outcome::Done);
        let Some(ticket) = self.tickets.get(&id) else {
            return done;
        };
        if !ticket.is_live() || ticket.activity_seq != activity_seq {
            return done;
        }
        if made && ticket.request.is_none() && ticket.holder.is_none() {
            self.end(at, id, EndedAs::Cancelled, None);
        } else if ticket.state == State::Held {
            self.revert_claim(at, id);
        }
        done
    }

    pub(super) fn release(
        &mut self,
        at: StepContext<'_>,
        target: &ReleaseTarget,
        caller: &Caller,
        queued: bool,
        keep: Option<Ms>,
        broken: Option<&Arc<str>>,
    ) -> Result<Effect, Rejection> {
        if let Some(why) = broken {
            super::admin::check_text("the reason", why)?;
        }
        let id = match target {
            ReleaseTarget::Id(lock, id) => {
                self.releasable(lock.as_ref(), *id, caller)?;
                *id
            }
            ReleaseTarget::Request(lock, others, request_id) => {
                check_request_id(request_id)?;
                let (lock, others, id) = (lock.clone(), others.clone(), request_id.clone());
                let scope = RequestScope { lock, others, owner: caller.owner.clone(), id };
                match self.requests.get(&scope) {
                    Some(&id) => id,
                    None => return self.withdraw(scope, caller),
                }
            }
            ReleaseTarget::Holder(lock, holder) => match self.holders.get(&(lock.clone(), holder.clone())) {
                Some(&id) if may_use(self.ticket(id), caller) => id,
                Some(_) => return Err(Rejection::HolderTaken),
                None => return Ok(Effect::Done(Outcome::NothingHeld)),
            },
        };
        match self.ticket(id).state {
            State::Ended { how, .. } if !how.by_owner() => {
                return Err(Rejection::Gone(Box::new(self.view_ticket(id))));
            }
            State::Ended { .. } => return Ok(Effect::Done(Outcome::NothingHeld)),
            State::Queued { .. } if !queued => {
                self.mark_acknowledged(id);
                return Ok(Effect::Done(Outcome::NothingHeld));
            }
            State::Queued { .. } => self.end(at, id, EndedAs::Cancelled, None),
            State::Granted | State::Held => {
                let after = After { keep: keep.unwrap_or(0), broken: broken.cloned() };
                self.end_and_keep(at, id, EndedAs::Released, None, &after);
            }
        }
        Ok(Effect::Ticket(id))
    }

    /// Remembers a `request_id` whose request never arrived, so that it takes nothing if it still does (rule 6).
    fn withdraw(&mut self, scope: RequestScope, caller: &Caller) -> Result<Effect, Rejection> {
        super::checks::check_order(&scope.lock, scope.others.iter())?;
        for lock in std::iter::once(&scope.lock).chain(&scope.others) {
            if !self.locks.contains_key(lock) && self.matching_template(lock.as_str()).is_none() {
                return Err(Rejection::UnknownLock.in_lock(lock, !scope.others.is_empty()));
            }
        }
        if self.withdrawn.contains_key(&scope) {
            return Ok(Effect::Done(Outcome::NothingHeld));
        }
        let by = caller.quota_owner();
        if self.withdrawn_by.of(&by) >= OWNER_WITHDRAWN_MAX {
            let what = "cancelled request ids of a key or address";
            return Err(Rejection::LimitReached { what, max: OWNER_WITHDRAWN_MAX as u64 });
        }
        if self.withdrawn_by.len() >= WITHDRAWN_MAX {
            let (_, (_, oldest)) = self.withdrawn_by.makes_room(&by).expect("at its bound");
            let oldest = oldest.clone();
            self.forget_withdrawn(&oldest);
        }
        let until = self.now() + ENDED_MEMORY_MS;
        self.timers.set(Timer::Withdrawn(scope.clone()), until);
        self.withdrawn_by.insert(&by, (until, scope.clone()));
        let record = Withdrawn { scope: scope.clone(), until };
        self.withdrawn.insert(scope.clone(), Withdrawal { record, by });
        self.mark(Key::Withdrawn(scope));
        Ok(Effect::Done(Outcome::NothingHeld))
    }

    pub(super) fn forget_withdrawn(&mut self, scope: &RequestScope) {
        let Withdrawal { record, by } = self.withdrawn.remove(scope).expect("a scope from the table's own lists");
        self.withdrawn_by.remove(&by, &(record.until, scope.clone()));
        self.timers.cancel(&Timer::Withdrawn(scope.clone()));
        self.mark(Key::Withdrawn(scope.clone()));
    }

    pub(super) fn verify(&self, lock: &LockName, token: u64) -> Result<Outcome, Rejection> {
        let Some(of) = self.locks.get(lock) else {
            let known = self.matching_template(lock.as_str()).is_some();
            return Err(if known { Rejection::NotAHolder } else { Rejection::UnknownLock });
        };
        match of.active.get(&token) {
            Some(&id) if self.ticket(id).state == State::Held => Ok(Outcome::Ticket(Box::new(self.view_ticket(id)))),
            _ => Err(Rejection::NotAHolder),
        }
    }

    pub(super) fn revoke(
        &mut self,
        at: StepContext<'_>,
        lock: &LockName,
        number: u64,
        caller: &Caller,
        reason: &Arc<str>,
        only: Option<Stage>,
    ) -> Result<Effect, Rejection> {
        super::admin::check_text("the reason", reason)?;
        let id = *self.numbers.get(&number).ok_or(Rejection::UnknownTicket)?;
        let ticket = self.ticket(id);
        if !ticket.is_of(lock) {
            return Err(Rejection::UnknownTicket);
        }
        let own = caller.owner.is_some() && ticket.owner == caller.owner;
        if !caller.admin && !own {
            return Err(Rejection::NotAllowed);
        }
        if only.is_some_and(|stage| ticket.stage() != Some(stage)) {
            return Err(Rejection::StageChanged(Box::new(self.view_ticket(id))));
        }
        self.end(at, id, EndedAs::Revoked, Some(reason.clone()));
        Ok(Effect::Ticket(id))
    }
}
