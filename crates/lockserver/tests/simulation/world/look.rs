//! What the judge is shown of a step: what arrived for it, the table beside the store, and the events.

use super::World;
use crate::admin;
use crate::durable::Facts;
use crate::flight::{Call, Flight};
use lock_core::{Command, State, TicketId, TicketRecord, invariants, limits};
use lockserver::engine::{EventId, Presence, Request};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// What has arrived, and what of it the judge must know.
    pub(super) fn take(&mut self) -> (Facts, Vec<Request>) {
        let batch = self.handle.request_queue().take().expect("nobody closes them");
        let commands = std::mem::take(&mut self.sent);
        let mut facts = Facts { floor: self.floor, strangers: self.strangers.clone(), ..Facts::default() };
        for command in &commands {
            facts.sizes.extend(admin::sizes(command));
            facts.caps.extend(admin::caps(command));
            if let Command::Configure { .. } = command {
                self.configuration.extend(admin::sizes(command));
                self.configured_caps.extend(admin::caps(command));
            }
            if let Some(id) = self.judge.durable.touched(command) {
                facts.touched.insert(id);
                self.heard.insert(id);
                self.no_ghosts.insert(id);
                let held = self.judge.durable.live(id).is_some_and(|ticket| ticket.state == State::Held);
                let plain = match command {
                    Command::Get { renew, wait, .. } => !renew && (held || !wait),
                    Command::Release { .. } => true,
                    _ => false,
                };
                if !plain {
                    facts.alive.insert(id);
                }
            }
        }
        if self.engine.table().is_none() {
            // A term begins with the configuration, and those who wait ask again.
            facts.sizes.extend(&self.configuration);
            facts.caps.extend(&self.configured_caps);
            facts.touched.extend(self.flights.iter().filter_map(|flight| self.judge.durable.touched(&flight.command)));
            self.floor = 0;
            facts.floor = 0;
        }
        for flight in self.flights.iter().filter(|flight| flight.applied && flight.waits) {
            let open = flight.connection.as_ref().is_some_and(|one| one.is_open());
            if let Some(id) =
                self.judge.durable.touched(&flight.command).filter(|_| open && matches!(flight.call, Call::Wait(_)))
            {
                facts.awaited.insert(id);
            }
        }
        let closed = |flight: &&Flight| flight.connection.as_ref().is_some_and(|one| !one.is_open());
        for flight in self.flights.iter().filter(closed) {
            self.lost.extend(self.waits_for(&flight.command));
        }
        facts.lost = self.lost.clone();
        facts.heard = self.heard.clone();
        if self.engine.table().is_some() {
            let waits: Vec<(TicketId, bool)> = self
                .flights
                .iter()
                .filter(|flight| flight.applied && flight.waits)
                .filter_map(|flight| Some((self.waits_for(&flight.command)?, !closed(&flight))))
                .collect();
            let connected: BTreeSet<TicketId> = waits.iter().filter(|(_, open)| *open).map(|(id, _)| *id).collect();
            let ids = waits.into_iter().map(|(id, _)| id);
            facts.deserted = ids.filter(|id| !connected.contains(id) && !facts.touched.contains(id)).collect();
        }
        facts.commands = commands;
        (facts, batch)
    }

    pub(super) fn table_equals_store(&self) {
        let Some(table) = self.engine.table() else { return };
        invariants::check(table).unwrap_or_else(|what| panic!("the table contradicts itself: {what}"));
        let (mut memory, stored) = (table.snapshot(), self.store.snapshot());
        assert!(memory.meta.service_ms >= stored.meta.service_ms);
        let unsaved = memory.meta.service_ms - stored.meta.service_ms;
        assert!(unsaved < 7000 || !table.is_timed(), "rule 9: {unsaved} ms of service time are not saved");
        memory.meta.service_ms = stored.meta.service_ms;
        memory.meta.uptime.monotonic_ms = stored.meta.uptime.monotonic_ms;
        if table.has_deferred_changes() {
            let noted: BTreeMap<TicketId, (bool, u64)> =
                stored.tickets.iter().map(|ticket| (ticket.id, (ticket.acknowledged, ticket.lease_began))).collect();
            for ticket in &mut memory.tickets {
                if let Some(&(acknowledged, lease_began)) = noted.get(&ticket.id) {
                    ticket.acknowledged &= acknowledged;
                    ticket.lease_began = lease_began;
                }
            }
        }
        assert!(memory == stored, "the table differs from the store:\n{memory:#?}\n{stored:#?}");
    }

    pub(super) fn hear_events(&mut self, before: &BTreeMap<TicketId, TicketRecord>, good: bool, only: bool) {
        let (seen, last) = (self.judge.seen(), self.handle.events().last());
        let from = if last.term == seen.term { seen } else { EventId { term: last.term, sequence: 0 } };
        let new = self.handle.events().after(from, limits::EVENTS_MAX).expect("a reader of this term is not reset");
        assert!(!only || new.is_empty(), "told of a step that is not durable: {new:?}");
        self.judge.events(before, last, &new, good);
    }

    /// The ticket of a request that waits: the one that it made, or that it is about.
    pub(super) fn waits_for(&self, command: &Command) -> Option<TicketId> {
        self.judge.durable.touched(command).or(match command {
            Command::Acquire(new) => Some(new.id),
            _ => None,
        })
    }
}
