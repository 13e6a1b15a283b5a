//! No grant, place or release that was answered is lost, by what tickets' own clients are told.

use super::life::{Life, Lives};
use super::{Finding, Promise, seconds};
use crate::history::{Answer, Ask, Call, History, Nanos, SECOND};

/// Rule 8: ended tickets are remembered for 10 minutes of service, and runs end many.
const REMEMBERED: Nanos = 300 * SECOND;

/// Looks at each answer about a ticket that its client knew already.
pub(super) fn nothing_is_lost(history: &History, lives: &Lives, findings: &mut Vec<Finding>) {
    for life in &lives.all {
        for call in life.calls.iter().map(|at| &history.calls[*at]) {
            if let Some((promise, why)) = lost(life, call) {
                let at = seconds(call.answered);
                let what = format!(
                    "{}: {why}: {:?} of client {} got {:?} at {at}",
                    life.name(),
                    call.ask,
                    call.client,
                    call.answer
                );
                findings.push(Finding { promise, what });
            }
        }
    }
}

fn lost(life: &Life, call: &Call) -> Option<(Promise, &'static str)> {
    if call.sent < life.known {
        // What was sent before the ticket was known may have arrived before it was made.
        return None;
    }
    let promise = if life.grant.is_some() { Promise::Grants } else { Promise::Places };
    match &call.answer {
        Answer::Ticket(_) if life.released.is_some_and(|at| at < call.sent) => {
            Some((Promise::Releases, "it lives after its release"))
        }
        Answer::Ticket(told) if !told.held && life.grant.as_ref().is_some_and(|grant| grant.told < call.sent) => {
            Some((Promise::Grants, "it queues although it was told that it holds"))
        }
        Answer::UnknownTicket if call.answered < life.known + REMEMBERED => Some((promise, "nothing is known of it")),
        Answer::Gone(how) => {
            let ended_by_client = how == "released" || how == "cancelled";
            if ended_by_client {
                let never = life.release_sent.is_none_or(|at| at > call.answered);
                return never.then_some((promise, "its client did not end it"));
            }
            let alive_until = life.grant.as_ref().map(|grant| grant.lease_until).or_else(|| life.place_until());
            let too_early = alive_until.is_some_and(|until| call.answered < until);
            too_early.then_some((promise, "its client was heard of within its lease"))
        }
        Answer::Refused(code)
            if matches!(&call.ask, Ask::Acquire { .. }) && (code == "busy" || code == "timed_out") =>
        {
            // A ticket that lives answers to its request; one that ended is gone. Neither is asked for anew.
            Some((promise, "its request is answered as if it were a new one"))
        }
        _ => None,
    }
}
