//! The judge: holds what clients were told against what is durable. What was acknowledged, what was refused and what is
//! unknown are three things; an unknown outcome may show later, or never.

use crate::admin;
use crate::durable::{Durable, Facts, Moved};
use crate::trace::Trace;
use lock_core::{
    Change, Command, EndedAs, EventKind, Lease, LockRecord, Outcome, Permits, QueueLease, Rejection, State, TicketId,
    TicketRecord, TicketView, Transition, WithheldCause,
};
use lockserver::engine::{Answer, CommandResult, EngineError, EventId, Published};
use std::collections::{BTreeMap, BTreeSet};

/// What a client may rely on, because it was told so.
#[derive(Debug)]
struct Belief {
    /// Monotonic time until which the server promised to remember the ticket, counted from when the request was *sent*.
    until: u64,
    held: bool,
    /// Since when its lease is what it is: what was asked before says nothing of its end.
    since: u64,
}

/// What the server owes after a client was lost or could not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Debt {
    /// The ticket is cancelled: nobody else knows of it (rule 6).
    Cancel,
    /// The ticket is not held, but granted anew (rule 5).
    GrantAnew,
    /// The ticket is dormant until its client is back (rule 5).
    Dormant,
}

/// Answers about one ticket in one step share what becomes of them.
#[derive(Debug, Default)]
struct Shared {
    open: u32,
    /// Its client may have read one of them.
    may_know: bool,
}

/// See the module.
pub(crate) struct Judge {
    pub(crate) durable: Durable,
    trace: Trace,
    beliefs: BTreeMap<TicketId, Belief>,
    debts: BTreeMap<(TicketId, Debt), u64>,
    shared: BTreeMap<(TicketId, u64), Shared>,
    /// Steps that were durable.
    good: u64,
    seen: EventId,
}

impl Judge {
    pub(crate) fn new(trace: Trace) -> Self {
        Self {
            durable: Durable::default(),
            trace,
            beliefs: BTreeMap::new(),
            debts: BTreeMap::new(),
            shared: BTreeMap::new(),
            good: 0,
            seen: EventId { term: 0, sequence: 0 },
        }
    }

    /// A commit took effect, whether the engine knows or not.
    pub(crate) fn commit(&mut self, changes: &[Change], facts: &Facts, mono: u64) {
        self.leases_of_locks_change(changes);
        for change in changes {
            if let Change::PutWithholding(one) = change {
                self.trace.count(match one.cause {
                    WithheldCause::LostHolder => "permits withheld after their holder was lost",
                    WithheldCause::Cooldown => "permits that rest after their claim",
                    WithheldCause::Broken => "permits given back as broken",
                    WithheldCause::Admin => "permits withheld by an administrator",
                    WithheldCause::Outside => "permits withheld for what others use",
                });
            }
        }
        let moved = self.durable.commit(changes, facts);
        for pair in &moved {
            self.count(pair);
            self.count_dormant(pair, facts);
            let Some(after) = &pair.after else { continue };
            let Some(belief) = self.beliefs.get(&after.id) else {
                continue;
            };
            match after.state {
                State::Ended {
                    how:
                        EndedAs::Revoked
                        | EndedAs::Superseded
                        | EndedAs::Overdue
                        | EndedAs::LockDeleted
                        | EndedAs::Oversized,
                    ..
                } => {
                    self.beliefs.remove(&after.id);
                }
                // It was told to have it in an answer that a crash swallowed, and it still waits.
                State::Ended { how: EndedAs::Lost, .. } if !belief.held => {
                    self.beliefs.remove(&after.id);
                }
                State::Ended { .. } => assert!(
                    belief.until <= mono,
                    "a client that sent a heartbeat in time is lost: {belief:?} {after:?}"
                ),
                State::Queued { .. } | State::Granted => assert!(
                    !belief.held || belief.until <= mono,
                    "a holder that was told so, and sent a heartbeat in time, lost its permit: {belief:?} {after:?}"
                ),
                State::Held => {}
            }
        }
    }

    /// A lease that is the lock's is what the lock's settings say now, whatever its client was told.
    fn leases_of_locks_change(&mut self, changes: &[Change]) {
        for change in changes {
            let Change::PutLock(new) = change else { continue };
            let lease = |lock: &LockRecord| (lock.settings.grace, lock.settings.expiration, lock.settings.max_lock);
            let same = self.durable.locks.get(&new.name).is_some_and(|old| lease(old) == lease(new));
            let tickets = &self.durable.tickets;
            self.beliefs.retain(|id, _| {
                let of_lock = tickets.get(id).is_some_and(|t| t.is_of(&new.name) && t.lease == Lease::OfLock);
                same || !of_lock
            });
        }
    }

    /// The client asks for another lease: from now on it may be that, whether it hears so or not.
    pub(crate) fn asks_for_lease(&mut self, id: TicketId, ttl: u64, mono: u64) {
        if let Some(belief) = self.beliefs.get_mut(&id) {
            belief.until = belief.until.min(mono + ttl);
            belief.since = mono;
        }
    }

    fn count(&self, Moved { before, after }: &Moved) {
        let state = |ticket: &Option<TicketRecord>| ticket.as_ref().map(|ticket| ticket.state.clone());
        let what = match (state(before), state(after)) {
            (_, Some(State::Ended { how, .. })) => match how {
                EndedAs::Released => "ended: released",
                EndedAs::Cancelled => "ended: cancelled",
                EndedAs::Superseded => "ended: superseded",
                EndedAs::Expired => "ended: expired",
                EndedAs::Lost => "ended: lost",
                EndedAs::Overdue => "ended: overdue",
                EndedAs::Revoked => "ended: revoked",
                EndedAs::Oversized => "ended: oversized",
                EndedAs::LockDeleted => "ended: lock deleted",
            },
            (Some(State::Ended { .. }), None) => "ended tickets forgotten after 10 minutes",
            (Some(State::Held), Some(State::Granted)) => "granted anew after an undelivered answer",
            (Some(State::Granted), Some(State::Queued { .. })) => "lapsed grants",
            (Some(State::Queued { dormant: true }), Some(State::Granted | State::Held)) => "woken and granted at once",
            (Some(State::Queued { .. }), Some(State::Granted | State::Held)) => "grants after waiting",
            (Some(State::Queued { dormant: false }), Some(State::Queued { dormant: true })) => "made dormant",
            (None, Some(State::Granted | State::Held)) => "grants at once",
            _ => return,
        };
        self.trace.count(what);
        let all =
            |ticket: &Option<TicketRecord>| ticket.as_ref().is_some_and(|t| t.is_active() && t.permits == Permits::All);
        if all(after) && !all(before) {
            self.trace.count("grants of all permits");
        }
        let bundle = |ticket: &Option<TicketRecord>| ticket.as_ref().is_some_and(|t| t.is_active() && t.is_bundle());
        if bundle(after) && !bundle(before) {
            self.trace.count("grants of bundles");
        }
    }

    fn count_dormant(&self, Moved { before, after }: &Moved, facts: &Facts) {
        let (Some(before), Some(after)) = (before, after) else {
            return;
        };
        if facts.strangers.contains(&after.id) && after.state == (State::Queued { dormant: true }) {
            match before.state {
                State::Granted => self.trace.count("grants taken back after a crash"),
                State::Queued { .. } => self.trace.count("dormant places after a crash"),
                _ => {}
            }
        }
    }

    /// Rule 9: after the first step of a process nobody stands in the way who may not know of its ticket.
    pub(crate) fn nobody_unknown_is_in_the_way<'a>(&self, strangers: impl Iterator<Item = &'a TicketId>) {
        let strangers: BTreeSet<&TicketId> = strangers.collect();
        let ghost = self.durable.unknown().find(|ticket| strangers.contains(&ticket.id));
        assert!(ghost.is_none(), "rule 9: a ghost is in the way: {ghost:?}");
    }

    /// A client got this answer, sent by it at that time, and acts on it.
    pub(crate) fn told(&mut self, view: &TicketView, sent: u64, mono: u64) {
        let id = view.ticket.id;
        let Some(durable) = self.durable.live(id) else { return };
        let held = view.ticket.state == State::Held;
        // While another of its requests waits no lease runs, and then it begins in full. What a gap adds to a lease is a
        // present that a restart may take back: relied on is the lease itself.
        let settings = durable.parts().filter_map(|part| Some(&self.durable.locks.get(part.lock)?.settings));
        let of_lock = settings.filter_map(|s| if held { s.max_lock } else { s.expiration }).min();
        let minute = !held && durable.queue_lease == QueueLease::Minute;
        if durable.lease == Lease::OfLock && !minute && view.ttl != of_lock {
            // Told of the lock's lease as it was before a change in the very same step.
            return;
        }
        let left = view.expires_in.into_iter().chain(view.ttl).min();
        let until = left.map_or(u64::MAX, |left| sent + left);
        if until <= mono {
            return;
        }
        let same = durable.parts().map(|part| part.slots).eq(view.ticket.parts().map(|part| part.slots));
        let slots_are_right = !held || (same && durable.token == view.ticket.token);
        assert!(
            slots_are_right && (!held || durable.state == State::Held),
            "a client is told that it holds, and it does not: {durable:?} {view:?}"
        );
        if held {
            // Now it knows, whatever became of other answers.
            self.touched(id);
        }
        let belief = self.beliefs.entry(id).or_insert(Belief { until, held, since: 0 });
        if held && !belief.held {
            // Waiting and holding have leases of their own.
            *belief = Belief { until, held: true, since: belief.since };
        } else if belief.held == held && belief.since <= sent {
            belief.until = belief.until.max(until);
        }
    }

    /// The client gives the ticket up: it relies on nothing any more.
    pub(crate) fn disbelieve(&mut self, id: TicketId) {
        self.beliefs.remove(&id);
    }

    /// Rule 1 as clients see it: no two that may rely on it have the same slot.
    pub(crate) fn no_slot_is_believed_twice(&self, mono: u64) {
        let mut slots: BTreeMap<(&str, u32), TicketId> = BTreeMap::new();
        for (&id, belief) in &self.beliefs {
            let Some(ticket) = self.durable.live(id).filter(|_| belief.held && belief.until > mono) else {
                continue;
            };
            for part in ticket.parts() {
                for slot in part.slots.iter().flat_map(|&(first, last)| first..=last) {
                    let other = slots.insert((part.lock.as_str(), slot), id);
                    assert!(other.is_none(), "slot {slot} of {} is relied on twice: {id:?} {other:?}", part.lock);
                }
            }
        }
    }

    /// An answer has left the engine in a step with so many failed commits. `only` says that it had no other commits,
    /// `waited` that the request had been waiting.
    pub(crate) fn answered(
        &mut self,
        command: &Command,
        answer: &Answer,
        step: u64,
        failed: u32,
        only: bool,
        waited: bool,
    ) {
        let made = match command {
            Command::Acquire(new) => Some(new),
            _ => None,
        };
        let nameless = made.is_some_and(|new| new.request_id.is_none() && new.holder.is_none());
        let absent = |durable: &Durable| {
            let id = made.map(|new| new.id);
            assert!(
                id.is_none_or(|id| !durable.tickets.contains_key(&id)),
                "refused, and there: {command:?} {answer:?}"
            );
        };
        match answer {
            Ok(told) => {
                assert!(!only, "told of a step that is not durable: {command:?} {answer:?}");
                self.looked(command, &told.outcome);
                if let Outcome::Ticket(view) = &told.outcome {
                    self.tells_the_durable(view);
                    let about = matches!(command, Command::Acquire(_) | Command::Get { .. } | Command::Renew { .. });
                    let live = view.ended().is_none();
                    let counts = live
                        && ((nameless && made.is_some()) || (about && (view.claimed || (waited && view.is_held()))));
                    assert!(told.receipt.is_some() || !counts, "no receipt: {command:?} {view:?}");
                    if let Command::Verify { token, .. } = command {
                        self.trace.count("fencing tokens that were a holder's");
                        assert_eq!((view.ticket.token, view.is_held()), (Some(*token), true), "a token is a holder's");
                    }
                    if told.receipt.is_some() && !nameless {
                        self.shared.entry((view.ticket.id, step)).or_default().open += 1;
                    }
                }
            }
            Err(EngineError::Rejected(Rejection::NotAHolder)) => {
                self.trace.count("fencing tokens that were nobody's");
                absent(&self.durable);
            }
            Err(EngineError::Unavailable { may_have_taken_effect: true, .. }) => {
                assert!(failed > 0 || waited, "no commit failed: {command:?} {answer:?}");
                if let Some(new) = made.filter(|_| nameless) {
                    self.owe(new.id, Debt::Cancel);
                }
            }
            Err(EngineError::Unavailable { .. } | EngineError::Overloaded | EngineError::ShuttingDown) => {
                absent(&self.durable)
            }
            Err(EngineError::Rejected(Rejection::StageChanged(view))) => {
                self.trace.count("tickets that had moved on when they were to be ended");
                self.tells_the_durable(view);
                assert!(view.ended().is_none(), "{command:?}");
                absent(&self.durable);
            }
            Err(EngineError::Rejected(Rejection::Gone(view))) => {
                self.trace.count("told how a ticket ended");
                self.tells_the_durable(view);
                absent(&self.durable);
            }
            Err(EngineError::Rejected(Rejection::UnknownTicket)) => {
                let id = match command {
                    Command::Get { id, .. } | Command::Renew { id, .. } => Some(*id),
                    Command::Acquire(_) => panic!("{command:?}: {answer:?}"),
                    _ => None,
                };
                let there = id.is_some_and(|id| self.durable.tickets.contains_key(&id));
                assert!(!there, "a ticket that is remembered is unknown: {command:?}");
            }
            Err(EngineError::Rejected(_)) => absent(&self.durable),
        }
    }

    /// What a list shows fits together.
    fn looked(&self, command: &Command, outcome: &Outcome) {
        let locks = match outcome {
            Outcome::Lock(lock) => std::slice::from_ref(&**lock),
            Outcome::Locks(page) => &page.locks,
            Outcome::Tickets(tickets) => {
                self.trace.count("lists of one's own");
                let own = |view: &TicketView| view.ticket.owner.as_deref() == Some(admin::KEY);
                assert!(tickets.tickets.iter().all(|view| own(view) && view.ended().is_none()), "{command:?}");
                return;
            }
            _ => return,
        };
        self.trace.count("looks at locks");
        if let Command::ListLocks { among: Some(among), .. } = command {
            self.trace.count("looks at some locks");
            assert!(locks.iter().all(|lock| among.iter().any(|target| target.takes(&lock.lock.name))));
        }
        for lock in locks {
            let (usage, size) = (&lock.usage, u64::from(lock.lock.settings.size()));
            let out = usage.in_use + usage.withheld;
            assert!(usage.free + out <= size.max(out), "{lock:?}");
            assert!(lock.holders.len() as u64 <= usage.holding && lock.queue.len() as u64 <= usage.queued, "{lock:?}");
            assert!(lock.holders.iter().all(|view| view.ticket.is_active() && view.ticket.is_of(&lock.lock.name)));
            assert!(lock.queue.iter().all(|view| matches!(view.ticket.state, State::Queued { .. })));
            assert!(
                lock.queue.windows(2).all(|two| two[0].ahead <= two[1].ahead),
                "the queue is in its order: {lock:?}"
            );
        }
    }

    fn tells_the_durable(&self, view: &TicketView) {
        let told = &view.ticket;
        let durable = self.durable.tickets.get(&told.id);
        let durable = durable.unwrap_or_else(|| panic!("told of a ticket that is not durable: {told:?}"));
        assert_eq!(durable.number, told.number);
        if view.ended().is_some() {
            assert_eq!(durable.state, told.state, "told of another end");
        }
        if told.is_active() && durable.is_active() {
            assert_eq!(durable.token, told.token, "told of another grant");
            let same = durable.parts().map(|part| part.slots).eq(told.parts().map(|part| part.slots));
            assert!(same, "told of other permits: {durable:?} {told:?}");
        }
    }

    /// What became of an answer that was given in that step.
    pub(crate) fn receipt(&mut self, command: &Command, told: &CommandResult, step: u64, may_know: bool) {
        let Outcome::Ticket(view) = &told.outcome else { return };
        if told.receipt.is_none() {
            return;
        }
        let id = view.ticket.id;
        if matches!(command, Command::Acquire(new) if new.request_id.is_none() && new.holder.is_none()) {
            if !may_know {
                self.owe(id, Debt::Cancel);
            }
            return;
        }
        let shared = self.shared.get_mut(&(id, step)).expect("counted as it was answered");
        shared.open -= 1;
        shared.may_know |= may_know;
        if shared.open == 0 && !shared.may_know {
            self.owe(id, Debt::GrantAnew);
        }
    }

    pub(crate) fn owe(&mut self, id: TicketId, debt: Debt) {
        self.debts.insert((id, debt), self.good + 2);
    }

    /// The client has said something about the ticket since, so that nothing is owed but what nobody else knows of.
    pub(crate) fn touched(&mut self, id: TicketId) {
        self.debts.remove(&(id, Debt::GrantAnew));
        self.debts.remove(&(id, Debt::Dormant));
        for ((of, _), shared) in &mut self.shared {
            shared.may_know |= *of == id;
        }
    }

    /// The server died: what its memory owed is gone with it, and leases settle the rest.
    pub(crate) fn crashed(&mut self) {
        self.debts.clear();
        self.shared.clear();
    }

    /// A step ended well.
    pub(crate) fn good_step(&mut self) {
        self.good += 1;
        self.durable.nothing_awaited_is_free();
        let (passed, held_up) = self.durable.no_permit_is_idle();
        if passed {
            self.trace.count("waiters passed over for their owner's cap");
        }
        if held_up {
            self.trace.count("waiters held up by a bundle");
        }
        let good = self.good;
        let due: Vec<(TicketId, Debt)> =
            self.debts.iter().filter(|(_, due)| **due <= good).map(|(key, _)| *key).collect();
        for (id, debt) in due {
            self.debts.remove(&(id, debt));
            let ended = |how| matches!(how, Some(State::Ended { how: EndedAs::Cancelled, .. }));
            if debt == Debt::Cancel && ended(self.durable.tickets.get(&id).map(|ticket| ticket.state.clone())) {
                self.trace.count("debts: cancel");
            }
            let Some(ticket) = self.durable.live(id) else { continue };
            let paid = match debt {
                Debt::Cancel => false,
                Debt::GrantAnew => ticket.state != State::Held,
                Debt::Dormant => ticket.state != State::Queued { dormant: false },
            };
            assert!(paid, "{debt:?} is owed since two steps: {ticket:?}");
            self.trace.count(match debt {
                Debt::Cancel => unreachable!("is never live"),
                Debt::GrantAnew => "debts: grant anew",
                Debt::Dormant => "debts: dormant",
            });
        }
    }

    /// Events are what the store went through, no more and no less.
    pub(crate) fn events(
        &mut self,
        before: &BTreeMap<TicketId, TicketRecord>,
        last: EventId,
        new: &[(EventId, Published)],
        good: bool,
    ) {
        if last.term == self.seen.term {
            assert_eq!(last.sequence, self.seen.sequence + new.len() as u64, "events are numbered without gaps");
        }
        self.seen = last;
        let mut transitions: BTreeMap<u64, &Transition> = BTreeMap::new();
        for (_, one) in new {
            match &one.event.kind {
                EventKind::Ticket { number, transition, .. } => drop(transitions.insert(*number, transition)),
                EventKind::LockDeleted => self.trace.count("locks deleted"),
                EventKind::PermitsRestored(_) => self.trace.count("withheld permits restored"),
                EventKind::PermitsWithheld(one) => self.trace.count(match one.how {
                    None => "permits withheld by somebody's word",
                    Some(_) => "permits withheld after a ticket",
                }),
                EventKind::ReportStale => self.trace.count("reports of what others use that were too old"),
                EventKind::LockCreated => self.trace.count("locks made"),
                EventKind::LockChanged { .. } => {}
            }
        }
        for (number, transition) in &transitions {
            let id = self.durable.numbers.get(number);
            let ticket = id.map(|id| &self.durable.tickets[id]);
            let state = ticket.map(|ticket| &ticket.state);
            let fits = match (transition, state) {
                (Transition::Queued | Transition::Lapsed, Some(State::Queued { .. }))
                | (Transition::Held, Some(State::Held)) => true,
                (Transition::Granted { token, .. }, Some(State::Granted)) => {
                    ticket.and_then(|ticket| ticket.token) == Some(*token)
                }
                (Transition::Undelivered, Some(State::Granted)) => true,
                (Transition::Ended { how, .. }, Some(State::Ended { how: durable, .. })) => how == durable,
                _ => false,
            };
            assert!(fits || !good, "ticket {number}: told of {transition:?}, stored is {state:?}");
        }
        if good {
            for (id, ticket) in &self.durable.tickets {
                let queued = |ticket: &TicketRecord| matches!(ticket.state, State::Queued { .. });
                let same = before.get(id).is_some_and(|old| {
                    (old.state == ticket.state || (queued(old) && queued(ticket) && old.seq == ticket.seq))
                        && old.token == ticket.token
                });
                assert!(same || transitions.contains_key(&ticket.number), "nobody was told of {ticket:?}");
            }
        }
    }

    pub(crate) fn seen(&self) -> EventId {
        self.seen
    }
}
