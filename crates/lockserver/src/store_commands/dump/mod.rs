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
    LockName, LockRecord, Meta, State, TemplateRecord, TicketRecord, Withdrawn, WithheldName, Withholding,
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
    /// By name; also those that only ended tickets are of.
    locks: BTreeMap<LockName, OfLock>,
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
        for ticket in snapshot.tickets {
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
            templates: snapshot.templates,
            withheld_names: snapshot.withheld_names,
            withdrawn: snapshot.withdrawn,
        })
    }
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
