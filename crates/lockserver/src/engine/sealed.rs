//! A step as a value. Applying makes a [`Sealed`] one, the store a [`Committed`] one, and only that can be published and
//! answered: *nobody is told what is not durable* is a matter of types.

use super::answer::{Answer, CommandResult, DeliveryKind, EngineError, Reply, send_reply};
use super::events::EventId;
use super::observers::Observers;
use super::receipt::{Receipt, Reports};
use super::recovery::Configured;
use super::rendered::Rendered;
use super::standing::Standings;
use super::waiters::{PendingWait, Waiters};
use crate::store::StoreError;
use lock_core::{Caller, Change, Command, Event, LockName, Outcome, Table, TicketId, TicketView, Usage, WallMs};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// A step that was applied to the table.
pub(crate) struct Sealed {
    /// Wall time of the step.
    pub(crate) wall: WallMs,
    /// What is to become durable; none if nothing changed.
    pub(crate) changes: Vec<Change>,
    /// What happened in it.
    pub(crate) events: Vec<Event>,
    /// The numbers of the locks that the events are of; none of a lock that is gone.
    pub(crate) usages: BTreeMap<LockName, Arc<Usage>>,
    /// The authors of the events.
    pub(crate) authors: Vec<(Range<usize>, Caller)>,
    /// Tickets that ended in it.
    pub(crate) ended: Vec<TicketId>,
    /// Tickets that were granted or ended while requests waited for them, and those requests.
    pub(crate) served: Vec<(TicketView, Vec<PendingWait>)>,
    /// Answers to its requests.
    pub(crate) replies: Vec<Reply>,
    /// Answers that show what this step has made of the table, and have no part in it.
    pub(crate) looks: Vec<Look>,
    /// What the next term has to do to the table, should this not become durable. Nobody waits for an answer.
    pub(crate) carry_over: Vec<Command>,
    /// The configuration that it has applied.
    pub(crate) configured: Option<Configured>,
}

/// An answer to somebody who only looks.
pub(crate) struct Look {
    /// The request that looks.
    pub(crate) to: oneshot::Sender<Answer>,
    /// What it sees.
    pub(crate) answer: Result<Outcome, EngineError>,
    /// Shared by all that see the same.
    pub(crate) rendered: Rendered,
}

/// A step that is durable.
pub(crate) struct Committed {
    step: Sealed,
    /// It was more than a look at the clock.
    wrote_records: bool,
}

impl Sealed {
    /// Whether somebody is told something as soon as it is durable.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.served.is_empty() || !self.looks.is_empty() || self.replies.iter().any(|reply| reply.to.is_some())
    }

    /// Its outcome is unknown, and every request of it is told so. The news of those answers was not delivered, and is
    /// carried over like that of an answer that was lost. Waiting requests go on waiting.
    pub(crate) fn give_up(
        self,
        error: &StoreError,
        waiters: &mut Waiters,
        carry_over: &mut Vec<Command>,
    ) -> Vec<(u64, bool)> {
        carry_over.extend(self.carry_over);
        for reply in self.replies {
            if let Ok(Outcome::Ticket(view)) = &reply.answer
                && view.ended().is_none()
                && (reply.delivery == DeliveryKind::Made || (reply.delivery == DeliveryKind::Ticket && view.claimed))
            {
                carry_over.push(Command::Undelivered {
                    id: view.ticket.id,
                    activity_seq: view.activity_seq,
                    made: reply.delivery == DeliveryKind::Made,
                });
            }
            send_reply(reply.to, Err(EngineError::store_failed(error, true)));
        }
        for look in self.looks {
            send_reply(Some(look.to), Err(EngineError::store_failed(error, false)));
        }
        let mut given_up = Vec::new();
        for (view, waits) in self.served {
            for wait in waits {
                given_up.extend(wait.waiter.given_up().map(|lost| (wait.waiter.number, lost)));
                waiters.add(view.ticket.id, wait);
            }
        }
        given_up
    }
}

impl Committed {
    /// The store has made it durable.
    pub(crate) const fn new(step: Sealed, wrote_records: bool) -> Self {
        Self { step, wrote_records }
    }

    /// Publishes it, and answers its requests. In this order: the client that is told of an event's id may ask for what follows
    /// it, and an answer of an earlier step that has not left yet must not say that a ticket is held which has ended.
    /// `table` is as the newest step has left it, and `is_newest` says whether that is this one.
    pub(crate) fn tell(
        self,
        observers: &Observers,
        table: &Table,
        is_newest: bool,
        standings: &mut Standings,
        reports: &Weak<dyn Reports>,
    ) {
        let Sealed { wall, events, usages, authors, ended, served, replies, looks, .. } = self.step;
        let (before, count) = (observers.events.last(), events.len());
        observers.publish(events, &usages, &authors);
        if is_newest {
            observers.metrics.history.sample(wall, table);
        }
        for id in ended {
            standings.end(id, || table.look(id));
        }
        let mut answers = Answers { before, standings, reports, receipts: BTreeMap::new() };
        for (view, waits) in served {
            for wait in waits {
                let answer = Ok(Outcome::Ticket(Box::new(view.clone())));
                let delivery = DeliveryKind::of_waiting(wait.made);
                answers.send(Reply { to: Some(wait.reply), answer, delivery, events: count, ended: None });
            }
        }
        replies.into_iter().for_each(|reply| answers.send(reply));
        looks.into_iter().for_each(|look| look.send(before.plus(count), standings));
    }

    /// Whether it was more than a look at the clock, which fits on a disk that is full for everything else.
    pub(crate) const fn wrote_records(&self) -> bool {
        self.wrote_records
    }

    /// The configuration that it has applied, once.
    pub(crate) fn take_configured(&mut self) -> Option<Configured> {
        self.step.configured.take()
    }

    /// When it was made, in wall time.
    pub(crate) const fn wall(&self) -> WallMs {
        self.step.wall
    }
}

impl Look {
    /// Answers it. `as_of`: the last event that it includes.
    pub(crate) fn send(self, as_of: EventId, standings: &mut Standings) {
        let Self { to, answer, rendered } = self;
        let result = answer.map(|outcome| {
            let standing = standings.of_outcome(&outcome);
            CommandResult { outcome, as_of, receipt: None, standing, rendered }
        });
        send_reply(Some(to), result);
    }
}

/// The answers of a step.
struct Answers<'e> {
    before: EventId,
    standings: &'e mut Standings,
    reports: &'e Weak<dyn Reports>,
    receipts: BTreeMap<TicketId, Arc<Receipt>>,
}

impl Answers<'_> {
    fn send(&mut self, mut reply: Reply) {
        if let (Ok(Outcome::Ticket(view)), Some(now)) = (&mut reply.answer, reply.ended) {
            *view = now;
        }
        let result = reply.answer.map(|outcome| {
            let receipt = match &outcome {
                Outcome::Ticket(view) => self.receipt(view, reply.delivery),
                _ => None,
            };
            let standing = self.standings.of_outcome(&outcome);
            let as_of = self.before.plus(reply.events);
            CommandResult { outcome, as_of, receipt, standing, rendered: Rendered::default() }
        });
        send_reply(reply.to, result);
    }

    /// All answers that tell of one grant share a receipt; one that made its ticket has its own.
    fn receipt(&mut self, view: &TicketView, delivery: DeliveryKind) -> Option<Arc<Receipt>> {
        let id = view.ticket.id;
        if view.ended().is_some() || delivery == DeliveryKind::Nothing {
            None
        } else if delivery == DeliveryKind::Made {
            Some(Receipt::new(self.reports.clone(), id, view.activity_seq, true))
        } else if view.claimed {
            let new = || Receipt::new(self.reports.clone(), id, view.activity_seq, false);
            let receipt = self.receipts.entry(id).or_insert_with(new);
            receipt.extend(view.activity_seq);
            Some(receipt.clone())
        } else {
            let receipt = self.receipts.get(&id).filter(|_| view.is_held())?;
            receipt.extend(view.activity_seq);
            Some(receipt.clone())
        }
    }
}
