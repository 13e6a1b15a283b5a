//! Leases, claiming, ends, and what the clock does (rules 4, 5, 8, 9).

use super::select::fitting;
use super::{Naive, Ticket, change_more, listed, permits_in};
use lock_core::*;
use std::sync::Arc;

impl Naive {
    /// Of a bundle the shortest that its locks give it.
    pub(crate) fn lease(&self, id: TicketId) -> Option<Ms> {
        let ticket = self.find(id).expect("a ticket");
        ticket.rec.parts().filter_map(|part| self.lease_of(ticket, part.lock)).min()
    }

    fn lease_of(&self, ticket: &Ticket, lock: &LockName) -> Option<Ms> {
        let settings = self.settings(lock);
        let grace = settings.grace.max(1000);
        match (&ticket.rec.state, ticket.rec.lease) {
            (State::Ended { .. }, _) | (State::Held, Lease::Never) => None,
            (State::Granted, _) => Some(if ticket.restored { grace.max(30_000) } else { grace }),
            (_, Lease::Given(ttl)) => Some(ttl),
            (State::Held, Lease::OfLock) => settings.max_lock,
            (State::Queued { .. }, _) => match ticket.rec.queue_lease {
                QueueLease::Minute => Some(60_000),
                QueueLease::Expiration => settings.expiration,
            },
        }
    }

    pub(crate) fn restart_lease(&mut self, id: TicketId) {
        let now = self.now();
        let ticket = self.find(id).expect("a ticket");
        let waits = ticket.waiting > 0 && matches!(ticket.rec.state, State::Queued { .. });
        let live = ticket.rec.is_live();
        let lease = (live && !waits).then(|| self.lease(id)).flatten();
        self.ticket(id).until = lease.map(|lease| now + lease);
    }

    pub(crate) fn claim(&mut self, id: TicketId) {
        let (now, wall) = (self.now(), self.wall);
        let record = self.ticket(id).rec.clone();
        let of_locks = record.parts().map(|part| self.settings(part.lock).max_hold);
        let hold = of_locks.chain([record.max_hold]).flatten().min();
        let rest = |lock: &LockName| Some(self.settings(lock).min_hold).filter(|rest| *rest > 0).map(|rest| now + rest);
        let rests: Vec<Option<Ms>> = record.parts().map(|part| rest(part.lock)).collect();
        let ticket = self.ticket(id);
        ticket.rec.state = State::Held;
        ticket.rec.held_at = Some(wall);
        ticket.rec.hold_until = hold.map(|hold| now + hold);
        change_more(&mut ticket.rec, |more| {
            // What an earlier claim has set stays where there is no rest now.
            more.not_before = rests[0].or(more.not_before);
            for (part, rest) in more.parts.iter_mut().zip(&rests[1..]) {
                part.not_before = rest.or(part.not_before);
            }
        });
        ticket.life += 1;
        ticket.restored = false;
        self.restart_lease(id);
    }

    pub(crate) fn record_activity(&mut self, id: TicketId) {
        let ticket = self.ticket(id);
        ticket.life += 1;
        ticket.restored = false;
        if ticket.rec.state == (State::Queued { dormant: true }) {
            ticket.rec.state = State::Queued { dormant: false };
        }
        self.restart_lease(id);
    }

    /// Until when permits of a ticket that ends now are withheld in one of its locks: by rule 4, and by rule 17.
    pub(super) fn withheld_until(&self, part: PartRef<'_>, bad: bool, keep: Ms) -> (Ms, Ms) {
        let delay = if bad { self.settings(part.lock).lock_delay } else { 0 };
        let Lease::Given(keep) = self.capped(&[part.lock], Lease::Given(keep)) else { unreachable!("it is given") };
        (self.now() + delay, part.not_before.unwrap_or(0).max(self.now() + keep))
    }

    pub(crate) fn end(&mut self, id: TicketId, how: EndedAs, reason: Option<Arc<str>>) {
        self.end_and_keep(id, how, reason, 0, None);
    }

    pub(crate) fn end_and_keep(
        &mut self,
        id: TicketId,
        how: EndedAs,
        reason: Option<Arc<str>>,
        keep: Ms,
        broken: Option<Arc<str>>,
    ) {
        let (now, wall) = (self.now(), self.wall);
        let ticket = self.ticket(id).rec.clone();
        let mut number = Some(ticket.number);
        for part in ticket.parts().filter(|_| ticket.is_active()) {
            let bad = matches!(how, EndedAs::Lost | EndedAs::Overdue | EndedAs::Revoked)
                || (how == EndedAs::LockDeleted && self.deleting.as_ref() != Some(part.lock));
            let (risk, cooldown) = self.withheld_until(part, bad, keep);
            if risk.max(cooldown) > now || broken.is_some() {
                let number = number.take().unwrap_or_else(|| {
                    self.meta.last_number += 1;
                    self.meta.last_number
                });
                let why = broken.clone().or_else(|| reason.clone());
                self.withholdings.push(Withholding {
                    number,
                    lock: part.lock.clone(),
                    slots: part.slots.clone(),
                    slot_names: part.slot_names.clone(),
                    all: part.permits == Permits::All,
                    cause: match (&broken, risk >= cooldown) {
                        (Some(_), _) => WithheldCause::Broken,
                        (None, true) => WithheldCause::LostHolder,
                        (None, false) => WithheldCause::Cooldown,
                    },
                    how: Some(how),
                    reason: why.as_ref().map(|reason| text::cut(reason, limits::INFO_KEPT_BYTES_MAX)),
                    until: broken.is_none().then_some(risk.max(cooldown)),
                    until_wall: None,
                    awaited: 0,
                    awaited_names: Vec::new(),
                });
            }
            let lock = self.lock(part.lock);
            if lock.rec.settings.pick == Pick::Lru {
                lock.used.extend(listed(part.slots).into_iter().map(|slot| (slot, (now, ticket.number))));
            }
        }
        let author = self.author.clone();
        let record = self.ticket(id);
        if author.is_some() {
            change_more(&mut record.rec, |more| more.ended_by = author);
        }
        record.rec.state = State::Ended { how, at: now, reason };
        record.rec.ended_at = Some(wall);
        record.until = None;
        ticket.parts().for_each(|part| self.reap_if_idle(part.lock));
    }

    pub(crate) fn lapse(&mut self, id: TicketId) {
        self.meta.last_seq += 1;
        let seq = self.meta.last_seq;
        let ticket = self.ticket(id);
        ticket.rec.seq = seq;
        self.back_to_the_queue(id);
    }

    /// Rule 9: after a crash, who may not know of its ticket is dormant in its place, unless it may be at work.
    fn pass_over(&mut self) {
        let unknown = |ticket: &&Ticket| !ticket.rec.acknowledged && ticket.rec.is_live();
        let ids: Vec<TicketId> = self.tickets.iter().filter(unknown).map(|ticket| ticket.rec.id).collect();
        for id in ids {
            let last_number = self.meta.last_number;
            let ticket = self.ticket(id);
            match ticket.rec.state {
                _ if !ticket.restored => ticket.rec.acknowledged = true,
                State::Queued { dormant: false } => {
                    ticket.rec.state = State::Queued { dormant: true };
                    self.meta.dormant_to = last_number;
                }
                State::Granted => self.back_to_the_queue(id),
                _ => {}
            }
        }
    }

    /// Rules 2 and 3: ends who has become impossible, and grants what has become possible. The client that asks for a ticket
    /// is there, whatever became of others that wait for it.
    pub(crate) fn grant_all(&mut self, asked: Option<TicketId>) {
        let absent = self.absent.clone();
        self.absent.retain(|id| asked != Some(*id));
        let mut names: Vec<LockName> = self.locks.iter().map(|lock| lock.rec.name.clone()).collect();
        names.sort();
        names.iter().for_each(|name| self.end_oversized(name));
        names.retain(|name| self.has_lock(name));
        for name in names {
            self.put_aside(&name);
            if !self.queue(&name).iter().any(|ticket| ticket.rec.is_bundle()) {
                self.grant(&name);
            }
        }
        self.grant_connected();
        self.absent = absent;
    }

    fn back_to_the_queue(&mut self, id: TicketId) {
        let ticket = self.ticket(id);
        ticket.rec.state = State::Queued { dormant: true };
        ticket.rec.token = None;
        ticket.rec.granted_at = None;
        ticket.rec.slots.clear();
        ticket.rec.slot_names.clear();
        change_more(&mut ticket.rec, |more| {
            for part in &mut more.parts {
                part.slots.clear();
                part.slot_names.clear();
            }
        });
        self.restart_lease(id);
    }

    /// Waiters that ask for more than they can be given.
    pub(crate) fn oversized(&self, name: &LockName, settings: &Settings) -> Vec<TicketId> {
        let (size, cap) = (settings.size(), settings.max_per_owner.unwrap_or(u32::MAX));
        let fit = |ticket: &Ticket| {
            let selection = ticket.rec.more().selection.as_ref();
            selection.map_or(usize::MAX, |selection| fitting(settings, selection).len())
        };
        let too_big = |ticket: &&Ticket| match permits_in(ticket, name) {
            Permits::Count(count) => count > size.min(cap) || count as usize > fit(ticket),
            Permits::All => size > cap,
        };
        self.queue(name).into_iter().filter(too_big).map(|ticket| ticket.rec.id).collect()
    }

    pub(crate) fn end_oversized(&mut self, name: &LockName) {
        while self.has_lock(name) {
            let settings = self.settings(name).clone();
            let Some(id) = self.oversized(name, &settings).first().copied() else {
                return;
            };
            self.end(id, EndedAs::Oversized, None);
        }
    }

    /// Rule 4; of what is due at the same time, in the order of ids, then of kinds.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        let fresh = self.fresh.take();
        if fresh == Some(true) {
            self.pass_over();
        }
        loop {
            let leases =
                self.tickets.iter().filter_map(|t| Some((t.until?, t.rec.number, t.rec.id, t.rec.state.clone())));
            let first = leases.min_by_key(|(until, number, ..)| (*until, *number));
            let Some((_, _, id, state)) = first.filter(|(until, ..)| (*until).max(self.floor) <= now) else {
                break;
            };
            match state {
                State::Queued { .. } => self.end(id, EndedAs::Expired, None),
                State::Granted => self.lapse(id),
                _ => self.end(id, EndedAs::Lost, None),
            }
        }
        while self.fire_one(now) {}
        while let Some((_, kind, number, name)) = self.over_by_the_wall() {
            match kind {
                0 => self.resume(&name),
                1 => self.restore(number),
                _ => self.stale(&name),
            }
        }
        self.grant_all(None);
        self.tickets.retain(|ticket| !matches!(ticket.rec.state, State::Ended { at, .. } if at + 600_000 <= now));
    }

    /// What is over first by wall time: a pause, what an administrator withholds, a report.
    fn over_by_the_wall(&self) -> Option<(WallMs, u8, u64, LockName)> {
        let pauses = self.locks.iter().filter_map(|lock| match lock.rec.pause.as_ref()?.until? {
            Until::Wall(until) => Some((until, 0, 0, lock.rec.name.clone())),
            Until::Service(_) => None,
        });
        let of_admins = self.withholdings.iter().filter(|one| one.cause != WithheldCause::Outside);
        let withheld = of_admins.filter_map(|one| Some((one.until_wall?, 1, one.number, one.lock.clone())));
        let reports =
            self.locks.iter().filter_map(|lock| Some((lock.rec.outside?.until?, 2, 0, lock.rec.name.clone())));
        pauses.chain(withheld).chain(reports).filter(|(until, ..)| *until <= self.wall).min()
    }

    pub(super) fn fire_one(&mut self, now: Ms) -> bool {
        let holds = self.tickets.iter().filter(|t| t.rec.state == State::Held);
        let hold = holds.filter_map(|t| Some((t.rec.hold_until?, 0, t.rec.id.0, None))).min();
        let withholding =
            self.withholdings.iter().filter_map(|c| Some((c.until?, 1, u128::from(c.number), None))).min();
        let named = |kind, until: Option<Ms>, name: &LockName| until.map(|until| (until, kind, 0, Some(name.clone())));
        let service = |until: &Until| if let Until::Service(until) = until { Some(*until) } else { None };
        let pause = self.locks.iter().filter_map(|l| named(2, service(&l.rec.pause.as_ref()?.until?), &l.rec.name));
        let pause = pause.min();
        let idle = self.locks.iter().filter_map(|l| named(5, l.idle_until, &l.rec.name)).min();
        self.withheld_names.retain(|withheld| withheld.until > now);
        self.withdrawn.retain(|withdrawn| withdrawn.until > now);
        let due = [hold, withholding, pause, idle].into_iter().flatten().min();
        let Some((_, kind, key, name)) = due.filter(|(until, ..)| *until <= now) else {
            return false;
        };
        match kind {
            0 => self.end(TicketId(key), EndedAs::Overdue, None),
            1 => self.restore(u64::try_from(key).expect("a number")),
            2 => self.resume(&name.expect("a lock")),
            _ => self.drop_idle(&name.expect("a lock")),
        }
        true
    }

    pub(crate) fn restore(&mut self, number: u64) {
        let at =
            self.withholdings.iter().position(|withholding| withholding.number == number).expect("withheld permits");
        let lock = self.withholdings.remove(at).lock;
        self.reap_if_idle(&lock);
    }
}
