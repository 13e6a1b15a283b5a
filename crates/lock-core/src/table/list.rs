//! Views. They claim nothing, renew nothing and make nothing (rules 5 and 12).

use super::{Lock, Table};
use crate::command::{Caller, Outcome, Rejection};
use crate::limits::{LISTED_BYTES_MAX, LISTED_TICKETS_MAX, LISTED_VISITS_MAX, LISTED_WITHHOLDINGS_MAX};
use crate::queue::Place;
use crate::view::{LockView, LocksPage, PartView, TicketView, TicketsAfter, TicketsPage};
use crate::{LockName, LockRecord, State, Target, TicketId, Until};
use std::ops::Bound;
use std::sync::Arc;

/// What is listed of a lock's tickets.
struct Listings {
    holders: Vec<TicketView>,
    queue: Vec<TicketView>,
    next: Option<TicketsAfter>,
}

impl Table {
    pub(crate) fn view_ticket(&self, id: TicketId) -> TicketView {
        let ticket = self.ticket(id);
        let queued = matches!(ticket.state, State::Queued { .. });
        let ahead = |lock| if queued { self.lock(lock).queue.ahead(ticket.place()) } else { 0 };
        let mut view = self.view_ticket_behind(id, ahead(&ticket.lock));
        view.others.iter_mut().for_each(|part| part.ahead = Some(ahead(&part.lock)));
        view
    }

    fn view_ticket_behind(&self, id: TicketId, ahead: u64) -> TicketView {
        let ticket = self.ticket(id);
        let held = ticket.state == State::Held;
        TicketView {
            ahead,
            others: ticket.more().parts.iter().map(PartView::of).collect(),
            expires_in: ticket.lease_until.map(|until| self.lease_end(until).saturating_sub(self.now())),
            overdue_in: ticket.hold_until.filter(|_| held).map(|until| until.saturating_sub(self.now())),
            ttl: self.lease_of(ticket),
            activity_seq: ticket.activity_seq,
            claimed: false,
            moment: self.moment,
            ticket: (**ticket).clone(),
        }
    }

    /// A ticket as it is now, ended ones that are remembered included.
    #[must_use]
    pub fn look(&self, id: TicketId) -> Option<TicketView> {
        self.tickets.contains_key(&id).then(|| self.view_ticket(id))
    }

    /// Tickets that ended at the time of the present step.
    pub fn ended_now(&self) -> impl Iterator<Item = TicketId> + '_ {
        self.ended.range((self.now(), 0, TicketId(0))..).map(|&(_, _, id)| id)
    }

    /// The lock after a change, unless the change was its end.
    pub(super) fn lock_outcome(&self, name: &LockName) -> Outcome {
        match self.locks.get(name) {
            Some(lock) => Outcome::Lock(Arc::new(self.view(lock, LISTED_TICKETS_MAX, TicketsAfter::default()))),
            None => Outcome::Done,
        }
    }

    /// Holders and waiters: at most that many of each, and no more than a page has room for, but one of each.
    fn listings(&self, lock: &Lock, tickets: usize, after: TicketsAfter) -> Listings {
        let mut room = LISTED_BYTES_MAX;
        let mut listed = Listings { holders: Vec::new(), queue: Vec::new(), next: None };
        let mut fits = |listed: &mut Vec<TicketView>, view: TicketView| {
            let weight = view.weight();
            let fits = listed.is_empty() || weight <= room;
            if fits {
                room = room.saturating_sub(weight);
                listed.push(view);
            }
            fits
        };
        let (mut next, mut more) = (after, false);
        for (&token, &id) in lock.active.range((Bound::Excluded(after.token), Bound::Unbounded)) {
            more = listed.holders.len() >= tickets || !fits(&mut listed.holders, self.view_ticket_behind(id, 0));
            if more {
                break;
            }
            next.token = token;
        }
        let place = after.place.map(|(priority, seq)| Place::new(priority, seq));
        for (place, id, ahead) in lock.queue.behind(place) {
            let full = listed.queue.len() >= tickets || !fits(&mut listed.queue, self.view_ticket_behind(id, ahead));
            if full {
                more = true;
                break;
            }
            next.place = Some((place.priority.0, place.seq));
        }
        listed.next = Some(next).filter(|_| more && tickets > 0);
        listed
    }

    fn view(&self, lock: &Lock, tickets: usize, after: TicketsAfter) -> LockView {
        let pause = lock.record.pause.as_ref();
        let Listings { holders, queue, next } = self.listings(lock, tickets, after);
        let withholdings = lock.withholdings.iter().take(LISTED_WITHHOLDINGS_MAX);
        LockView {
            usage: self.measure_usage(lock),
            withholdings: withholdings.map(|number| self.withholdings[number].clone()).collect(),
            holders,
            queue,
            next,
            statistics: lock.statistics,
            pause_ends_in: pause.and_then(|pause| pause.until).map(|until| match until {
                Until::Service(until) => until.saturating_sub(self.now()),
                Until::Wall(until) => until.saturating_sub(self.wall),
            }),
            now: self.now(),
            wall: self.wall,
            overridden: lock
                .record
                .file
                .as_ref()
                .map_or_else(Vec::new, |file| super::configure::overridden(&lock.record.settings, &file.settings)),
            lock: lock.record.clone(),
        }
    }

    /// The locks after a name, of those that one of these takes. No other is looked at.
    fn locks_after<'a>(
        &'a self,
        after: Option<&'a LockName>,
        among: Option<&'a [Target]>,
    ) -> Box<dyn Iterator<Item = &'a Lock> + 'a> {
        let all = self.locks.range::<LockName, _>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let Some(among) = among else {
            return Box::new(all.map(|(_, lock)| lock).filter(|lock| !lock.deleting));
        };
        // A prefix stands before whatever it takes, so that what is taken twice is met right behind it.
        let mut targets: Vec<(&str, bool)> = among.iter().map(Target::text).collect();
        targets.sort_unstable_by(|(one, exact), (other, exactly)| one.cmp(other).then(exact.cmp(exactly)));
        let mut covered: Option<&str> = None;
        targets.retain(|&(text, exact)| {
            let double = covered.is_some_and(|prefix| text.starts_with(prefix));
            if !double && !exact {
                covered = Some(text);
            }
            !double
        });
        targets.dedup();
        let of = move |(text, exact): (&'a str, bool)| {
            let from = after.map_or(Bound::Included(text), |name| match name.as_str() < text {
                true => Bound::Included(text),
                false => Bound::Excluded(name.as_str()),
            });
            let takes =
                move |name: &LockName| if exact { name.as_str() == text } else { name.as_str().starts_with(text) };
            self.locks.range::<str, _>((from, Bound::Unbounded)).take_while(move |(name, _)| takes(name))
        };
        Box::new(targets.into_iter().flat_map(of).map(|(_, lock)| lock).filter(|lock| !lock.deleting))
    }

    pub(super) fn list_locks(
        &self,
        after: Option<&LockName>,
        limit: usize,
        tickets: usize,
        among: Option<&[Target]>,
    ) -> Outcome {
        let mut page = LocksPage::default();
        let (mut room, mut rest) = (LISTED_BYTES_MAX, self.locks_after(after, among));
        while let Some(lock) = rest.next() {
            let view = Some(lock).filter(|_| page.locks.len() < limit.max(1));
            let view = view.map(|lock| self.view(lock, tickets, TicketsAfter::default()));
            match view.filter(|view| page.locks.is_empty() || view.weight() <= room) {
                Some(view) => {
                    room = room.saturating_sub(view.weight());
                    page.locks.push(LockView { next: None, ..view });
                }
                None => {
                    page.more = 1 + rest.count() as u64;
                    break;
                }
            }
        }
        Outcome::Locks(Arc::new(page))
    }

    /// A name that only fits a template answers as an idle lock.
    pub(super) fn view_lock(&self, name: &LockName, tickets: usize, after: TicketsAfter) -> Result<Outcome, Rejection> {
        if let Some(lock) = self.locks.get(name) {
            if lock.deleting {
                return Err(Rejection::UnknownLock);
            }
            return Ok(Outcome::Lock(Arc::new(self.view(lock, tickets, after))));
        }
        let prefix = self.matching_template(name.as_str()).ok_or(Rejection::UnknownLock)?;
        let template = &self.templates[prefix].record;
        let record = LockRecord {
            name: name.clone(),
            settings: template.settings.clone(),
            file: None,
            template: Some(prefix.clone()),
            retiring: false,
            pause: template.paused.then(super::acquire::file_pause),
            outside: None,
            slot_names: Vec::new(),
            revision: 0,
        };
        Ok(Outcome::Lock(Arc::new(self.view(&Lock::new(record), tickets, after))))
    }

    pub(super) fn list_mine(&self, caller: &Caller, after: u64, tickets: usize) -> Outcome {
        let mut page = TicketsPage::default();
        let (mut room, mut last) = (LISTED_BYTES_MAX, after);
        let numbers = self.live_by_owner.get(&caller.quota_owner());
        for &number in numbers.into_iter().flat_map(|all| all.range((Bound::Excluded(after), Bound::Unbounded))) {
            let id = self.numbers[&number];
            // Who shares a network is counted together, and sees no more of the others than anybody.
            let is_its_own = caller.owner.is_some() || self.ticket(id).from == caller.from;
            let view = is_its_own.then(|| self.view_ticket(id));
            let weight = view.as_ref().map_or(0, TicketView::weight);
            let full = page.tickets.len() >= tickets || !(page.tickets.is_empty() || weight <= room);
            if page.visited >= LISTED_VISITS_MAX || (full && view.is_some()) {
                page.next = Some(last);
                break;
            }
            page.visited += 1 + view.as_ref().map_or(0, |view| view.others.len());
            room = room.saturating_sub(weight);
            page.tickets.extend(view);
            last = number;
        }
        Outcome::Tickets(Arc::new(page))
    }
}
