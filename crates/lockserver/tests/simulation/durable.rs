//! The judge's durable side: what each commit may do to what is stored. It knows the records and the rules, and nothing of
//! how the table works.

use lock_core::{
    Change, Command, EndedAs, LockName, LockRecord, Meta, Ms, PartRef, Permits, ReleaseTarget, Selection, SlotName,
    SlotRanges, State, TicketId, TicketRecord, WithheldCause, Withholding, limits,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was going on in the step of a commit.
#[derive(Default)]
pub(crate) struct Facts {
    /// Commands that arrived for this step.
    pub(crate) commands: Vec<Command>,
    /// Tickets that a command of this step is about.
    pub(crate) touched: BTreeSet<TicketId>,
    /// Of those, the ones that it is a heartbeat of.
    pub(crate) alive: BTreeSet<TicketId>,
    /// Tickets that an open connection waits for.
    pub(crate) awaited: BTreeSet<TicketId>,
    /// Tickets that a request waited for whose client was lost, now or earlier.
    pub(crate) lost: BTreeSet<TicketId>,
    /// Tickets that requests wait for, every one on a broken connection.
    pub(crate) deserted: BTreeSet<TicketId>,
    /// Tickets that a client's request has named, in this step or before.
    pub(crate) heard: BTreeSet<TicketId>,
    /// Tickets that a crash left behind, stored as unknown to their clients; empty once a first step has gone well.
    pub(crate) strangers: BTreeSet<TicketId>,
    /// Sizes that locks may have had within the step.
    pub(crate) sizes: Vec<u32>,
    /// Caps that locks may have had within the step.
    pub(crate) caps: Vec<u32>,
    /// A lease may not end before this service time: the process stood still.
    pub(crate) floor: Ms,
}

impl Facts {
    /// What was going on in this step and the next one, which share a commit.
    pub(crate) fn and(mut self, mut next: Self) -> Self {
        self.commands.append(&mut next.commands);
        self.sizes.append(&mut next.sizes);
        self.caps.append(&mut next.caps);
        // A heartbeat of the next step is too late for a ticket that ended in this one. So `alive` stays as it is.
        for (sets, more) in [
            (&mut self.touched, next.touched),
            (&mut self.awaited, next.awaited),
            (&mut self.lost, next.lost),
            (&mut self.heard, next.heard),
            (&mut self.strangers, next.strangers),
        ] {
            sets.extend(more);
        }
        self.deserted.retain(|id| next.deserted.contains(id));
        self.floor = self.floor.min(next.floor);
        self
    }

    fn any(&self, test: impl Fn(&Command) -> bool) -> bool {
        self.commands.iter().any(test)
    }
}

/// A ticket before and after a commit.
pub(crate) struct Moved {
    pub(crate) before: Option<TicketRecord>,
    pub(crate) after: Option<TicketRecord>,
}

/// The stored records, as the commits made them.
#[derive(Default)]
pub(crate) struct Durable {
    pub(crate) tickets: BTreeMap<TicketId, TicketRecord>,
    pub(crate) numbers: BTreeMap<u64, TicketId>,
    pub(crate) locks: BTreeMap<LockName, LockRecord>,
    pub(crate) withholdings: BTreeMap<u64, Withholding>,
    meta: Meta,
}

fn place(ticket: &TicketRecord) -> (Reverse<i8>, u64) {
    (Reverse(ticket.priority), ticket.seq)
}

/// Whose share a ticket counts against.
fn owner(ticket: &TicketRecord) -> (Option<Arc<str>>, Option<Arc<str>>) {
    (ticket.owner.clone(), ticket.owner.is_none().then(|| ticket.from.clone()))
}

/// Until when the release of the ticket asked its permits to rest (rule 17).
fn kept_until(ticket: &TicketRecord, at: Ms, facts: &Facts) -> Ms {
    let asked = facts.commands.iter().filter_map(|command| match command {
        Command::Release { target: ReleaseTarget::Id(_, id), keep, .. } if *id == ticket.id => *keep,
        Command::Release { target: ReleaseTarget::Holder(lock, holder), keep, .. } => {
            keep.filter(|_| *lock == ticket.lock && ticket.holder.as_ref() == Some(holder))
        }
        Command::Release { target: ReleaseTarget::Request(lock, others, id), keep, .. } => {
            let request = ticket.request.as_ref().map(|request| &request.id);
            keep.filter(|_| is_for(ticket, lock, others) && request == Some(id))
        }
        _ => None,
    });
    asked.max().map_or(0, |keep| at + keep)
}

/// Whether a ticket is for just these locks.
fn is_for(ticket: &TicketRecord, lock: &LockName, others: &[LockName]) -> bool {
    ticket.lock == *lock && ticket.more().parts.iter().map(|part| &part.lock).eq(others)
}

/// The locks of a ticket and what it asks for of each.
fn asks_for(ticket: &TicketRecord) -> Vec<(LockName, Permits)> {
    ticket.parts().map(|part| (part.lock.clone(), part.permits)).collect()
}

/// Permits that a ticket has of a lock.
fn has(ticket: &TicketRecord, name: &LockName) -> u64 {
    let part = ticket.part(name).filter(|_| ticket.is_active());
    part.map_or(0, |part| count(part.slots))
}

/// The slots that fit a selection.
fn fitting(lock: &LockRecord, selection: &Selection) -> BTreeSet<u32> {
    let tags_of = |name: &SlotName| lock.settings.tags.iter().find(|(of, _)| of == name).map(|(_, tags)| tags);
    let fits = |name: &SlotName| match selection {
        Selection::Slots(names) => names.contains(name),
        Selection::Tags(tags) => tags_of(name).is_some_and(|own| tags.iter().all(|tag| own.contains(tag))),
    };
    lock.slot_names.iter().filter(|(_, name)| fits(name)).map(|(slot, _)| *slot).collect()
}

fn ready(ticket: &TicketRecord) -> bool {
    ticket.state == State::Queued { dormant: false }
}

fn count(slots: &SlotRanges) -> u64 {
    slots.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
}

impl Durable {
    pub(crate) fn live(&self, id: TicketId) -> Option<&TicketRecord> {
        self.tickets.get(&id).filter(|ticket| ticket.is_live())
    }

    /// Live tickets in the way of others of which their clients may never have been told, so far as is stored.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &TicketRecord> {
        let in_the_way = |ticket: &&TicketRecord| ready(ticket) || ticket.state == State::Granted;
        self.tickets.values().filter(|ticket| !ticket.acknowledged).filter(in_the_way)
    }

    /// Applies a commit and checks what it did.
    pub(crate) fn commit(&mut self, changes: &[Change], facts: &Facts) -> Vec<Moved> {
        let before = std::mem::take(&mut self.tickets);
        let old = self.meta;
        let mut sizes: BTreeMap<LockName, u32> =
            self.locks.iter().map(|(name, lock)| (name.clone(), lock.settings.size())).collect();
        let delays: Vec<(LockName, Ms)> =
            self.locks.iter().map(|(name, lock)| (name.clone(), lock.settings.lock_delay)).collect();
        let withholdings = self.withholdings.clone();
        self.tickets = before.clone();
        for change in changes {
            self.apply(change);
        }
        let passed_over = self.pass_over();
        for (name, lock) in &self.locks {
            let size = sizes.entry(name.clone()).or_default();
            *size = facts.sizes.iter().copied().chain([*size, lock.settings.size()]).max().expect("not empty");
        }
        let delays: BTreeMap<LockName, Ms> = delays
            .into_iter()
            .filter(|(name, delay)| self.locks.get(name).is_some_and(|lock| lock.settings.lock_delay == *delay))
            .collect();
        let (new, counters) = (self.meta, |meta: &Meta| {
            [meta.service_ms, meta.last_token, meta.last_number, meta.last_seq, meta.last_revision]
        });
        assert!(
            counters(&old).iter().zip(counters(&new)).all(|(old, new)| *old <= new),
            "rule 10: a counter went back: {old:?}, {new:?}"
        );
        let written: BTreeSet<TicketId> = changes
            .iter()
            .filter_map(|change| match change {
                Change::PutTicket(TicketRecord { id, .. }) | Change::DeleteTicket { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        let mut moved = Vec::new();
        for id in written.union(&passed_over) {
            let pair = Moved { before: before.get(id).cloned(), after: self.tickets.get(id).cloned() };
            self.ticket_moved(&pair, facts, old);
            moved.push(pair);
        }
        let granted: Vec<&TicketRecord> = moved.iter().filter_map(|pair| newly_granted(pair)).collect();
        let tokens: BTreeSet<u64> = granted.iter().filter_map(|ticket| ticket.token).collect();
        assert_eq!(tokens.len(), granted.len(), "rule 10: a token is given twice");
        for ticket in &granted {
            assert!(ticket.token > Some(old.last_token), "rule 10: tokens rise: {ticket:?}");
            let waited = before.get(&ticket.id).is_some_and(|old| matches!(old.state, State::Queued { .. }));
            let deserted = waited && facts.deserted.contains(&ticket.id);
            assert!(!deserted, "rule 5: given to a client that is gone: {ticket:?}");
            self.nobody_was_overtaken(ticket, &before, facts);
            self.no_first_bundle_was_overtaken(ticket, &before, &moved, facts);
            self.within_its_caps(ticket, facts);
        }
        for name in self.locks.keys() {
            let fresh = granted.iter().any(|ticket| ticket.is_of(name));
            self.never_more_than_size(name, fresh.then(|| sizes[name]));
        }
        self.one_ticket_for_each_request();
        self.withheld_as_long_as_they_must(&moved, &delays, &withholdings, facts);
        moved
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Meta(meta) => self.meta = *meta,
            Change::PutLock(lock) => drop(self.locks.insert(lock.name.clone(), lock.clone())),
            Change::DeleteLock(name) => drop(self.locks.remove(name)),
            Change::PutTicket(ticket) => {
                self.numbers.insert(ticket.number, ticket.id);
                self.tickets.insert(ticket.id, ticket.clone());
            }
            Change::DeleteTicket { id, .. } => {
                if let Some(ticket) = self.tickets.remove(id) {
                    self.numbers.remove(&ticket.number);
                }
            }
            Change::PutWithholding(withholding) => {
                drop(self.withholdings.insert(withholding.number, withholding.clone()))
            }
            Change::DeleteWithholding(number) => drop(self.withholdings.remove(number)),
            _ => {}
        }
    }

    /// Tickets that are dormant by what the commit says of all up to a number, and not by their records.
    fn pass_over(&mut self) -> BTreeSet<TicketId> {
        let dormant_to = self.meta.dormant_to;
        let by_number =
            |ticket: &&mut TicketRecord| ready(ticket) && !ticket.acknowledged && ticket.number <= dormant_to;
        let passed_over = self.tickets.values_mut().filter(by_number).map(|ticket| {
            ticket.state = State::Queued { dormant: true };
            ticket.id
        });
        passed_over.collect()
    }

    fn ticket_moved(&self, Moved { before, after }: &Moved, facts: &Facts, old: Meta) {
        match (before, after) {
            (Some(before), None) => {
                let State::Ended { at, .. } = before.state else {
                    panic!("rule 8: a live ticket is forgotten: {before:?}");
                };
                let now = self.meta.service_ms;
                assert!(at + limits::ENDED_MEMORY_MS <= now, "rule 8: forgotten too early: {before:?}");
            }
            (None, Some(after)) => {
                assert!(after.number > old.last_number, "rule 10: numbers rise: {after:?}");
                assert!(
                    !after.acknowledged || facts.heard.contains(&after.id),
                    "rule 9: nobody has named it: {after:?}"
                );
                self.ended_rightly(None, after, facts);
            }
            (Some(before), Some(after)) => {
                assert!(before.is_live(), "an ended ticket changes: {before:?} {after:?}");
                let same = |ticket: &TicketRecord| (ticket.number, asks_for(ticket), ticket.priority);
                assert_eq!(same(before), same(after));
                let suspended =
                    ready(before) && after.state == State::Queued { dormant: true } && before.seq == after.seq;
                let gone = facts.lost.contains(&after.id) || facts.strangers.contains(&after.id);
                assert!(!suspended || gone, "rule 5: its client is there: {after:?}");
                let queued = matches!(after.state, State::Queued { .. });
                assert!(before.state != State::Held || !queued, "a holder has lost its permit: {after:?}");
                let taken_back = before.state == State::Granted && queued && before.seq == after.seq;
                assert!(!taken_back || facts.strangers.contains(&after.id), "rule 4: its grace is not over: {after:?}");
                let heard = before.acknowledged || facts.heard.contains(&after.id);
                assert!(!after.acknowledged || heard, "rule 9: nobody has named it: {after:?}");
                assert!(
                    after.acknowledged || !before.acknowledged,
                    "rule 9: what is known is not forgotten: {after:?}"
                );
                self.ended_rightly(Some(before), after, facts);
            }
            (None, None) => {}
        }
    }

    fn ended_rightly(&self, before: Option<&TicketRecord>, after: &TicketRecord, facts: &Facts) {
        let State::Ended { how, at, .. } = after.state else {
            return;
        };
        assert!(at <= self.meta.service_ms);
        let now = self.meta.service_ms;
        let alive = || {
            assert!(
                now >= facts.floor,
                "rule 9: a lease ended {} ms too early after a gap: {after:?}",
                facts.floor - now
            );
            assert!(!facts.alive.contains(&after.id), "rule 9: its heartbeat is in this batch: {after:?}");
        };
        match how {
            EndedAs::Released | EndedAs::Cancelled => {}
            EndedAs::Superseded => {
                let newer = after.more().superseded_by.and_then(|number| self.tickets.get(self.numbers.get(&number)?));
                let same = |ticket: &TicketRecord| {
                    let locks: Vec<LockName> = ticket.parts().map(|part| part.lock.clone()).collect();
                    (locks, owner(ticket), ticket.more().supersede.clone())
                };
                let right = newer.is_some_and(|newer| same(newer) == same(after) && newer.number > after.number);
                assert!(right && after.token.is_none(), "rule 18: superseded by {newer:?}: {after:?}");
                let waited = before.is_none_or(|before| !matches!(before.state, State::Held));
                assert!(waited, "rule 18: a holder is superseded: {before:?}");
            }
            EndedAs::Expired => {
                alive();
                assert!(!facts.awaited.contains(&after.id), "a connected client's ticket expires: {after:?}");
                assert!(after.held_at.is_none() && after.token.is_none(), "expired with permits: {after:?}");
            }
            EndedAs::Lost => {
                alive();
                assert!(after.held_at.is_some(), "lost without having been held: {after:?}");
            }
            EndedAs::Overdue => {
                let due = before.and_then(|before| before.hold_until).is_some_and(|until| until <= now);
                assert!(due, "overdue too early: {before:?} {after:?}");
            }
            EndedAs::Revoked => assert!(
                facts.any(|command| matches!(command, Command::Revoke { number, .. } if *number == after.number)),
                "nobody revoked it: {after:?}"
            ),
            EndedAs::Oversized => {
                // Slots that it selects may be gone.
                let selects = after.more().selection.is_some();
                // A lock that went with its last ticket has nothing left to compare with.
                let too_small =
                    after.parts().any(|part| !self.locks.contains_key(part.lock) || self.may_be_too_small(part, facts));
                assert!(selects || too_small, "its locks are large enough: {after:?}");
            }
            EndedAs::LockDeleted => assert!(
                facts.any(|command| matches!(command, Command::DeleteLock { name, .. } if after.is_of(name))),
                "nobody deleted a lock of it: {after:?}"
            ),
        }
    }

    /// Whether a lock, or its cap, may have been smaller within the step than what a ticket asks for of it.
    fn may_be_too_small(&self, part: PartRef<'_>, facts: &Facts) -> bool {
        let settings = self.locks.get(part.lock).map(|lock| &lock.settings);
        let size = settings.map(|settings| settings.size());
        let cap = settings.and_then(|settings| settings.max_per_owner);
        // "All" are too many where the cap is smaller than the size.
        let wanted = match part.permits {
            Permits::Count(wanted) => wanted,
            Permits::All => facts.sizes.iter().chain(&size).copied().max().unwrap_or_default(),
        };
        let mut bounds = facts.sizes.iter().chain(&size).chain(&facts.caps).chain(&cap);
        bounds.any(|bound| *bound < wanted)
    }

    /// Whether something may have changed what a lock is set to, or lifted what is withheld of it.
    fn administered(name: &LockName, facts: &Facts) -> bool {
        facts.any(|command| match command {
            Command::Restore { lock, .. } | Command::Outside { lock, .. } | Command::DeleteLock { name: lock, .. } => {
                lock == name
            }
            Command::PutLock { name: lock, .. } | Command::PatchLock { name: lock, .. } => lock == name,
            Command::Configure { .. } => true,
            _ => false,
        })
    }

    /// Permits of a lock that an owner has.
    fn used(tickets: &BTreeMap<TicketId, TicketRecord>, name: &LockName, of: &TicketRecord) -> u64 {
        let own = tickets.values().filter(|ticket| owner(ticket) == owner(of));
        own.map(|ticket| has(ticket, name)).sum()
    }

    /// Whether somebody who has so many permits of a lock may not have what a ticket asks for beside them.
    fn is_over_cap(&self, part: PartRef<'_>, used: u64) -> bool {
        let Some(lock) = self.locks.get(part.lock) else { return false };
        let asked = match part.permits {
            Permits::Count(asked) => asked,
            Permits::All => lock.settings.size(),
        };
        lock.settings.max_per_owner.is_some_and(|cap| used + u64::from(asked) > u64::from(cap))
    }

    /// Whether a waiter is passed over for a cap of one of its locks.
    fn is_over_a_cap(&self, ticket: &TicketRecord) -> bool {
        ticket.parts().any(|part| self.is_over_cap(part, Self::used(&self.tickets, part.lock, ticket)))
    }

    /// Rule 16: a grant takes nobody over the cap of any of its locks.
    fn within_its_caps(&self, granted: &TicketRecord, facts: &Facts) {
        for part in granted.parts().filter(|part| !Self::administered(part.lock, facts)) {
            let Some(lock) = self.locks.get(part.lock) else { continue };
            let used = Self::used(&self.tickets, part.lock, granted);
            let within = lock.settings.max_per_owner.is_none_or(|cap| used <= u64::from(cap));
            assert!(within, "rule 16: {used} permits are more than the cap: {granted:?}");
        }
    }

    /// Rule 14: whether a waiter could use one of these slots. Where names or tags may have changed within the step, nobody knows.
    fn could_use(&self, other: &TicketRecord, granted: &TicketRecord, facts: &Facts) -> bool {
        // Before a bundle, whoever waits comes first.
        let (Some(selection), Some(lock)) = (&other.more().selection, self.locks.get(&other.lock)) else { return true };
        if granted.is_bundle() {
            return true;
        }
        let slots = &granted.slots;
        let fitting = fitting(lock, selection);
        !Self::administered(&other.lock, facts)
            && slots.iter().flat_map(|&(first, last)| first..=last).any(|slot| fitting.contains(&slot))
    }

    /// Rule 2. Only tickets that were ready before and after are compared, and no client of which said anything in between. Whether a bundle
    /// is overtaken is asked elsewhere.
    fn nobody_was_overtaken(&self, granted: &TicketRecord, before: &BTreeMap<TicketId, TicketRecord>, facts: &Facts) {
        // Passed over within the step, perhaps: what its owner had then is known only where that did not change.
        let may_be_capped = |other: &TicketRecord| {
            let used = [before, &self.tickets].map(|tickets| Self::used(tickets, &other.lock, other));
            let cap = self.locks.get(&other.lock).and_then(|lock| lock.settings.max_per_owner);
            let certain = used[0] == used[1] && !Self::administered(&other.lock, facts);
            let part = other.part(&other.lock).expect("its own lock");
            self.is_over_cap(part, used[0].max(used[1])) || (cap.is_some() && !certain)
        };
        let overtaken = self.tickets.values().find(|other| {
            granted.is_of(&other.lock)
                && !other.is_bundle()
                && !may_be_capped(other)
                && self.could_use(other, granted, facts)
                && ready(other)
                && place(other) < place(granted)
                && !facts.touched.contains(&other.id)
                && before.get(&other.id).is_some_and(|old| ready(old) && old.seq == other.seq)
        });
        assert!(overtaken.is_none(), "rule 2: {granted:?} overtook {overtaken:?}");
    }

    /// Rule 13: a bundle that is first in all of its queues holds up those behind it. Looked at where nothing else happened in its locks.
    fn no_first_bundle_was_overtaken(
        &self,
        granted: &TicketRecord,
        before: &BTreeMap<TicketId, TicketRecord>,
        moved: &[Moved],
        facts: &Facts,
    ) {
        let (firsts, were) = (self.first_bundles(&self.tickets), self.first_bundles(before));
        let nothing_else = |bundle: &TicketRecord| {
            let others = moved.iter().filter_map(|pair| pair.after.as_ref().or(pair.before.as_ref()));
            let mut others = others.filter(|other| other.id != granted.id);
            !others.any(|other| bundle.parts().any(|part| other.is_of(part.lock)))
                && !bundle.parts().any(|part| Self::administered(part.lock, facts))
        };
        let overtaken = firsts.intersection(&were).map(|id| &self.tickets[id]).find(|bundle| {
            bundle.id != granted.id
                && bundle.parts().any(|part| granted.is_of(part.lock))
                && place(bundle) < place(granted)
                && nothing_else(bundle)
        });
        assert!(overtaken.is_none(), "rule 13: {granted:?} overtook {overtaken:?}");
    }

    /// The bundles that are first in all of their queues: nobody in line is before them in any, but for bundles that are not (rule 13).
    fn first_bundles(&self, tickets: &BTreeMap<TicketId, TicketRecord>) -> BTreeSet<TicketId> {
        let over_a_cap = |ticket: &TicketRecord| {
            ticket.parts().any(|part| self.is_over_cap(part, Self::used(tickets, part.lock, ticket)))
        };
        let mut line: Vec<&TicketRecord> =
            tickets.values().filter(|ticket| ready(ticket) && !over_a_cap(ticket)).collect();
        line.sort_by_key(|ticket| place(ticket));
        let (mut first, mut kept): (BTreeSet<TicketId>, BTreeSet<&LockName>) = (BTreeSet::new(), BTreeSet::new());
        for ticket in line {
            let goes_on = |name: &LockName| self.locks.get(name).is_some_and(|lock| lock.pause.is_none());
            let is_first = ticket.parts().all(|part| !kept.contains(part.lock) && goes_on(part.lock));
            if !ticket.is_bundle() {
                kept.insert(&ticket.lock);
            } else if is_first {
                first.insert(ticket.id);
                kept.extend(ticket.parts().map(|part| part.lock));
            }
        }
        first
    }

    fn out<'a>(&'a self, name: &'a LockName) -> impl Iterator<Item = &'a SlotRanges> + 'a {
        let tickets = self.tickets.values().filter(|ticket| ticket.is_active());
        let tickets = tickets.filter_map(|ticket| ticket.part(name));
        let withholdings = self.withholdings.values().filter(move |withholding| withholding.lock == *name);
        tickets.map(|part| part.slots).chain(withholdings.map(|withholding| &withholding.slots))
    }

    /// Rule 1. A lock that shrank may have too many out, but then it has given none.
    fn never_more_than_size(&self, name: &LockName, gave: Option<u32>) {
        let mut slots: Vec<(u32, u32)> = self.out(name).flatten().copied().collect();
        slots.sort_unstable();
        let twice = slots.windows(2).find(|pair| pair[0].1 >= pair[1].0);
        assert!(twice.is_none(), "rule 1: {name}: a slot is given twice: {twice:?}");
        if let Some(size) = gave {
            let out: u64 = self.out(name).map(count).sum();
            assert!(out <= u64::from(size), "rule 1: {name}: {out} permits are out of {size}");
        }
    }

    /// Rules 4 and 17: permits that may still be in use stay withheld for the lock's delay, and those that came back too soon for the
    /// rest of their time, unless an administrator restores them.
    fn withheld_as_long_as_they_must(
        &self,
        moved: &[Moved],
        delays: &BTreeMap<LockName, Ms>,
        old: &BTreeMap<u64, Withholding>,
        facts: &Facts,
    ) {
        let now = self.meta.service_ms;
        let restored = |name: &LockName| !self.locks.contains_key(name) || Self::administered(name, facts);
        for Moved { before, after } in moved {
            let (Some(before), Some(after)) = (before, after) else {
                continue;
            };
            let State::Ended { how, at, .. } = after.state else {
                continue;
            };
            let had = before.is_active() && after.token.is_some();
            for (part, after_part) in before.parts().zip(after.parts()).filter(|_| had) {
                let deleted = |name: &LockName| {
                    facts.any(|command| matches!(command, Command::DeleteLock { name: deleted, .. } if deleted == name))
                };
                // A bundle ends with any of its locks; of the others its holder may still have something.
                let risky = matches!(how, EndedAs::Lost | EndedAs::Overdue | EndedAs::Revoked)
                    || (how == EndedAs::LockDeleted && !deleted(part.lock));
                let delay = delays.get(part.lock).copied().filter(|_| risky).unwrap_or_default();
                let least = (at + delay).max(after_part.not_before.unwrap_or_default());
                let withholding = self.withheld_after(after, part);
                if withholding.is_some_and(|one| one.cause == WithheldCause::Broken) {
                    let asked = facts.any(|command| matches!(command, Command::Release { withhold: Some(_), .. }));
                    assert!(asked && how == EndedAs::Released, "rule 15: nobody said that they are broken: {after:?}");
                } else if least > at && !restored(part.lock) {
                    // A release that came too late keeps nothing: the ticket had ended otherwise.
                    let kept = if how == EndedAs::Released { kept_until(before, at, facts) } else { 0 };
                    let right = withholding.is_some_and(|one| one.until == Some(least.max(kept)));
                    assert!(right, "rules 4 and 17: not withheld until {least}: {withholding:?} {after:?}");
                }
            }
        }
        for withholding in old.values().filter(|withholding| !self.withholdings.contains_key(&withholding.number)) {
            assert!(
                withholding.until.is_some_and(|until| until <= now)
                    || withholding.until_wall.is_some()
                    || restored(&withholding.lock),
                "rule 4: restored too early: {withholding:?}"
            );
        }
    }

    /// What is withheld after the end of a ticket of what it had of a lock. Of a bundle not every withholding has its number.
    fn withheld_after(&self, ticket: &TicketRecord, part: PartRef<'_>) -> Option<&Withholding> {
        let mut all = self.withholdings.values();
        all.find(|one| {
            let is_its_own = one.number == ticket.number || (ticket.is_bundle() && one.number > ticket.number);
            is_its_own && one.lock == *part.lock && one.slots == *part.slots
        })
    }

    fn one_ticket_for_each_request(&self) {
        let mut seen = BTreeSet::new();
        for ticket in self.tickets.values() {
            if let Some(request) = &ticket.request {
                assert!(
                    seen.insert((ticket.parts().map(|part| part.lock).collect::<Vec<_>>(), &ticket.owner, &request.id)),
                    "rule 6: two tickets of one request_id: {ticket:?}"
                );
            }
        }
    }

    /// Rule 15: what is to be withheld as it comes back is not free.
    pub(crate) fn nothing_awaited_is_free(&self) {
        for one in self.withholdings.values().filter(|one| one.awaited > 0) {
            let Some(lock) = self.locks.get(&one.lock) else { continue };
            let alone = self.is_all_out(&one.lock);
            let out: u64 = self.out(&one.lock).map(count).sum();
            let full = out >= u64::from(lock.settings.size());
            assert!(alone || full, "rule 15: {} has free permits that are to be withheld: {one:?}", one.lock);
        }
    }

    /// Whether somebody who asked for all permits has them, or they are withheld after it.
    fn is_all_out(&self, name: &LockName) -> bool {
        let all = |part: PartRef<'_>| part.permits == Permits::All;
        let holders = self.tickets.values().filter(|ticket| ticket.is_active());
        holders.filter_map(|ticket| ticket.part(name)).any(all)
            || self.withholdings.values().any(|withholding| withholding.lock == *name && withholding.all)
    }

    /// Whether so many permits could be given now.
    fn fits(&self, part: PartRef<'_>) -> bool {
        let Some(lock) = self.locks.get(part.lock) else { return false };
        let out: u64 = self.out(part.lock).map(count).sum();
        let enough = match part.permits {
            Permits::Count(wanted) => out + u64::from(wanted) <= u64::from(lock.settings.size()),
            Permits::All => out == 0,
        };
        enough && lock.pause.is_none() && !self.is_all_out(part.lock)
    }

    /// Rule 14: nobody waits for slots that are free and that nobody before it could use.
    fn no_slot_is_idle(&self, name: &LockName, lock: &LockRecord, queue: &[&TicketRecord]) {
        let alone = self.is_all_out(name);
        let out: BTreeSet<u32> = self.out(name).flatten().flat_map(|&(first, last)| first..=last).collect();
        let room = (lock.settings.size() as usize).saturating_sub(out.len());
        let all: BTreeSet<u32> = lock.slot_names.iter().map(|(slot, _)| *slot).collect();
        let mut aside = BTreeSet::new();
        for ticket in queue {
            let selection = ticket.more().selection.as_ref();
            let slots = selection.map_or_else(|| all.clone(), |selection| fitting(lock, selection));
            let usable = slots.iter().filter(|slot| !out.contains(slot) && !aside.contains(*slot)).count();
            let (enough, asked) = match ticket.permits {
                Permits::Count(asked) => (usable >= asked as usize, asked as usize),
                Permits::All => (out.is_empty(), 0),
            };
            if enough {
                let stopped = lock.pause.is_some() || alone || room < asked;
                assert!(stopped, "rule 14: {name}: its slots are free: {ticket:?}");
                return;
            }
            if selection.is_none() {
                return;
            }
            aside.extend(slots);
        }
    }

    /// Rules 2, 3 and 13: between steps no head waits for permits that are there. Whether somebody is passed over for the cap of its owner (rule 16), and whether a bundle holds up somebody.
    pub(crate) fn no_permit_is_idle(&self) -> (bool, bool) {
        let (mut passed, mut held_up) = (false, false);
        let firsts = self.first_bundles(&self.tickets);
        for bundle in firsts.iter().map(|id| &self.tickets[id]) {
            assert!(!bundle.parts().all(|part| self.fits(part)), "rule 13: a bundle could be granted: {bundle:?}");
        }
        for (name, lock) in &self.locks {
            let mut queue: Vec<&TicketRecord> =
                self.tickets.values().filter(|ticket| ticket.is_of(name) && ready(ticket)).collect();
            queue.sort_by_key(|ticket| place(ticket));
            passed |= queue.iter().any(|ticket| self.is_over_a_cap(ticket));
            queue.retain(|ticket| !self.is_over_a_cap(ticket));
            // Behind a bundle that is first nobody is looked at, and other bundles are passed over.
            if let Some(first) = queue.iter().position(|ticket| firsts.contains(&ticket.id)) {
                held_up |= first + 1 < queue.len();
                queue.truncate(first);
            }
            queue.retain(|ticket| !ticket.is_bundle());
            if queue.iter().any(|ticket| ticket.more().selection.is_some()) {
                self.no_slot_is_idle(name, lock, &queue);
                continue;
            }
            let Some(head) = queue.first() else {
                continue;
            };
            let part = head.part(name).expect("a ticket of the lock");
            assert!(!self.fits(part), "rule 3: {name}: the head could be granted: {head:?}");
        }
        (passed, held_up)
    }

    /// The ticket that this command is about, by its id, its `request_id` or its holder's name.
    pub(crate) fn touched(&self, command: &Command) -> Option<TicketId> {
        let by = |lock: &LockName, others: &[LockName], test: &dyn Fn(&TicketRecord) -> bool| {
            self.tickets
                .values()
                .find(|ticket| is_for(ticket, lock, others) && ticket.is_live() && test(ticket))
                .map(|ticket| ticket.id)
        };
        match command {
            Command::Get { id, .. } | Command::Renew { id, .. } => Some(*id),
            Command::Acquire(new) => {
                let others: Vec<LockName> = new.others.iter().map(|asked| asked.lock.clone()).collect();
                by(&new.lock, &others, &|ticket| {
                    let key = ticket.request.as_ref().map(|request| &request.id);
                    (new.request_id.is_some() && key == new.request_id.as_ref())
                        || (new.holder.is_some() && ticket.holder == new.holder)
                })
            }
            Command::Release { target, .. } => match target {
                ReleaseTarget::Id(_, id) => Some(*id),
                ReleaseTarget::Request(lock, others, request) => {
                    by(lock, others, &|ticket| ticket.request.as_ref().is_some_and(|key| key.id == *request))
                }
                ReleaseTarget::Holder(lock, holder) => by(lock, &[], &|ticket| ticket.holder.as_ref() == Some(holder)),
            },
            _ => None,
        }
    }
}

/// The ticket, if this commit gave it permits.
fn newly_granted(Moved { before, after }: &Moved) -> Option<&TicketRecord> {
    let after = after.as_ref()?;
    let new = after.token.is_some() && before.as_ref().and_then(|before| before.token) != after.token;
    new.then_some(after).filter(|ticket| ticket.is_active())
}
