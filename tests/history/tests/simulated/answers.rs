//! Requests as an engine is asked them, and what its answers say to a client.

use crate::etcd::Plant;
use crate::network::{Manner, Network, lock};
use history::history::{Answer, Ask, Nanos, Seen, Told};
use lock_core::{
    Capacity, Command, EndedAs, Force, IfBusy, Lease, NewTicket, Outcome, Patch, Permits, Precondition, Rejection,
    ReleaseTarget, State, TicketId, TicketView, TicketsAfter,
};
use lockserver::engine::{CommandResult, Delivery, EngineError};
use std::sync::Arc;

pub(crate) const MS: Nanos = 1_000_000;
/// Tickets of a lock that are listed; there are never so many.
const SHOWN: usize = 1000;

impl Network {
    pub(crate) fn command(&self, manner: Manner, ask: &Ask) -> Command {
        match ask {
            Ask::Acquire { lock: name, request_id, permits } => Command::Acquire(NewTicket {
                permits: Permits::Count(*permits),
                lease: Lease::Given(manner.ttl),
                request_id: Some(Arc::from(request_id.as_str())),
                if_busy: match (manner.wait > 0, manner.queue) {
                    (true, _) => IfBusy::Wait,
                    (false, true) => IfBusy::Queue,
                    (false, false) => IfBusy::Refuse,
                },
                ..NewTicket::new(lock(name), self.new_id())
            }),
            Ask::Wait { ticket, .. } => {
                Command::Get { lock: None, id: id(ticket), renew: false, wait: manner.wait > 0 }
            }
            Ask::Renew { ticket } => Command::Renew { id: id(ticket), ttl: None },
            Ask::Release { ticket } => Command::Release {
                target: ReleaseTarget::Id(None, id(ticket)),
                queued: true,
                keep: None,
                withhold: None,
            },
            Ask::Resize { lock: name, size } => Command::PatchLock {
                name: lock(name),
                patch: Patch { capacity: Some(Capacity::Size(*size)), ..Patch::default() },
                precondition: Precondition::None,
                force: Force { force: false, expect_tickets: None },
            },
            Ask::Look { lock: name } => {
                Command::ViewLock { name: lock(name), tickets: SHOWN, after: TicketsAfter::default() }
            }
            Ask::Verify { lock: name, token } => Command::Verify { lock: lock(name), token: *token },
        }
    }

    /// An answer has left the engine. Its client may not hear it.
    pub(crate) fn hear(&self, ask: &Ask, answer: Result<CommandResult, EngineError>) -> Answer {
        let is_heard = !self.percent(2);
        if let Ok(CommandResult { receipt, .. }) = &answer
            && let Some(receipt) = receipt
            && (is_heard || self.percent(50))
        {
            receipt.resolve(if is_heard { Delivery::Delivered } else { Delivery::Unknown });
        }
        if !is_heard {
            self.count("answers lost");
            return Answer::Unknown("the answer was lost".to_owned());
        }
        match answer {
            Ok(CommandResult { outcome, standing, .. }) => {
                match standing.as_ref().and_then(|standing| standing.ended()) {
                    Some(view) => ended(ask, view),
                    None => said(ask, &outcome),
                }
            }
            Err(EngineError::Rejected(why)) => match why {
                Rejection::Gone(view) => ended(ask, &view),
                Rejection::UnknownTicket => Answer::UnknownTicket,
                Rejection::NotAHolder => Answer::Verified(false),
                Rejection::Withdrawn | Rejection::RequestIdReused => panic!("{ask:?}: {why}"),
                other => Answer::Refused(if matches!(ask, Ask::Acquire { .. }) {
                    "busy".to_owned()
                } else {
                    other.to_string()
                }),
            },
            Err(EngineError::Unavailable { may_have_taken_effect: true, reason }) => {
                self.count("answers that say that nobody knows");
                if self.plant == Plant::UnknownIsFailed {
                    Answer::Refused(reason.to_string())
                } else {
                    Answer::Unknown(reason.to_string())
                }
            }
            Err(other) => Answer::Refused(other.to_string()),
        }
    }
}

fn id(ticket: &str) -> TicketId {
    TicketId(u128::from_str_radix(ticket, 16).expect("an id that was told"))
}

fn ended(ask: &Ask, view: &TicketView) -> Answer {
    let how = view.ended().expect("it has ended");
    match how {
        EndedAs::Released | EndedAs::Cancelled if matches!(ask, Ask::Release { .. }) => Answer::Released,
        how => Answer::Gone(how.as_str().to_owned()),
    }
}

fn said(ask: &Ask, outcome: &Outcome) -> Answer {
    match (ask, outcome) {
        (Ask::Verify { .. }, Outcome::Ticket(_)) => Answer::Verified(true),
        (Ask::Resize { .. }, _) => Answer::Resized,
        // It had ended already, by its client.
        (Ask::Release { .. }, Outcome::NothingHeld) => Answer::Released,
        (_, Outcome::Ticket(view)) if view.ended().is_some() => ended(ask, view),
        (_, Outcome::Ticket(view)) => {
            let (held, ticket) = (view.ticket.state == State::Held, &view.ticket);
            Answer::Ticket(Told {
                id: format!("{:x}", ticket.id.0),
                number: ticket.number,
                held,
                slots: ticket.slots.iter().flat_map(|&(first, last)| first..=last).map(u64::from).collect(),
                token: ticket.token.filter(|_| held).unwrap_or(0),
                ttl: view.ttl.expect("clients ask for a lease") * MS,
            })
        }
        (_, Outcome::Lock(view)) => {
            let numbers = |views: &[TicketView]| views.iter().map(|view| view.ticket.number).collect();
            let size = view.lock.settings.size();
            Answer::Seen(Seen { size, holders: numbers(&view.holders), queue: numbers(&view.queue) })
        }
        other => panic!("no answer to {other:?}"),
    }
}
