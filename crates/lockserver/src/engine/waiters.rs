//! Requests that wait on the server, by the ticket they wait for.

use super::answer::Answer;
use lock_core::{Caller, TicketId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::oneshot;

/// Knows whether a client is still connected. Asked in a step, just before a permit is given away.
pub trait Presence: Send + Sync {
    /// Whether the client could still be told.
    fn is_open(&self) -> bool;
}

/// Whose client a look is for, if its protocol says so.
#[derive(Clone)]
pub(crate) struct Onlooker(pub(crate) Arc<dyn Presence>);

impl fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Onlooker").finish_non_exhaustive()
    }
}

/// Whether the handler of a waiting request still waits: known at once to both sides.
#[derive(Debug, Default)]
pub(crate) struct WaitState(AtomicU8);

impl WaitState {
    const OVER: u8 = 1;
    const LOST: u8 = 2;

    pub(crate) fn set(&self, lost: bool) {
        self.0.store(if lost { Self::LOST } else { Self::OVER }, Ordering::Release);
    }

    fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Acquire) {
            Self::OVER => Some(false),
            Self::LOST => Some(true),
            _ => None,
        }
    }
}

/// One waiting request.
#[derive(Clone)]
pub(crate) struct Waiter {
    /// Never given twice while the process runs.
    pub(crate) number: u64,
    pub(crate) presence: Arc<dyn Presence>,
    /// Its handler has given up, even if the engine has not heard of it yet.
    pub(crate) wait_state: Arc<WaitState>,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Waiter {
    /// Whether its client could be told of a grant. One that only waits no longer could: it is still to be answered.
    pub(crate) fn is_open(&self) -> bool {
        self.wait_state.get() != Some(true) && self.presence.is_open()
    }

    /// Whether its handler has given up, and then whether its client is gone.
    pub(crate) fn given_up(&self) -> Option<bool> {
        self.wait_state.get().map(|lost| lost || !self.presence.is_open())
    }
}

/// A waiter that the core knows of.
#[derive(Debug)]
pub(crate) struct PendingWait {
    pub(crate) waiter: Waiter,
    pub(crate) caller: Caller,
    /// Its request made the ticket, and nothing but its answer names it.
    pub(crate) made: bool,
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// All waiters.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_ticket: HashMap<TicketId, Vec<PendingWait>>,
    tickets: HashMap<u64, TicketId>,
}

impl Waiters {
    pub(crate) fn add(&mut self, id: TicketId, waiter: PendingWait) {
        self.tickets.insert(waiter.waiter.number, id);
        self.by_ticket.entry(id).or_default().push(waiter);
    }

    /// Whether a client that waits for the ticket is connected.
    pub(crate) fn any_open(&self, id: TicketId) -> bool {
        self.by_ticket.get(&id).is_some_and(|all| all.iter().any(|one| one.waiter.is_open()))
    }

    /// Whether a request waits for the ticket, be its client connected or not.
    pub(crate) fn waits(&self, id: TicketId) -> bool {
        self.by_ticket.contains_key(&id)
    }

    /// Takes one out by its number.
    pub(crate) fn remove(&mut self, number: u64) -> Option<(TicketId, PendingWait)> {
        let id = self.tickets.remove(&number)?;
        let all = self.by_ticket.get_mut(&id)?;
        let index = all.iter().position(|one| one.waiter.number == number)?;
        let one = all.swap_remove(index);
        if all.is_empty() {
            self.by_ticket.remove(&id);
        }
        Some((id, one))
    }

    /// Takes all of a ticket out.
    pub(crate) fn take(&mut self, id: TicketId) -> Vec<PendingWait> {
        let all = self.by_ticket.remove(&id).unwrap_or_default();
        for one in &all {
            self.tickets.remove(&one.waiter.number);
        }
        all
    }

    /// Takes everybody out, tickets in order.
    pub(crate) fn take_all(&mut self) -> Vec<(TicketId, PendingWait)> {
        self.tickets.clear();
        let mut all: Vec<_> = self.by_ticket.drain().collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().flat_map(|(id, waiters)| waiters.into_iter().map(move |one| (id, one))).collect()
    }
}
