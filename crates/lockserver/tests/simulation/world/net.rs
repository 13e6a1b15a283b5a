//! The way between clients and the engine: requests, connections that break, answers that are late or lost.

use super::World;
use crate::admin;
use crate::client::{Ask, Heard, Phase};
use crate::flight::{Call, Connection, Fate, Flight, Writing};
use crate::judge::Debt;
use lock_core::{Command, Outcome, State};
use lockserver::engine::{Answer, Delivery, Presence};

impl World {
    pub(super) fn nothing_heard(&mut self, client: Option<usize>, job: u64, ask: Ask) {
        let Some(number) = client else { return };
        let client = &mut self.clients[number];
        if client.job == job {
            self.trace.line(&format!("c{number} hears nothing of {ask:?}"));
            client.hear(ask, Heard::Nothing, &mut self.dice, self.mono);
        }
    }

    /// A client is killed: its connections break, and it never comes back for what it had.
    pub(super) fn client_dies(&mut self, number: usize) {
        if self.clients[number].phase == Phase::Idle {
            return;
        }
        self.trace.count("clients killed");
        self.trace.line(&format!("c{number} is killed"));
        if let Some(id) = self.clients[number].ticket {
            self.judge.disbelieve(id);
        }
        self.clients[number].forget();
        let (gone, kept): (Vec<Flight>, Vec<Flight>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.client == Some(number));
        self.flights = kept;
        for flight in gone {
            self.vanish(flight);
        }
        for writing in self.writing.iter_mut().filter(|writing| writing.client == Some(number)) {
            writing.heard = false;
            // Whether it had read what was on its way, nobody knows.
            writing.delivery = writing.delivery.max(Delivery::Unknown);
        }
    }

    pub(super) fn send(&mut self, client: Option<usize>, job: u64, ask: Ask, command: Command, wait: Option<u64>) {
        let who = client.map_or_else(|| "admin".to_owned(), |number| format!("c{number}"));
        self.trace.line(&format!("{who} sends {}", short(&command)));
        if let Some(id) = self.judge.durable.touched(&command) {
            self.judge.touched(id);
        }
        if ask == Ask::End
            && let Some(id) = client.and_then(|number| self.clients[number].ticket)
        {
            self.judge.disbelieve(id);
        }
        if let Command::Renew { id, ttl: Some(ttl), .. } = &command {
            self.judge.asks_for_lease(*id, *ttl, self.mono);
        }
        self.sent.push(command.clone());
        let connection = wait.map(|_| Connection::open());
        let caller = client.map_or_else(admin::caller, |number| self.clients[number].caller.clone());
        let call = match &connection {
            Some(connection) => {
                Call::wait(&self.handle, caller, command.clone(), connection.clone()).expect("there is room")
            }
            None => Call::once(&self.handle, caller, command.clone()),
        };
        let lost = !self.drain && self.dice.permille(self.weather.answer_lost);
        let slow = self.dice.from(1..=15);
        let unheard = self.dice.pick(&[Delivery::Unknown, Delivery::Unsent]);
        let fate = match self.dice.from(0..=4) {
            0 if lost => Fate { heard: false, steps: 0, delivery: unheard },
            1 if lost => Fate { steps: slow, ..Fate::DELIVERED },
            2 if lost => Fate { heard: false, steps: slow, delivery: unheard },
            3 if lost => Fate { heard: true, steps: slow / 8, delivery: Delivery::Unknown },
            _ => Fate::DELIVERED,
        };
        self.flown += 1;
        let flight = Flight {
            number: self.flown,
            client,
            job,
            ask,
            command,
            call,
            fate,
            sent: self.mono,
            connection,
            deadline: self.mono + wait.unwrap_or(0),
            waits: wait.is_some(),
            applied: false,
            seen: false,
        };
        // Gone before the engine has seen it.
        if lost && client.is_some() && self.dice.permille(200) {
            self.trace.count("connections lost before the request's turn");
            self.vanish(flight);
            self.nothing_heard(client, job, ask);
        } else {
            self.flights.push(flight);
        }
    }

    /// The handler drops a request: its connection is gone.
    pub(super) fn vanish(&mut self, flight: Flight) {
        // A handler may drop a request before its socket is known to be closed.
        if let Some(connection) = flight.connection.as_ref().filter(|_| self.dice.permille(700)) {
            connection.break_off();
        }
        if flight.waits {
            self.lost.extend(self.waits_for(&flight.command));
        }
        match &flight.command {
            Command::Acquire(new) if new.request_id.is_none() && new.holder.is_none() => {
                self.judge.owe(new.id, Debt::Cancel)
            }
            command if matches!(flight.call, Call::Wait(_)) => {
                let alone = self.waits_for(command).filter(|id| {
                    !self
                        .flights
                        .iter()
                        .any(|other| other.waits && self.judge.durable.touched(&other.command) == Some(*id))
                });
                match alone {
                    Some(id) if flight.seen => self.judge.owe(id, Debt::Dormant),
                    Some(id) => self.unseen.push(id),
                    None => {}
                }
            }
            _ => {}
        }
    }

    /// Connections break, and waits end.
    pub(super) fn connections(&mut self) {
        let numbers: Vec<u64> = self.flights.iter().map(|flight| flight.number).collect();
        for number in numbers {
            let at = self.flights.iter().position(|flight| flight.number == number);
            let flight = &self.flights[at.expect("only this loop takes flights away")];
            let Some(connection) = flight.connection.clone().filter(|_| matches!(flight.call, Call::Wait(_))) else {
                continue;
            };
            let (dead, over) = (!connection.is_open(), self.mono >= flight.deadline);
            let seen = flight.seen;
            if over || (dead && self.dice.permille(500)) {
                let mut flight = self.flights.remove(at.expect("found above"));
                if over {
                    self.trace.count("waits given up");
                    self.trace.line(&format!("flight {number} waits no longer"));
                    flight.call = flight.call.give_up(dead);
                    self.flights.push(flight);
                } else {
                    self.trace.count("waits whose connection was lost");
                    self.trace.line(&format!("the wait of flight {number} is dropped"));
                    let (client, job, ask) = (flight.client, flight.job, flight.ask);
                    self.vanish(flight);
                    self.nothing_heard(client, job, ask);
                }
            } else if !dead && !self.drain && seen && self.dice.permille(self.weather.connection_lost) {
                self.trace.line(&format!("the connection of flight {number} breaks"));
                connection.break_off();
            }
        }
    }

    /// Takes the answers of a step to their clients.
    pub(super) fn answers(&mut self, failed: u32, only: bool) {
        let mut waiting = Vec::new();
        for mut flight in std::mem::take(&mut self.flights) {
            let Some(answer) = flight.call.answer() else {
                // It may as well be in flight.
                if !self.store.is_busy() {
                    self.still_waits(&flight);
                    flight.seen = true;
                }
                waiting.push(flight);
                continue;
            };
            let waited = flight.waits && flight.seen;
            self.judge.answered(&flight.command, &answer, self.step, failed, only, waited);
            let broken = flight.connection.as_ref().is_some_and(|one| !one.is_open());
            let unsent = Fate { heard: false, steps: 0, delivery: Delivery::Unsent };
            let Fate { heard, steps, delivery } = if broken { unsent } else { flight.fate };
            let until_step = self.step + steps;
            match (heard, delivery) {
                (true, Delivery::Unknown) => self.trace.count("answers read of which the server does not know it"),
                (false, Delivery::Unknown) => self.trace.count("answers lost on their way"),
                (false, _) => self.trace.count("answers that never left"),
                (true, _) => {}
            }
            if !heard {
                self.nothing_heard(flight.client, flight.job, flight.ask);
            } else if until_step > self.step {
                self.trace.count("answers delivered late");
            }
            self.writing.push(Writing {
                told: answer,
                command: flight.command,
                client: flight.client,
                job: flight.job,
                ask: flight.ask,
                sent: flight.sent,
                answered_step: self.step,
                until_step,
                heard,
                delivery,
            });
        }
        self.flights = waiting;
        self.write();
    }

    /// Rule 3 and section 11: after a step nothing is unanswered but what waits for a queued ticket.
    pub(super) fn still_waits(&self, flight: &Flight) {
        assert!(matches!(flight.call, Call::Wait(_)), "not answered: {:?}", flight.command);
        if self.engine.table().is_none() || self.engine.holds_back() {
            return;
        }
        let id = self.waits_for(&flight.command);
        let ticket = id.and_then(|id| self.judge.durable.tickets.get(&id));
        let queued = ticket.is_some_and(|ticket| matches!(ticket.state, State::Queued { .. }));
        assert!(queued, "waits for a ticket that does not: {:?} {ticket:?}", flight.command);
    }

    /// Answers reach their clients, or do not.
    pub(super) fn write(&mut self) {
        let (due, later): (Vec<Writing>, Vec<Writing>) =
            std::mem::take(&mut self.writing).into_iter().partition(|writing| writing.until_step <= self.step);
        self.writing = later;
        for writing in due {
            let taken = !writing.heard || self.deliver(&writing);
            let delivery = if taken { writing.delivery } else { Delivery::Unsent };
            if let Ok(told) = &writing.told {
                if let Some(receipt) = &told.receipt {
                    receipt.resolve(delivery);
                }
                // Not what the engine makes of it.
                let may_know = delivery != Delivery::Unsent;
                // A term may begin within a step: then the request came after a grant in the same step, and tells of it.
                let alive = matches!(writing.command, Command::Get { renew: true, .. } | Command::Renew { .. });
                if let (Outcome::Ticket(view), true, true, None) = (&told.outcome, alive, may_know, &told.receipt)
                    && view.is_held()
                {
                    self.judge.touched(view.ticket.id);
                }
                self.judge.receipt(&writing.command, told, writing.answered_step, may_know);
            }
        }
    }

    pub(super) fn deliver(&mut self, writing: &Writing) -> bool {
        let Some(number) = writing.client else { return true };
        self.trace.line(&format!("c{number} hears {}", said(&writing.told)));
        let client = &mut self.clients[number];
        if client.job != writing.job {
            return false;
        }
        let (phase, served) = (client.phase, client.served);
        let taken = client.hear(writing.ask, Heard::Answer(&writing.told), &mut self.dice, self.mono);
        if self.clients[number].served > served {
            self.trace.count("clients served");
        }
        if let Ok(told) = &writing.told
            && let Outcome::Ticket(view) = &told.outcome
        {
            let keeps =
                self.clients[number].ticket == Some(view.ticket.id) && self.clients[number].phase != Phase::Ending;
            if taken && keeps && phase != Phase::Ending {
                self.judge.told(view, writing.sent, self.mono);
            }
        }
        taken
    }
}

fn short(command: &Command) -> String {
    match command {
        Command::Acquire(new) => format!(
            "acquire {} {:?} {:?} prio {} {:?} {:?} request {:?}",
            new.lock,
            new.id,
            new.permits,
            new.priority,
            new.lease,
            new.if_busy,
            new.request_id.as_ref().map(|id| &id[..6])
        ),
        Command::Get { id, renew, wait, .. } => format!("get {id:?} renew {renew} wait {wait}"),
        Command::Renew { id, ttl, .. } => format!("renew {id:?} ttl {ttl:?}"),
        Command::Release { target, .. } => format!("release {target:?}"),
        Command::Configure { definitions, .. } => format!("a configuration of {} sections", definitions.len()),
        Command::PatchLock { name, patch, .. } => format!("patch {name} {patch:?}"),
        Command::PutLock { name, settings, .. } => format!("put {name} {:?}", settings.capacity),
        other => format!("{other:?}"),
    }
}

fn said(answer: &Answer) -> String {
    match answer {
        Ok(told) => match &told.outcome {
            Outcome::Ticket(view) => format!(
                "ticket {} {:?} {:?} slots {:?} ends in {:?}",
                view.ticket.number, view.ticket.id, view.ticket.state, view.ticket.slots, view.expires_in
            ),
            other => format!("{other:?}").chars().take(60).collect(),
        },
        Err(failure) => format!("{failure}"),
    }
}
