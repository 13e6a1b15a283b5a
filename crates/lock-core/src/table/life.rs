//! The steps of a ticket's life: heartbeats, leases, claiming, lapsing, ending (rules 4, 5, 8, 9).

use super::seats::Seats;
use super::{StepContext, Table, Ticket, Timer};
use crate::command::{Caller, Command};
use crate::event::{EventKind, Transition};
use crate::limits::{ENDED_TICKETS_MAX, GRACE_AFTER_LOAD_MS, INFO_KEPT_BYTES_MAX, QUEUE_LEASE_MS};
use crate::queue::{Queued, Selected};
use crate::{
    EndedAs, Key, Lease, LockName, Ms, PartRef, Permits, QueueLease, Settings, State, TicketId, WithheldCause,
    Withholding, text,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The end of a ticket, and how its permits come back.
#[derive(Default)]
pub(super) struct After {
    /// They are not given again for so long, or for the lock's longest lease if that is shorter (rule 17).
    pub(super) keep: Ms,
    /// They are broken, for this reason (rule 15).
    pub(super) broken: Option<Arc<str>>,
}

/// Queued tickets by lock and line.
type Lines = BTreeMap<(LockName, Selected), Vec<Queued>>;

/// Puts a ticket into its line, in each of its locks.
fn put_in_line(lines: &mut Lines, ticket: &Ticket, selected: Selected) {
    for (part, at) in ticket.parts().zip(0..) {
        lines.entry((part.lock.clone(), selected.clone())).or_default().push(ticket.queued(at));
    }
}

impl Ticket {
    /// Its lease under the settings of its lock, if those matter; `None` for never.
    pub(super) fn lease_under<'a>(&self, settings: impl FnOnce() -> &'a Settings) -> Option<Ms> {
        match (&self.state, self.lease) {
            (State::Granted, _) if self.restored => Some(settings().grace_ms().max(GRACE_AFTER_LOAD_MS)),
            (State::Granted, _) => Some(settings().grace_ms()),
            (State::Ended { .. }, _) | (State::Held, Lease::Never) => None,
            (State::Queued { .. } | State::Held, Lease::Given(ttl)) => Some(ttl),
            (State::Held, Lease::OfLock) => settings().max_lock,
            (State::Queued { .. }, Lease::OfLock | Lease::Never) => match self.queue_lease {
                QueueLease::Minute => Some(QUEUE_LEASE_MS),
                QueueLease::Expiration => settings().expiration,
            },
        }
    }
}

impl Table {
    /// Rule 9: a heartbeat that came with this step's batch is counted before anything expires. Call it with every
    /// command of the batch. What else the command does follows when it is applied.
    pub fn heartbeat(&mut self, caller: &Caller, command: &Command) {
        if let Some(id) = self.heartbeat_of(caller, command) {
            self.ticket_mut(id).restored = false;
            self.restart_lease(id);
        }
    }

    /// A request names the ticket, so its client knows of it. That alone needs no commit (rule 9): its storing is deferred.
    pub(super) fn mark_acknowledged(&mut self, id: TicketId) {
        let was_acknowledged = std::mem::replace(&mut self.ticket_mut(id).acknowledged, true);
        if !was_acknowledged && !self.is_marked(id) {
            self.deferred.insert(id);
        }
    }

    /// Rule 9: the process that made these tickets is gone, and nobody knows whether their clients were ever told of them.
    /// They are dormant, in their places, until their next heartbeat. Held ones stay: their clients may be at work. Of those that queue
    /// one number is stored ([`Meta::dormant_to`](crate::Meta::dormant_to)); so a ticket that was heard of in this very step is told
    /// apart by its record.
    pub(super) fn suspend_unacknowledged(&mut self, at: StepContext<'_>) {
        let (mut heard, mut granted) = (Vec::new(), Vec::new());
        let mut back: BTreeMap<LockName, Vec<Queued>> = BTreeMap::new();
        let mut selecting = Lines::new();
        for ticket in self.tickets.values_mut().filter(|ticket| ticket.is_live() && !ticket.acknowledged) {
            match ticket.state {
                _ if !ticket.restored => {
                    ticket.acknowledged = true;
                    heard.push(ticket.id);
                }
                State::Queued { dormant: false } => {
                    ticket.state = State::Queued { dormant: true };
                    match (ticket.selected(), back.get_mut(&ticket.lock)) {
                        (Selected::Any, Some(tickets)) => tickets.push(ticket.queued(0)),
                        (Selected::Any, None) => drop(back.insert(ticket.lock.clone(), vec![ticket.queued(0)])),
                        (selected, _) => put_in_line(&mut selecting, ticket, selected),
                    }
                }
                State::Granted => granted.push((ticket.number, ticket.id)),
                State::Queued { dormant: true } | State::Held | State::Ended { .. } => {}
            }
        }
        heard.into_iter().for_each(|id| self.mark_ticket(id));
        if !(back.is_empty() && selecting.is_empty()) {
            self.meta.dormant_to = self.meta.last_number;
            self.mark(Key::Meta);
        }
        granted.sort_unstable();
        for (_, id) in granted {
            self.take_back(at, id, self.ticket(id).seq);
            let ticket = self.ticket(id);
            let selected = ticket.selected();
            self.queued_bundles += usize::from(matches!(selected, Selected::Bundle(_)));
            put_in_line(&mut selecting, self.ticket(id), selected);
        }
        for (name, tickets) in back {
            selecting.entry((name, Selected::Any)).or_default().extend(tickets);
        }
        for ((name, selected), tickets) in selecting {
            let lock = self.lock_mut(&name);
            let fitting = match &selected {
                Selected::Slots(selection) => Some(lock.slots_of(selection)),
                Selected::Any | Selected::Bundle(_) => None,
            };
            lock.queue.put_back(&selected, tickets, |_| fitting.unwrap_or_default());
            self.ripen(&name);
        }
    }

    /// A heartbeat: the lease starts again, and a ticket is dormant no longer, which may grant it in this very step.
    pub(super) fn record_activity(&mut self, id: TicketId) {
        let ticket = self.ticket_mut(id);
        ticket.activity_seq += 1;
        ticket.restored = false;
        self.restart_lease(id);
        if matches!(self.ticket(id).state, State::Queued { dormant: true }) {
            self.set_dormant(id, false);
        }
    }

    /// The lease of a ticket in its present state, of a bundle the shortest that its locks give it; `None` for never. A queued ticket with a waiting request has none.
    pub(crate) fn lease_of(&self, ticket: &Ticket) -> Option<Ms> {
        if !ticket.is_live() {
            return None;
        }
        let of = |lock| ticket.lease_under(|| &self.lock(lock).record.settings);
        let others = ticket.more().parts.iter().filter_map(|part| of(&part.lock));
        of(&ticket.lock).into_iter().chain(others).min()
    }

    /// Starts the ticket's lease again, in full.
    pub(super) fn restart_lease(&mut self, id: TicketId) {
        self.note_lease(id);
        self.set_lease(id, self.now());
    }

    /// Notes, once in a life of the server, that the lease began in it. That alone needs no commit, unless two lives have
    /// passed without: the next start takes it for certain then that nobody was heard of (rule 9).
    fn note_lease(&mut self, id: TicketId) {
        let (now, starts) = (self.meta.uptime_ms(), self.meta.uptime.starts);
        let ticket = self.ticket(id);
        if !ticket.is_live() || ticket.lease_began > starts.last() || ticket.lease_began == now {
            return;
        }
        let at_once = starts.second_after(ticket.lease_began).is_some();
        self.ticket_mut(id).lease_began = now;
        if at_once {
            self.mark_ticket(id);
        } else if !self.is_marked(id) {
            self.deferred.insert(id);
        }
    }

    /// Lets the ticket's lease run from that moment of service time.
    pub(super) fn set_lease(&mut self, id: TicketId, from: Ms) {
        let ticket = self.ticket(id);
        let waits = ticket.waiting > 0 && matches!(ticket.state, State::Queued { .. });
        let until = if waits { None } else { self.lease_of(ticket).map(|lease| from + lease) };
        let (number, before) = (ticket.number, ticket.lease_until);
        if before != until {
            self.ticket_mut(id).lease_until = until;
            if let Some(before) = before {
                self.leases.remove(&(before, number));
            }
            if let Some(until) = until {
                self.leases.insert((until, number));
            }
        }
    }

    pub(super) fn set_dormant(&mut self, id: TicketId, dormant: bool) {
        let ticket = self.ticket_mut(id);
        ticket.state = State::Queued { dormant };
        let (place, selected, seats) = (ticket.place(), ticket.selected(), ticket.seats());
        for (at, seat) in seats.iter() {
            self.lock_mut(&seat.lock).queue.set_dormant(&selected, place, seat.wants(), dormant);
            self.leave_caps(id, at, &seat.lock);
            // A dormant one may have been the head that more permits were kept free for.
            self.ripen(&seat.lock);
        }
        self.mark_ticket(id);
    }

    /// Granted -> held: its client is being told (rule 5), by so many answers.
    pub(super) fn claim(&mut self, at: StepContext<'_>, id: TicketId, answers: u64) {
        let ticket = self.ticket(id);
        assert_eq!(ticket.state, State::Granted, "only a granted ticket is claimed");
        let (now, mut max_hold, seats) = (self.now(), ticket.max_hold, ticket.seats());
        for (of, seat) in seats.iter() {
            let lock = self.lock_mut(&seat.lock);
            lock.granted -= seat.has;
            lock.statistics.got += answers;
            let (longest, min_hold) = (lock.record.settings.max_hold, lock.record.settings.min_hold);
            max_hold = max_hold.into_iter().chain(longest).min();
            if min_hold > 0 {
                self.ticket_mut(id).set_not_before(of, Some(now + min_hold));
            }
        }
        let until = max_hold.map(|max_hold| now + max_hold);
        let ticket = self.ticket_mut(id);
        ticket.state = State::Held;
        ticket.held_at = Some(at.wall);
        ticket.hold_until = until;
        ticket.activity_seq += 1;
        ticket.restored = false;
        let number = ticket.number;
        if let Some(until) = until {
            self.timers.set(Timer::Hold(id), until);
        }
        self.restart_lease(id);
        self.mark(Key::Ticket(number, id));
        self.emit_transition(at, id, Transition::Held);
    }

    /// Held -> granted: the answer that told its client was lost, and there was no heartbeat since (rule 5).
    pub(super) fn revert_claim(&mut self, at: StepContext<'_>, id: TicketId) {
        self.timers.cancel(&Timer::Hold(id));
        for (_, seat) in self.ticket(id).seats().iter() {
            self.lock_mut(&seat.lock).granted += seat.has;
        }
        let ticket = self.ticket_mut(id);
        ticket.state = State::Granted;
        ticket.held_at = None;
        ticket.hold_until = None;
        if ticket.more.is_some() {
            ticket.change_more(|more| {
                more.not_before = None;
                more.parts.iter_mut().for_each(|part| part.not_before = None);
            });
        }
        self.restart_lease(id);
        self.mark_ticket(id);
        self.emit_transition(at, id, Transition::Undelivered);
    }

    /// Granted -> queued: nobody claimed it in time. It goes to the end of its priority and is dormant until its next
    /// heartbeat (rule 4).
    pub(super) fn lapse(&mut self, at: StepContext<'_>, id: TicketId) {
        self.meta.last_seq += 1;
        self.take_back(at, id, self.meta.last_seq);
        self.enqueue(id);
        for (_, seat) in self.ticket(id).seats().iter() {
            self.ripen(&seat.lock);
        }
    }

    /// Granted -> queued and dormant, in that place, into which the caller puts it.
    fn take_back(&mut self, at: StepContext<'_>, id: TicketId, seq: u64) {
        let seats = self.ticket(id).seats();
        self.take_from_active(id, &seats);
        let ticket = self.ticket_mut(id);
        ticket.state = State::Queued { dormant: true };
        ticket.seq = seq;
        ticket.token = None;
        ticket.granted_at = None;
        for (of, seat) in seats.iter() {
            let (slots, names) = self.ticket_mut(id).take_slots(of);
            let lock = self.lock_mut(&seat.lock);
            lock.slots.put_back(&slots, &names);
            lock.statistics.lapsed += 1;
        }
        self.join_superseding(id);
        self.restart_lease(id);
        self.mark_ticket(id);
        self.emit_transition(at, id, Transition::Lapsed);
    }

    /// Ends a live ticket, and frees or withholds its permits (rules 3, 4, 8).
    pub(super) fn end(&mut self, at: StepContext<'_>, id: TicketId, how: EndedAs, reason: Option<Arc<str>>) {
        self.end_and_keep(at, id, how, reason, &After::default());
    }

    /// The same, and says what becomes of its permits.
    pub(super) fn end_and_keep(
        &mut self,
        at: StepContext<'_>,
        id: TicketId,
        how: EndedAs,
        reason: Option<Arc<str>>,
        after: &After,
    ) {
        let ticket = self.ticket(id);
        let (seats, has_more) = (ticket.seats(), ticket.more.is_some());
        let mut withheld = Vec::new();
        if ticket.is_active() {
            self.take_from_active(id, &seats);
            self.note_use(id, &seats);
            withheld = self.free_or_withhold(id, &seats, how, reason.as_ref(), after);
        } else {
            let (place, selected) = (ticket.place(), ticket.selected());
            self.queued_bundles -= usize::from(seats.is_bundle());
            for (_, seat) in seats.iter() {
                self.lock_mut(&seat.lock).queue.remove(&selected, place, seat.wants());
            }
            for (at, seat) in seats.iter() {
                self.leave_caps(id, at, &seat.lock);
            }
            if has_more {
                self.leave_superseding(id);
            }
        }
        let (now, author) = (self.now(), self.author.clone());
        let ticket = self.ticket_mut(id);
        if author.is_some() {
            ticket.change_more(|more| more.ended_by = author);
        }
        let held = ticket.held_at.map(|since| at.wall.saturating_sub(since));
        ticket.state = State::Ended { how, at: now, reason: reason.clone() };
        ticket.ended_at = Some(at.wall);
        // It is remembered for minutes, beside many.
        ticket.info = text::cut(&ticket.info, INFO_KEPT_BYTES_MAX);
        let (number, holder, quota_owner, waited) =
            (ticket.number, ticket.holder.clone(), ticket.quota_owner(), ticket.waiting > 0);
        self.restart_lease(id);
        self.numbers.remove(number);
        if let Some(holder) = holder {
            let name = self.ticket(id).lock.clone();
            self.holders.remove(&(name, holder));
        }
        let numbers = self.live_by_owner.get_mut(&quota_owner).expect("has each live ticket");
        numbers.remove(&number);
        if numbers.is_empty() {
            self.live_by_owner.remove(&quota_owner);
        }
        if waited {
            self.served.push(id);
        }
        // Makes room first: what ends now is remembered, also when everything remembered ended in this millisecond.
        if self.ended.len() >= ENDED_TICKETS_MAX {
            let (_, &(.., oldest)) = self.ended_of.makes_room(&quota_owner).expect("at its bound");
            self.forget(oldest);
        }
        self.ended.insert((now, number, id));
        self.ended_of.insert(&quota_owner, (now, number, id));
        self.mark(Key::Ticket(number, id));
        self.emit_transition(at, id, Transition::Ended { how, reason, held });
        withheld.into_iter().for_each(|number| self.emit_withheld(at, number));
        for (_, seat) in seats.iter() {
            let lock = self.lock_mut(&seat.lock);
            lock.statistics.ended[how as usize] += 1;
            let (is_instance, is_going) = (lock.record.template.is_some(), lock.deleting || lock.record.retiring);
            self.ripen(&seat.lock);
            if is_instance {
                self.charge_instance(&seat.lock);
            }
            if is_instance || is_going {
                self.reap_if_idle(at, &seat.lock);
            }
        }
    }

    fn take_from_active(&mut self, id: TicketId, seats: &Seats) {
        let ticket = self.ticket(id);
        let is_timed = ticket.hold_until.is_some();
        let (token, claimed) = (ticket.token.expect("a ticket with permits has a token"), ticket.state == State::Held);
        if is_timed {
            self.timers.cancel(&Timer::Hold(id));
        }
        for (_, seat) in seats.iter() {
            let lock = self.lock_mut(&seat.lock);
            lock.granted -= if claimed { 0 } else { seat.has };
            lock.active.remove(&token).expect("a ticket with permits is listed");
            lock.exclusive = false;
            if lock.caps.is_some() {
                self.put_back_cap(id, &seat.lock, seat.has);
            }
        }
    }

    /// Until when permits of a ticket are withheld that it has of this lock, if it ends so, and why: after `lost`, `overdue` and
    /// `revoked` its client may still be at work (rule 4), and they are not given again too soon after their claim (rule 17). Whichever is
    /// longer.
    pub(super) fn withheld_until(&self, part: PartRef<'_>, risky: bool, keep: Ms) -> Option<(Ms, WithheldCause)> {
        let (now, settings) = (self.now(), || &self.lock(part.lock).record.settings);
        let delay = if risky { settings().lock_delay } else { 0 };
        let keep = if keep > 0 { keep.min(settings().max_ttl_ms()) } else { 0 };
        let cooldown = part.not_before.unwrap_or(0).max(now + keep);
        match (now + delay, cooldown) {
            (delay, cooldown) if delay.max(cooldown) <= now => None,
            (delay, cooldown) if delay >= cooldown => Some((delay, WithheldCause::LostHolder)),
            (_, cooldown) => Some((cooldown, WithheldCause::Cooldown)),
        }
    }

    /// Frees the permits of a ticket that has ended, or withholds them for a while: in each of its locks as that says. Gives the numbers
    /// of the withholdings.
    fn free_or_withhold(
        &mut self,
        id: TicketId,
        seats: &Seats,
        how: EndedAs,
        reason: Option<&Arc<str>>,
        after: &After,
    ) -> Vec<u64> {
        let mut made = Vec::new();
        // The first withholding has the number of the ticket, others have their own.
        let mut number = Some(self.ticket(id).number);
        for (of, seat) in seats.iter() {
            let risky = match how {
                EndedAs::Lost | EndedAs::Overdue | EndedAs::Revoked => true,
                // Of a bundle, in the locks that stay. The name of the one that goes is withheld instead.
                EndedAs::LockDeleted => !self.lock(&seat.lock).deleting,
                _ => false,
            };
            let part = self.ticket(id).part_at(of);
            let withheld = self.withheld_until(part, risky, after.keep);
            let (slots, names) = (part.slots.clone(), part.slot_names.clone());
            let (until, cause, reason) = match (withheld, &after.broken) {
                (_, Some(why)) => (None, WithheldCause::Broken, Some(why)),
                (Some((until, cause)), None) => (Some(until), cause, reason),
                (None, None) => {
                    self.lock_mut(&seat.lock).slots.put_back(&slots, &names);
                    continue;
                }
            };
            let reason = reason.map(|reason| text::cut(reason, INFO_KEPT_BYTES_MAX));
            let (all, how) = (seat.permits == Permits::All, Some(how));
            let number = number.take().unwrap_or_else(|| {
                self.meta.last_number += 1;
                self.meta.last_number
            });
            let new = Withholding::empty(number, seat.lock.clone(), cause);
            self.add_withholding(Withholding { slots, slot_names: names, all, how, reason, until, ..new });
            made.push(number);
        }
        made
    }

    /// Forgets an ended ticket (rule 8).
    pub(super) fn forget(&mut self, id: TicketId) {
        let ticket = self.tickets.remove(&id).expect("an id from the table's own lists");
        let State::Ended { at, .. } = ticket.state else { panic!("a live ticket is forgotten") };
        self.ended.remove(&(at, ticket.number, id));
        self.ended_of.remove(&ticket.quota_owner(), &(at, ticket.number, id));
        if let Some(scope) = ticket.scope()
            && self.requests.get(&scope) == Some(&id)
        {
            self.requests.remove(&scope);
        }
        self.mark(Key::Ticket(ticket.number, id));
    }

    /// Tells of a ticket, once for each of its locks.
    pub(super) fn emit_transition(&mut self, at: StepContext<'_>, id: TicketId, transition: Transition) {
        let ticket = self.ticket(id);
        let info = text::cut(&ticket.info, INFO_KEPT_BYTES_MAX);
        let (lock, number, owner, from) =
            (ticket.lock.clone(), ticket.number, ticket.owner.clone(), ticket.from.clone());
        let kind = EventKind::Ticket { number, info, owner, from, transition };
        let others = ticket.other_locks();
        let also: Vec<EventKind> = others.iter().map(|_| kind.clone()).collect();
        self.emit(at, &lock, kind);
        others.iter().zip(also).for_each(|(lock, kind)| self.emit(at, lock, kind));
    }
}
