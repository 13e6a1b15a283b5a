//! `lockserver store dump`: what is in a store, for people or as JSON.
//!
//! It is read whole, as a server does, so that what is printed is of one moment; it is printed lock by lock.

mod json;
mod text;

use super::source::Source;
use super::{Failed, which};
use crate::cli::Cli;
use crate::{exit, stdout, wall};
use lock_core::{
    LockName, LockRecord, Meta, Part, State, TemplateRecord, TicketRecord, Withdrawn, WithheldName, Withholding,
};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

/// A store, as it is printed.
struct Dump {
    store: String,
    /// Of a file.
    schema: Option<i32>,
    at: String,
    meta: Meta,
    counts_as_copy: bool,
    /// By name; also those that only ended tickets are of. A bundle is in each of its locks.
    locks: BTreeMap<LockName, OfLock>,
    /// Ended tickets, each of them once.
    ended: usize,
    templates: Vec<TemplateRecord>,
    withheld_names: Vec<WithheldName>,
    withdrawn: Vec<Withdrawn>,
}

/// What belongs to a lock.
#[derive(Default)]
struct OfLock {
    /// `None` if it is gone.
    lock: Option<LockRecord>,
    /// By number.
    holders: Vec<TicketRecord>,
    /// In the order of the queue.
    queue: Vec<TicketRecord>,
    /// By number.
    withheld: Vec<Withholding>,
    /// By number.
    ended: Vec<TicketRecord>,
}

impl Dump {
    fn read(source: &Source) -> Result<Self, Failed> {
        let at = wall::now();
        let mut snapshot = source.load()?;
        snapshot.sort();
        let mut locks: BTreeMap<LockName, OfLock> = BTreeMap::new();
        for lock in snapshot.locks {
            locks.insert(lock.name.clone(), OfLock { lock: Some(lock), ..OfLock::default() });
        }
        let ended = snapshot.tickets.iter().filter(|ticket| !ticket.is_live()).count();
        for ticket in snapshot.tickets.iter().flat_map(from_each_lock) {
            let of = locks.entry(ticket.lock.clone()).or_default();
            match ticket.state {
                State::Queued { .. } => of.queue.push(ticket),
                State::Granted | State::Held => of.holders.push(ticket),
                State::Ended { .. } => of.ended.push(ticket),
            }
        }
        for withholding in snapshot.withholdings {
            locks.entry(withholding.lock.clone()).or_default().withheld.push(withholding);
        }
        for of in locks.values_mut() {
            of.holders.sort_by_key(|ticket| ticket.number);
            of.queue.sort_by_key(|ticket| (-i16::from(ticket.priority), ticket.seq));
            of.ended.sort_by_key(|ticket| ticket.number);
        }
        Ok(Self {
            store: source.name(),
            schema: source.schema(),
            at,
            meta: snapshot.meta,
            counts_as_copy: snapshot.restart_counters,
            locks,
            ended,
            templates: snapshot.templates,
            withheld_names: snapshot.withheld_names,
            withdrawn: snapshot.withdrawn,
        })
    }
}

/// A ticket as each of its locks has it: that lock is its own, and the others are its parts.
fn from_each_lock(ticket: &TicketRecord) -> Vec<TicketRecord> {
    let all: Vec<Part> = ticket
        .parts()
        .map(|part| Part {
            lock: part.lock.clone(),
            permits: part.permits,
            slots: part.slots.clone(),
            slot_names: part.slot_names.clone(),
            not_before: part.not_before,
        })
        .collect();
    let seen_from = |own: &Part| {
        let mut seen = ticket.clone();
        (seen.lock, seen.permits) = (own.lock.clone(), own.permits);
        (seen.slots, seen.slot_names) = (own.slots.clone(), own.slot_names.clone());
        if let Some(more) = &mut seen.more {
            more.not_before = own.not_before;
            more.parts = all.iter().filter(|part| part.lock != own.lock).cloned().collect();
        }
        seen
    };
    all.iter().map(seen_from).collect()
}

pub(super) fn run(cli: &Cli, named: Option<&str>, json: bool, with_ids: bool) -> Result<(), Failed> {
    let dump = Dump::read(&Source::open(which::choose(cli, named)?)?)?;
    let print = || {
        let mut out = BufWriter::new(stdout::lock()?);
        if json {
            json::print(&mut out, &dump, with_ids)?
        } else {
            text::print(&mut out, &dump, with_ids)?
        }
        out.flush()
    };
    match print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failed::new(exit::CANNOT_CREATE, format!("the dump cannot be written: {error}")))
        }
        // A reader that has seen enough (`| head`) is no failure.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::records::plain_ticket;
    use lock_core::{More, Permits};

    #[test]
    fn a_bundle_is_listed_in_each_of_its_locks() {
        let name = |text: &str| LockName::new(text).expect("a name");
        let part = |lock: &str, slot| Part {
            lock: name(lock),
            permits: Permits::Count(slot),
            slots: vec![(slot, slot)],
            slot_names: Vec::new(),
            not_before: Some(slot.into()),
        };
        let more = More { not_before: Some(1), parts: vec![part("b", 2), part("c", 3)], ..More::default() };
        let bundle =
            TicketRecord { lock: name("a"), slots: vec![(1, 1)], more: Some(Box::new(more)), ..plain_ticket(7) };
        let seen = from_each_lock(&bundle);
        assert_eq!(seen[0], bundle);
        assert_eq!((&seen[1].lock, seen[1].permits, &seen[1].slots), (&name("b"), Permits::Count(2), &vec![(2, 2)]));
        assert_eq!((seen[2].more().not_before, seen[2].number), (Some(3), 7));
        assert_eq!(seen[2].more().parts, [part("a", 1), part("b", 2)]);
        assert_eq!(from_each_lock(&plain_ticket(7)), [plain_ticket(7)]);
    }
}
