//! What must be true of a table after every step, computed anew from its tickets. Tests and the load of a store use it.

use crate::queue::Place;
use crate::table::{Lock, Superseding, Table, Ticket};
use crate::{LockName, PartRef, Permits, QuotaOwner, SlotRanges, State, limits, ranges};
use std::collections::{BTreeMap, BTreeSet};

fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Everything. Of a table that was loaded and has not made a step yet, what is true before that.
///
/// # Errors
/// What is not true.
pub fn check(table: &Table) -> Result<(), String> {
    check_consistent(table)?;
    if table.is_unstepped() {
        return Ok(());
    }
    rule_13_first_in_all_queues(table)?;
    for lock in table.locks.values() {
        rule_2_no_permit_idle(table, lock)?;
        rule_15_withheld_as_it_comes_back(table, lock)?;
        let swept = lock.oversized().is_none() || table.next_timeout() <= Some(table.now());
        require(swept, || format!("{}: an impossible waiter is left alone", lock.record.name))?;
    }
    Ok(())
}

/// What must be true of any table, one that was just loaded included.
pub(crate) fn check_consistent(table: &Table) -> Result<(), String> {
    check_stored(table)?;
    for lock in table.locks.values() {
        queue_is_complete(table, lock)?;
        rule_16_caps(table, lock)?;
    }
    indexes(table)?;
    counters(table)
}

/// What of that is a matter of what is stored, and was not looked at when the table was made of it.
pub(crate) fn check_stored(table: &Table) -> Result<(), String> {
    for lock in table.locks.values() {
        rule_1_never_more_than_size(table, lock)?;
    }
    let (ended, withdrawn) = (table.ended.len(), table.withdrawn.len());
    require(ended <= limits::ENDED_TICKETS_MAX, || format!("{ended} ended tickets"))?;
    require(withdrawn <= limits::WITHDRAWN_MAX, || format!("{withdrawn} withdrawn"))?;
    require(table.meta.last_token < limits::COUNTER_MAX, || "rule 10: a counter is too large".to_owned())
}

fn rule_1_never_more_than_size(table: &Table, lock: &Lock) -> Result<(), String> {
    let name = &lock.record.name;
    let holders = lock.active.values().map(|&id| (table.ticket(id), permits_of(table, lock, id)));
    let withholdings = lock.withholdings.iter().map(|number| &table.withholdings[number]);
    let given: Vec<(&SlotRanges, &Vec<crate::SlotName>)> = holders
        .clone()
        .map(|(_, part)| (part.slots, part.slot_names))
        .chain(withholdings.clone().map(|withholding| (&withholding.slots, &withholding.slot_names)))
        .filter(|(slots, _)| !slots.is_empty())
        .collect();
    let mut out = 0;
    let (mut seen, mut names): (Vec<(u32, u32)>, BTreeSet<&crate::SlotName>) = (Vec::new(), BTreeSet::new());
    for (slots, slot_names) in &given {
        out += ranges::count(slots);
        seen.extend(slots.iter());
        for slot_name in *slot_names {
            require(names.insert(slot_name), || format!("{name}: rule 11: two tickets have the name {slot_name}"))?;
        }
    }
    seen.sort_unstable();
    let twice = seen.windows(2).find(|pair| pair[0].1 >= pair[1].0);
    require(twice.is_none(), || format!("{name}: rule 1: slot {} is out twice", twice.map_or(0, |pair| pair[1].0)))?;
    let granted = holders.clone().filter(|(ticket, _)| ticket.state == State::Granted);
    let granted: u64 = granted.map(|(_, part)| ranges::count(part.slots)).sum();
    let withheld: u64 = withholdings.clone().map(|withholding| ranges::count(&withholding.slots)).sum();
    require(lock.withheld_by.iter().sum::<u64>() == lock.withheld, || {
        format!("{name}: {:?} are not the causes of {} withheld permits", lock.withheld_by, lock.withheld)
    })?;
    require((granted, withheld) == (lock.granted, lock.withheld), || {
        format!(
            "{name}: {granted} permits granted, {withheld} withheld; {} and {} are counted",
            lock.granted, lock.withheld
        )
    })?;
    require(out == lock.slots.out(), || format!("{name}: {out} permits are out, {} are counted", lock.slots.out()))?;
    // More than size is right only while a lock that shrank still has its old holders, and then there is no room.
    let room = u64::from(lock.slots.size()).saturating_sub(out);
    require(lock.slots.room() == room, || format!("{name}: rule 1: room for {} instead of {room}", lock.slots.room()))?;
    for (ticket, part) in holders.clone() {
        let right = match part.permits {
            Permits::Count(count) => ranges::count(part.slots) == u64::from(count),
            Permits::All => given.len() == 1,
        };
        require(right, || format!("{name}: ticket {} has other permits than it asked for", ticket.number))?;
    }
    let all = holders.clone().any(|(_, part)| part.permits == Permits::All)
        || withholdings.clone().any(|withholding| withholding.all);
    require(all == lock.exclusive, || format!("{name}: exclusive is {}", lock.exclusive))
}

/// What a ticket asks for and has of that lock.
fn permits_of<'a>(table: &'a Table, lock: &Lock, id: crate::TicketId) -> PartRef<'a> {
    table.ticket(id).part(&lock.record.name).expect("a ticket of the lock")
}

/// Whether the grant of a ticket takes its owner over no cap of its locks.
fn is_within_caps(table: &Table, ticket: &Ticket) -> bool {
    ticket.parts().all(|part| {
        let lock = table.lock(part.lock);
        let Some(cap) = lock.record.settings.max_per_owner else { return true };
        let used = caps(table, lock).get(&ticket.quota_owner()).copied().unwrap_or(0);
        used + asked(lock, part.permits) <= u64::from(cap)
    })
}

fn asked(lock: &Lock, permits: Permits) -> u64 {
    match permits {
        Permits::Count(count) => count.into(),
        Permits::All => u64::from(lock.slots.size()),
    }
}

/// Each lock knows which bundle is first in all of its queues: nobody in line is before it in any of them, but for bundles of which that is
/// not true.
fn rule_13_first_in_all_queues(table: &Table) -> Result<(), String> {
    let all = table.tickets.values().filter(|ticket| ticket.is_bundle());
    let queued = all.clone().filter(|ticket| matches!(ticket.state, State::Queued { .. })).count();
    require(queued == table.queued_bundles, || {
        format!("rule 13: {queued} queue, {} are counted", table.queued_bundles)
    })?;
    let mut first: BTreeMap<&LockName, Place> = BTreeMap::new();
    if queued > 0 {
        let in_line = all.filter(|ticket| ticket.state == State::Queued { dormant: false });
        let mut in_line: Vec<&Ticket> = in_line.map(Box::as_ref).filter(|one| is_within_caps(table, one)).collect();
        in_line.sort_by_key(|ticket| ticket.place());
        for ticket in in_line {
            let is_first = ticket.parts().all(|part| {
                let lock = table.lock(part.lock);
                let before = lock.queue.iter().map(|(_, id)| table.ticket(id));
                let before = before.take_while(|other| other.place() < ticket.place());
                let mut before = before.filter(|other| !other.is_bundle());
                let waits =
                    |other: &Ticket| other.state == State::Queued { dormant: false } && is_within_caps(table, other);
                let stopped = lock.record.pause.is_some() || lock.deleting;
                !stopped && !first.contains_key(part.lock) && !before.any(waits)
            });
            if is_first {
                first.extend(ticket.parts().map(|part| (part.lock, ticket.place())));
            }
        }
    }
    for lock in table.locks.values() {
        let known = lock.queue.first_bundle().map(|(place, ..)| *place);
        let is = first.get(&lock.record.name).copied();
        require(known == is, || {
            format!("{}: rule 13: {known:?} is known as the first, it is {is:?}", lock.record.name)
        })?;
    }
    Ok(())
}

/// A bundle that is first in all of its queues does not fit in all of them.
fn rule_13_no_permit_idle(table: &Table, bundle: &Ticket) -> Result<(), String> {
    let fits = bundle.parts().all(|part| {
        let lock = table.lock(part.lock);
        let enough = match part.permits {
            Permits::Count(count) => u64::from(count) <= lock.slots.room(),
            Permits::All => lock.slots.out() == 0,
        };
        enough && !lock.is_stopped()
    });
    require(!fits, || format!("rule 13: ticket {} could be granted", bundle.number))
}

/// The first in line, so far as caps let it be (rule 16), is not one that could be granted.
fn rule_2_no_permit_idle(table: &Table, lock: &Lock) -> Result<(), String> {
    if let Some((_, id, _)) = lock.queue.first_bundle() {
        return rule_13_no_permit_idle(table, table.ticket(*id));
    }
    let used = caps(table, lock);
    let within_cap = |ticket: &Ticket| {
        let Some(cap) = lock.record.settings.max_per_owner else { return true };
        used.get(&ticket.quota_owner()).copied().unwrap_or(0) + asked(lock, ticket.permits) <= u64::from(cap)
    };
    let waiters = lock.queue.iter().map(|(_, id)| table.ticket(id));
    // Other bundles than the first one are passed over.
    let mut waiters = waiters.filter(|one| one.state == State::Queued { dormant: false } && !one.is_bundle());
    if lock.queue.has_classes() {
        return rule_14_slots_idle(table, lock, within_cap);
    }
    let Some(ticket) = waiters.find(|ticket| within_cap(ticket)) else {
        return Ok(());
    };
    let stopped = lock.is_stopped();
    let fits = match ticket.permits {
        Permits::Count(count) => u64::from(count) <= lock.slots.room(),
        Permits::All => lock.slots.out() == 0,
    };
    require(stopped || !fits, || format!("{}: rule 3: ticket {} could be granted", lock.record.name, ticket.number))
}

fn rule_15_withheld_as_it_comes_back(table: &Table, lock: &Lock) -> Result<(), String> {
    for number in &lock.withholdings {
        let withholding = &table.withholdings[number];
        let listed = lock.awaiting.contains(number) == withholding.is_awaiting();
        require(listed, || format!("rule 15: does {withholding:?} await something?"))?;
        let is_back = |name| lock.slots.slot_of(name).is_some_and(|slot| lock.slots.is_free(slot));
        let back = withholding.awaited > 0 || withholding.awaited_names.iter().any(is_back);
        require(!back || lock.exclusive || lock.slots.room() == 0, || {
            format!("rule 15: permits that are to be withheld are not: {withholding:?}")
        })?;
    }
    Ok(())
}

/// Nobody waits for slots that are free and that nobody before it could use.
fn rule_14_slots_idle(table: &Table, lock: &Lock, within_cap: impl Fn(&Ticket) -> bool) -> Result<(), String> {
    let mut aside: BTreeSet<u32> = BTreeSet::new();
    let waiters = lock.queue.iter().map(|(_, id)| table.ticket(id));
    let ready = |ticket: &&Ticket| ticket.state == State::Queued { dormant: false } && !ticket.is_bundle();
    for ticket in waiters.filter(ready).filter(|ticket| within_cap(ticket)) {
        let fitting: BTreeSet<u32> = match &ticket.more().selection {
            Some(selection) => lock.slots_of(selection).slots().collect(),
            None => lock.slots.free().collect(),
        };
        let usable = fitting.iter().filter(|slot| lock.slots.is_free(**slot) && !aside.contains(slot)).count() as u64;
        let (enough, room) = match ticket.permits {
            Permits::Count(count) => (usable >= count.into(), lock.slots.room() >= count.into()),
            Permits::All => (lock.slots.out() == 0, true),
        };
        if enough {
            return require(!room || lock.is_stopped(), || {
                format!("{}: rule 14: ticket {} could have its slots", lock.record.name, ticket.number)
            });
        }
        if ticket.more().selection.is_none() {
            return Ok(());
        }
        aside.extend(fitting);
    }
    Ok(())
}

/// What each owner has of a lock with a cap.
fn caps(table: &Table, lock: &Lock) -> BTreeMap<QuotaOwner, u64> {
    let mut used: BTreeMap<QuotaOwner, u64> = BTreeMap::new();
    for &id in lock.active.values() {
        *used.entry(table.ticket(id).quota_owner()).or_default() += ranges::count(permits_of(table, lock, id).slots);
    }
    used
}

fn rule_16_caps(table: &Table, lock: &Lock) -> Result<(), String> {
    let name = &lock.record.name;
    let has = (lock.caps.is_some(), lock.record.settings.max_per_owner.is_some());
    require(has.0 == has.1, || format!("{name}: rule 16: caps {has:?}"))?;
    let Some(counted) = &lock.caps else { return Ok(()) };
    let counted: BTreeMap<QuotaOwner, u64> =
        counted.permits().map(|(owner, permits)| (owner.clone(), permits)).collect();
    let used = caps(table, lock);
    require(used == counted, || format!("{name}: rule 16: {counted:?} are counted, it is {used:?}"))
}

fn queue_is_complete(table: &Table, lock: &Lock) -> Result<(), String> {
    let name = &lock.record.name;
    for (place, id) in lock.queue.iter() {
        let ticket = table.tickets.get(&id).ok_or_else(|| format!("{name}: an unknown ticket queues"))?;
        let dormant = ticket.state == State::Queued { dormant: true };
        require(matches!(ticket.state, State::Queued { .. }) && ticket.place() == place && ticket.is_of(name), || {
            format!("{name}: ticket {} is not where it queues", ticket.number)
        })?;
        require(dormant == lock.queue.is_dormant(&ticket.selected(), place), || {
            format!("{name}: ticket {}: dormant?", ticket.number)
        })?;
    }
    Ok(())
}

fn indexes(table: &Table) -> Result<(), String> {
    let mut live: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut live_by_owner: BTreeMap<QuotaOwner, BTreeSet<u64>> = BTreeMap::new();
    let mut superseding: BTreeMap<Superseding, BTreeSet<u64>> = BTreeMap::new();
    let mut leases: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut ended = 0;
    for (&id, ticket) in &table.tickets {
        for part in ticket.parts() {
            let counts = live.entry(part.lock.as_str()).or_default();
            counts.0 += usize::from(matches!(ticket.state, State::Queued { .. }));
            counts.1 += usize::from(ticket.is_active());
        }
        match ticket.state {
            State::Queued { .. } => {
                if let Some(key) = ticket.superseding() {
                    superseding.entry(key).or_default().insert(ticket.number);
                }
            }
            State::Granted | State::Held => {}
            State::Ended { at, .. } => {
                ended += 1;
                require(table.ended.contains(&(at, ticket.number, id)), || {
                    format!("ticket {} is lost", ticket.number)
                })?;
            }
        }
        require(table.numbers.get(&ticket.number) == ticket.is_live().then_some(&id), || {
            format!("ticket {} is not found by its number", ticket.number)
        })?;
        if let Some(until) = ticket.lease_until {
            leases.insert((until, ticket.number));
        }
        let lease = ticket.is_live().then(|| table.lease_of(ticket)).flatten();
        let waits = ticket.waiting > 0 && matches!(ticket.state, State::Queued { .. });
        require(waits || lease.is_some() == ticket.lease_until.is_some(), || {
            format!("rule 4: ticket {} has a lease of {lease:?} that ends at {:?}", ticket.number, ticket.lease_until)
        })?;
        if ticket.is_live() {
            live_by_owner.entry(ticket.quota_owner()).or_default().insert(ticket.number);
        }
    }
    for (name, lock) in &table.locks {
        let counted = (lock.queue.len(), lock.active.len());
        let real = live.remove(name.as_str()).unwrap_or_default();
        require(real == counted, || format!("{name}: {real:?} tickets queue and hold, {counted:?} are counted"))?;
    }
    require(live.values().all(|counts| *counts == (0, 0)), || "live tickets of a lock that is gone".to_owned())?;
    for id in &table.deferred {
        let right = table.tickets.get(id).is_some_and(|ticket| ticket.is_live());
        require(right, || format!("{id:?} is deferred, and is not a live ticket"))?;
    }
    let mut instances: BTreeMap<QuotaOwner, usize> = BTreeMap::new();
    for (name, lock) in &table.locks {
        let is_instance = lock.record.template.is_some();
        let payer =
            lock.charged.as_ref().and_then(|(number, quota_owner)| Some((table.numbers.get(number)?, quota_owner)));
        let is_paid =
            payer.is_some_and(|(&id, by)| table.ticket(id).is_of(name) && table.ticket(id).quota_owner() == *by);
        require(is_paid == (is_instance && lock.live() > 0), || format!("{name} is charged to {:?}", lock.charged))?;
        require(is_instance || lock.charged.is_none(), || format!("{name} is charged and no instance"))?;
        if let Some((_, quota_owner)) = &lock.charged {
            *instances.entry(quota_owner.clone()).or_default() += 1;
        }
    }
    require(instances == table.instances, || "instances of keys and addresses are miscounted".to_owned())?;
    require(table.ended_of.len() == ended, || "ended tickets are not where their owners have them".to_owned())?;
    let withdrawn = (table.withdrawn.len(), table.withdrawn_by.len());
    require(withdrawn.0 == withdrawn.1, || format!("{withdrawn:?} withdrawn"))?;
    require(superseding == table.superseding, || "rule 18: superseded are others than queue".to_owned())?;
    require(leases == table.leases, || "leases differ from those of the tickets".to_owned())?;
    require(live_by_owner == table.live_by_owner, || "tickets of keys and addresses are miscounted".to_owned())?;
    require(ended == table.ended.len(), || format!("{ended} ended tickets"))
}

fn counters(table: &Table) -> Result<(), String> {
    for ticket in table.tickets.values() {
        let given = ticket.number <= table.meta.last_number
            && ticket.seq <= table.meta.last_seq
            && ticket.token.is_none_or(|token| token <= table.meta.last_token);
        require(given, || format!("rule 10: ticket {} has a number, place or token never given", ticket.number))?;
        let awake = ticket.state == State::Queued { dormant: false };
        require(!awake || ticket.acknowledged || ticket.number > table.meta.dormant_to, || {
            format!("rule 9: ticket {} is not dormant, and would be after a load", ticket.number)
        })?;
    }
    for (prefix, template) in &table.templates {
        let instances = table.locks.values().filter(|lock| lock.record.template.as_ref() == Some(prefix)).count();
        require(instances == template.instances, || format!("rule 12: {prefix:?} counts {}", template.instances))?;
    }
    Ok(())
}
