//! What is asked of tickets (rules 5 and 6).

use super::{Naive, Ticket, Words, change_more, may_use};
use lock_core::*;
use std::sync::Arc;

/// Whether the caller's key is for that lock.
pub(super) fn is_for(caller: &Caller, name: &LockName) -> bool {
    let Some(locks) = &caller.locks else { return true };
    locks.iter().any(|target| match target {
        Target::Lock(own) => own == name,
        Target::Template(prefix) => name.as_str().starts_with(prefix.as_str()),
    })
}

impl Naive {
    pub(crate) fn apply(&mut self, caller: &Caller, command: &Command) -> Words {
        let administers = matches!(
            command,
            Command::PutLock { .. }
                | Command::PatchLock { .. }
                | Command::DeleteLock { .. }
                | Command::Revoke { .. }
                | Command::Restore { .. }
                | Command::Configure { .. }
        );
        self.author = administers.then(|| caller.owner.clone().unwrap_or_else(|| caller.from.clone()));
        let words = match command {
            Command::Acquire(new) => self.acquire(caller, new),
            Command::Get { lock, id, renew, wait } => self.get(lock.as_ref(), *id, caller, *renew, *wait),
            Command::WaitOn { id } => self.wait_on(*id, caller),
            Command::Renew { id, ttl } => self.renew(*id, caller, *ttl),
            Command::EndWait { id, lost } => self.end_wait(*id, *lost),
            Command::Release { target, queued, keep, withhold } => {
                self.release(target, caller, *queued, *keep, withhold.clone())
            }
            Command::Undelivered { .. } => unreachable!("the driver knows which answer it was"),
            Command::PutLock { name, settings, precondition, force } => self.put(name, settings, *precondition, *force),
            Command::PatchLock { name, patch, precondition, force } => self.patch(name, patch, *precondition, *force),
            Command::DeleteLock { name, precondition, force } => self.delete(name, *precondition, *force),
            Command::Revoke { lock, number, reason, only } => self.revoke(lock, *number, caller, reason, *only),
            Command::Withhold { lock, what, reason, lasts } => self.withhold(lock, what, reason, *lasts),
            Command::Restore { lock, which } => self.restore_which(lock, which),
            Command::Outside { lock, report } => self.outside(lock, *report),
            Command::Configure { definitions, mode } => self.configure(definitions, *mode),
            Command::Verify { lock, token } => self.verify(lock, *token),
            Command::ViewLock { name, .. } if self.known(name) => "lock".into(),
            Command::ViewLock { .. } => "unknown lock".into(),
            Command::ListLocks { .. } | Command::ListMine { .. } => "seen".into(),
        };
        self.grant_all(None);
        self.author = None;
        words
    }

    pub(super) fn usable(&self, lock: Option<&LockName>, id: TicketId, caller: &Caller) -> Result<(), Words> {
        if lock.is_some_and(|lock| !self.known(lock)) {
            return Err("unknown lock".into());
        }
        let fits = |ticket: &Ticket| may_use(&ticket.rec, caller) && lock.is_none_or(|lock| ticket.rec.is_of(lock));
        match self.find(id) {
            Some(ticket) if fits(ticket) && self.in_reach(ticket, caller) => Ok(()),
            Some(ticket) if fits(ticket) && ticket.rec.owner == caller.owner => Err("out of reach".into()),
            _ => Err("unknown ticket".into()),
        }
    }

    /// Whether the caller's key is for each of the ticket's locks.
    fn in_reach(&self, ticket: &Ticket, caller: &Caller) -> bool {
        ticket.rec.parts().all(|part| is_for(caller, part.lock))
    }

    /// Rules 5 and 9: whether the command renews the lease of a live ticket, and of which.
    pub(crate) fn signs(&self, caller: &Caller, command: &Command) -> Option<TicketId> {
        let (id, counts) = match command {
            Command::Get { lock, id, renew, wait } => {
                self.usable(lock.as_ref(), *id, caller).ok()?;
                let counts = match self.find(*id)?.rec.state {
                    State::Queued { .. } => *renew || *wait,
                    State::Granted => true,
                    _ => *renew,
                };
                (*id, counts)
            }
            Command::Renew { id, ttl } => {
                self.usable(None, *id, caller).ok()?;
                (*id, ttl.is_none_or(|ttl| ttl >= 1000))
            }
            Command::WaitOn { id } => {
                self.usable(None, *id, caller).ok()?;
                (*id, true)
            }
            Command::Acquire(new) => (self.repeated(caller, new).ok()??, true),
            _ => return None,
        };
        (counts && self.find(id)?.rec.is_live()).then_some(id)
    }

    pub(super) fn get(
        &mut self,
        lock: Option<&LockName>,
        id: TicketId,
        caller: &Caller,
        renew: bool,
        wait: bool,
    ) -> Words {
        if let Err(why) = self.usable(lock, id, caller) {
            return why;
        }
        let state = self.ticket(id).rec.state.clone();
        if self.ticket(id).rec.is_live() {
            self.ticket(id).rec.acknowledged = true;
        }
        match state {
            State::Ended { .. } => return self.describe(id),
            State::Queued { .. } if renew || wait => self.record_activity(id),
            _ if renew => self.record_activity(id),
            _ => {}
        }
        self.told(id, true, wait)
    }

    /// The engine's word: the client is there, and may not know its ticket, unless that is of an earlier life.
    fn wait_on(&mut self, id: TicketId, caller: &Caller) -> Words {
        if let Err(why) = self.usable(None, id, caller) {
            return why;
        }
        if !self.ticket(id).rec.is_live() {
            return self.describe(id);
        }
        let dormant_to = self.meta.dormant_to;
        let ticket = self.ticket(id);
        ticket.rec.acknowledged |= ticket.rec.number <= dormant_to;
        self.record_activity(id);
        self.told(id, true, true)
    }

    pub(super) fn renew(&mut self, id: TicketId, caller: &Caller, ttl: Option<Ms>) -> Words {
        if ttl.is_some_and(|ttl| ttl < 1000) {
            return "invalid".into();
        }
        if let Err(why) = self.usable(None, id, caller) {
            return why;
        }
        let record = self.ticket(id).rec.clone();
        if let State::Ended { how, .. } = record.state {
            return format!("gone {}", how.as_str());
        }
        self.ticket(id).rec.acknowledged = true;
        if let Some(ttl) = ttl {
            let locks: Vec<&LockName> = record.parts().map(|part| part.lock).collect();
            self.ticket(id).rec.lease = self.capped(&locks, Lease::Given(ttl));
        }
        self.record_activity(id);
        self.told(id, true, false)
    }

    pub(super) fn end_wait(&mut self, id: TicketId, lost: bool) -> Words {
        if self.find(id).is_none() {
            return "done".into();
        }
        let ticket = self.ticket(id);
        ticket.waiting -= 1;
        let (last, state) = (ticket.waiting == 0, ticket.rec.state.clone());
        if last && matches!(state, State::Queued { .. }) {
            self.restart_lease(id);
            if lost {
                self.ticket(id).rec.state = State::Queued { dormant: true };
            }
        }
        self.grant_all(None);
        self.describe(id)
    }

    /// `life`: heartbeats up to the answer that was not delivered.
    pub(crate) fn undelivered(&mut self, id: TicketId, life: u64, made: bool) -> Words {
        let Some(ticket) = self.find(id) else {
            return "done".into();
        };
        if !ticket.rec.is_live() || ticket.life != life {
            return "done".into();
        }
        if made && ticket.rec.request.is_none() && ticket.rec.holder.is_none() {
            self.end(id, EndedAs::Cancelled, None);
        } else if ticket.rec.state == State::Held {
            let ticket = self.ticket(id);
            ticket.rec.state = State::Granted;
            ticket.rec.held_at = None;
            ticket.rec.hold_until = None;
            change_more(&mut ticket.rec, |more| {
                more.not_before = None;
                more.parts.iter_mut().for_each(|part| part.not_before = None);
            });
            self.restart_lease(id);
        }
        self.grant_all(None);
        "done".into()
    }

    pub(super) fn release(
        &mut self,
        target: &ReleaseTarget,
        caller: &Caller,
        queued: bool,
        keep: Option<Ms>,
        broken: Option<Arc<str>>,
    ) -> Words {
        let id = match target {
            ReleaseTarget::Id(lock, id) => match self.usable(lock.as_ref(), *id, caller) {
                Err(why) if why != "out of reach" => return why,
                // One's own may always be given back.
                _ => *id,
            },
            ReleaseTarget::Request(lock, others, id) => {
                let (others, owner) = (others.clone(), caller.owner.clone());
                let scope = RequestScope { lock: lock.clone(), others, owner, id: id.clone() };
                let unknown = std::iter::once(lock).chain(&scope.others).find(|lock| !self.known(lock));
                match self.by_request(&scope) {
                    Some(ticket) => ticket.id,
                    None if unknown.is_some() && scope.others.is_empty() => return "unknown lock".into(),
                    None if unknown.is_some() => return format!("{}: unknown lock", unknown.expect("is some")),
                    None => {
                        let until = self.now() + 600_000;
                        if self.withdrawn.iter().all(|withdrawn| withdrawn.scope != scope) {
                            self.withdrawn.push(Withdrawn { scope, until });
                        }
                        return "nothing".into();
                    }
                }
            }
            ReleaseTarget::Holder(lock, holder) => match self.by_holder(lock, holder) {
                Some(ticket) if may_use(ticket, caller) => ticket.id,
                Some(_) => return "holder taken".into(),
                None => return "nothing".into(),
            },
        };
        match self.ticket(id).rec.state {
            State::Ended { how: EndedAs::Released | EndedAs::Cancelled, .. } => return "nothing".into(),
            State::Ended { how, .. } => return format!("gone {}", how.as_str()),
            State::Queued { .. } if !queued => {
                self.ticket(id).rec.acknowledged = true;
                return "nothing".into();
            }
            State::Queued { .. } => self.end(id, EndedAs::Cancelled, None),
            _ => {
                self.end_and_keep(id, EndedAs::Released, None, keep.unwrap_or(0), broken);
            }
        }
        self.describe(id)
    }

    pub(super) fn revoke(
        &mut self,
        lock: &LockName,
        number: u64,
        caller: &Caller,
        reason: &Arc<str>,
        only: Option<Stage>,
    ) -> Words {
        let live = |ticket: &&Ticket| ticket.rec.number == number && ticket.rec.is_live();
        let Some(ticket) = self.tickets.iter().find(live).filter(|ticket| ticket.rec.is_of(lock)) else {
            return "unknown ticket".into();
        };
        if !caller.admin && (caller.owner.is_none() || caller.owner != ticket.rec.owner) {
            return "not allowed".into();
        }
        let is_there = |stage| match stage {
            Stage::Queued => matches!(ticket.rec.state, State::Queued { .. }),
            Stage::Granted => ticket.rec.state == State::Granted,
            Stage::Held => ticket.rec.state == State::Held,
        };
        if !only.is_none_or(is_there) {
            return "moved".into();
        }
        let id = ticket.rec.id;
        self.end(id, EndedAs::Revoked, Some(reason.clone()));
        self.describe(id)
    }

    pub(super) fn verify(&self, lock: &LockName, token: u64) -> Words {
        if !self.known(lock) {
            return "unknown lock".into();
        }
        let holds = |t: &&&Ticket| t.rec.token == Some(token) && t.rec.state == State::Held;
        match self.active(lock).iter().find(holds) {
            Some(ticket) => self.describe(ticket.rec.id),
            None => "not a holder".into(),
        }
    }

    pub(super) fn shown(&mut self, lock: &LockName) -> Words {
        self.grant_all(None);
        if self.has_lock(lock) { "lock".into() } else { "done".into() }
    }
}
