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
use crate::store::{Store, StoreError};
use lock_core::{Caller, Change, Command, Event, LockName, Outcome, Table, TicketId, TicketView, Usage, WallMs};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::oneshot;

/// Steps in flight, at most, whatever the store takes: some have nothing to commit.
const STEPS_MAX: usize = 64;

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
    /// Who asked for which events.
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

/// Steps that are applied and not yet committed, from the oldest on, and when each was sealed.
#[derive(Default)]
pub(crate) struct InFlight(VecDeque<(Sealed, Instant)>);

/// A step that is durable.
pub(crate) struct Committed(Sealed);

impl InFlight {
    /// Adds a step, and has a store with a pipeline begin to flush it.
    pub(crate) fn push(&mut self, sealed: Sealed, store: &mut dyn Store, observers: &Observers) {
        let began = Instant::now();
        if let Some(pipeline) = store.pipeline()
            && !sealed.changes.is_empty()
        {
            observers.in_store(|| pipeline.begin(&sealed.changes));
        }
        self.0.push_back((sealed, began));
    }

    /// The oldest step once it is durable. `None` if there is none, or if it is not yet and `wait` is false.
    ///
    /// # Errors
    /// As [`Store::commit`]; all steps are to be given up then.
    pub(crate) fn commit_oldest(
        &mut self,
        store: &mut dyn Store,
        observers: &Observers,
        wait: bool,
    ) -> Result<Option<Committed>, StoreError> {
        let Some((first, began)) = self.0.front() else { return Ok(None) };
        if !first.changes.is_empty() {
            let result = observers.in_store(|| match store.pipeline() {
                None => Some(store.commit(&first.changes)),
                Some(pipeline) if wait => Some(pipeline.wait()),
                Some(pipeline) => pipeline.poll(),
            });
            let Some(result) = result else { return Ok(None) };
            observers.note_commit(*began, result)?;
        }
        Ok(self.0.pop_front().map(|(sealed, _)| Committed(sealed)))
    }

    /// Has a look answered with the newest step, all of which it has seen. Gives it back if every step is durable.
    pub(crate) fn look(&mut self, look: Look) -> Option<Look> {
        match self.0.back_mut() {
            Some((newest, _)) => {
                newest.looks.push(look);
                None
            }
            None => Some(look),
        }
    }

    /// Whether the store and the answers keep up with the steps.
    pub(crate) fn has_room(&self, store: &mut dyn Store) -> bool {
        let batches = self.0.iter().filter(|(sealed, _)| !sealed.changes.is_empty()).count();
        // Without a pipeline each step is done at once.
        let max = store.pipeline().map_or(0, |pipeline| pipeline.max());
        batches < max && self.0.len() < STEPS_MAX
    }

    /// Whether every step is durable and answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives up all of them: the first is not known to be durable, and those behind it build on it. Gives the waits whose
    /// handlers have given up meanwhile, and whether the client is lost.
    pub(crate) fn give_up(
        &mut self,
        error: &StoreError,
        waiters: &mut Waiters,
        carry_over: &mut Vec<Command>,
    ) -> Vec<(u64, bool)> {
        self.0.drain(..).flat_map(|(sealed, _)| sealed.give_up(error, waiters, carry_over)).collect()
    }
}

impl Sealed {
    /// Its outcome is unknown, and every request of it is told so. What those answers would have told stays untold, and is
    /// carried over like that of an answer that was lost. Waiting requests go on waiting.
    fn give_up(self, error: &StoreError, waiters: &mut Waiters, carry_over: &mut Vec<Command>) -> Vec<(u64, bool)> {
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
        let Sealed { wall, events, usages, authors, ended, served, replies, looks, .. } = self.0;
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
    pub(crate) fn wrote_records(&self) -> bool {
        self.0.changes.len() > 1
    }

    /// The configuration that it has applied, once.
    pub(crate) fn take_configured(&mut self) -> Option<Configured> {
        self.0.configured.take()
    }

    /// When it was made, in wall time.
    pub(crate) const fn wall(&self) -> WallMs {
        self.0.wall
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
