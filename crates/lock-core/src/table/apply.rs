//! A command: what it changes, the grants that follow, and its answer.

use super::{StepContext, Table};
use crate::command::{Caller, Command, Outcome, Rejection};
use crate::{LockName, TicketId};

/// What a command has done. Its answer is made when the grants that follow from it are.
pub(super) enum Effect {
    /// The answer is known.
    Done(Outcome),
    /// This ticket was asked for: it is claimed if it is granted, or waited for if it is queued.
    Asked { id: TicketId, claim: bool, wait: bool },
    /// The answer shows this ticket.
    Ticket(TicketId),
    /// The answer shows this lock.
    Lock(LockName),
}

impl Table {
    /// Applies one command of this caller. On a rejection nothing has changed.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn apply(&mut self, at: StepContext<'_>, caller: &Caller, command: &Command) -> Result<Outcome, Rejection> {
        debug_assert_eq!(at.now, self.now(), "a step has one time");
        self.author = command.is_told_with_its_author().then(|| caller.name());
        let outcome = self.apply_by_author(at, caller, command);
        self.author = None;
        outcome
    }

    fn apply_by_author(
        &mut self,
        at: StepContext<'_>,
        caller: &Caller,
        command: &Command,
    ) -> Result<Outcome, Rejection> {
        let effect = self.change(at, caller, command)?;
        let asked = match effect {
            Effect::Asked { id, .. } => Some(id),
            _ => None,
        };
        // The client of this very request is there, whatever became of others that wait for the same ticket.
        let is_connected = |id| asked == Some(id) || (at.is_connected)(id);
        self.grant_ripe(StepContext { is_connected: &is_connected, ..at });
        Ok(match effect {
            Effect::Done(outcome) => outcome,
            Effect::Asked { id, claim, wait } => self.claim_or_wait(at, id, claim, wait),
            Effect::Ticket(id) => Outcome::Ticket(Box::new(self.view_ticket(id))),
            Effect::Lock(name) => self.lock_outcome(&name),
        })
    }

    fn change(&mut self, at: StepContext<'_>, caller: &Caller, command: &Command) -> Result<Effect, Rejection> {
        match command {
            Command::Acquire(new) => self.acquire(at, caller, new),
            Command::Get { lock, id, renew, wait } => self.get(lock.as_ref(), *id, caller, *renew, *wait),
            Command::WaitOn { id } => self.wait_on(*id, caller),
            Command::Renew { id, ttl } => self.renew(*id, caller, *ttl),
            Command::EndWait { id, lost } => Ok(self.end_wait(*id, *lost)),
            Command::Release { target, queued, keep, withhold } => {
                self.release(at, target, caller, *queued, *keep, withhold.as_ref())
            }
            Command::Undelivered { id, activity_seq, made } => Ok(self.undelivered(at, *id, *activity_seq, *made)),
            Command::PutLock { name, settings, precondition, force } => {
                self.put_lock(at, name, settings, *precondition, *force)
            }
            Command::PatchLock { name, patch, precondition, force } => {
                self.patch_lock(at, name, patch, *precondition, *force)
            }
            Command::DeleteLock { name, precondition, force } => self.delete_lock(at, name, *precondition, *force),
            Command::Revoke { lock, number, reason, only } => self.revoke(at, lock, *number, caller, reason, *only),
            Command::Withhold { lock, what, reason, lasts } => self.withhold(at, lock, what, reason, *lasts),
            Command::Restore { lock, which } => self.restore(at, lock, which),
            Command::Outside { lock, report } => self.report_outside(at, lock, *report),
            Command::Configure { definitions, mode } => Ok(Effect::Done(self.configure(at, definitions, *mode))),
            Command::ListLocks { after, limit, tickets, among } => {
                Ok(Effect::Done(self.list_locks(after.as_ref(), *limit, *tickets, among.as_deref())))
            }
            Command::ViewLock { name, tickets, after } => self.view_lock(name, *tickets, *after).map(Effect::Done),
            Command::ListMine { after, tickets } => Ok(Effect::Done(self.list_mine(caller, *after, *tickets))),
            Command::Verify { lock, token } => self.verify(lock, *token).map(Effect::Done),
        }
    }
}
