//! Refusals as RFC 9457 has them.

use super::super::auth::RefusedBecause;
use super::{Sees, sees, view};
use crate::access::Denied;
use crate::engine::EngineError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_api::{ErrorCode, PROBLEM_JSON, Problem};
use lock_core::{LockName, Rejection, State};
use std::any::Any;

/// When to try again after overload, a stop or a failing store.
const RETRY_SOON_S: u64 = 1;
/// When to try again after a bound was reached.
const RETRY_LATER_S: u64 = 5;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: Box<Problem>,
    retry_after_s: Option<u64>,
}

/// What a handler gives.
pub(super) type Answer = Result<Response, Refusal>;

impl Refusal {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let retry_after_s = match code {
            ErrorCode::Overloaded | ErrorCode::ShuttingDown | ErrorCode::Unavailable => Some(RETRY_SOON_S),
            ErrorCode::LimitReached => Some(RETRY_LATER_S),
            _ => None,
        };
        Self { problem: Box::new(Problem::new(code, detail)), retry_after_s }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, detail)
    }

    /// It is because of this one of several locks.
    pub(super) fn of_lock(mut self, lock: &LockName) -> Self {
        self.problem.lock = Some(lock.to_string());
        self
    }

    /// The request may be in effect all the same.
    pub(super) fn unsure(mut self) -> Self {
        self.problem.may_have_taken_effect = true;
        self
    }

    /// The very same request will not succeed later, although others with this code will.
    pub(super) fn final_word(mut self) -> Self {
        self.problem.retryable = false;
        self
    }

    /// Its tickets as this caller may see them: of a bundle only those locks.
    pub(super) fn shown_to(mut self, sees: Sees<'_>) -> Self {
        for ticket in self.problem.tickets.iter_mut().filter(|ticket| ticket.lock.is_none()) {
            let before = ticket.locks.len();
            ticket.locks.retain(|name, _| LockName::stored(name).is_ok_and(|name| sees(&name)));
            ticket.locks_unseen += (before - ticket.locks.len()) as u64;
        }
        self
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.problem
    }

    /// With a reason, in front of the advice. Of a pause the core has told a part of it already, which it replaces.
    pub(super) fn because(mut self, why: &str) -> Self {
        let detail = &mut self.problem.detail;
        let said = detail.strip_suffix(advice(self.problem.code)).unwrap_or(detail);
        let advice = &detail[said.len()..];
        if !why.is_empty() {
            *detail = match said.find("the lock is paused") {
                Some(at) => format!("{}{why}{advice}", &said[..at]),
                None => format!("{said}: {why}{advice}"),
            };
        }
        self
    }

    /// With other words for those.
    pub(super) fn reworded(mut self, from: &str, to: &str) -> Self {
        self.problem.detail = self.problem.detail.replacen(from, to, 1);
        self
    }

    /// The ticket has ended.
    pub(super) fn gone(ticket: &lock_core::TicketView) -> Self {
        Self::rejected(Rejection::Gone(Box::new(ticket.clone())))
    }

    fn rejected(why: Rejection) -> Self {
        let detail = why.to_string();
        let simple = |code| Self::new(code, format!("{detail}{}", advice(code)));
        match why {
            Rejection::InLock(lock, reason) => {
                let mut refusal = Self::rejected(*reason);
                let detail = std::mem::take(&mut refusal.problem.detail);
                refusal.problem.detail = format!("lock {lock:?}: {detail}");
                refusal.of_lock(&lock)
            }
            Rejection::UnknownLock => simple(ErrorCode::UnknownLock),
            Rejection::UnknownTicket => simple(ErrorCode::UnknownTicket),
            Rejection::Gone(ticket) => {
                let mut refusal = simple(ErrorCode::Gone);
                refusal.problem.ended_as = ticket.ended().map(view::ended_as);
                // The author of its end, and the reason: its client should read that.
                let detail = &mut refusal.problem.detail;
                if let Some(by) = &ticket.ticket.more().ended_by {
                    *detail = format!("{detail} by {by}");
                }
                if let State::Ended { reason: Some(reason), .. } = &ticket.ticket.state
                    && !reason.is_empty()
                {
                    *detail = format!("{detail}: {reason}");
                }
                refusal.problem.tickets = vec![view::ticket(&ticket, false, sees::ALL)];
                refusal
            }
            Rejection::Withdrawn => {
                let mut refusal = simple(ErrorCode::Gone);
                refusal.problem.ended_as = Some(lock_api::EndedAs::Cancelled);
                refusal
            }
            Rejection::RequestIdReused => simple(ErrorCode::RequestIdReused),
            Rejection::HolderTaken | Rejection::OutOfReach(_) | Rejection::NotUsable | Rejection::NotAllowed => {
                simple(ErrorCode::NotAllowed)
            }
            Rejection::Busy | Rejection::Paused(_) => simple(ErrorCode::Busy),
            Rejection::TooManyPermits { .. } | Rejection::TooManyForOwner { .. } | Rejection::TooFewSlots { .. } => {
                simple(ErrorCode::TooManyPermits)
            }
            Rejection::UnknownSlot { .. } | Rejection::UnknownTag { .. } | Rejection::TooManyWithheld { .. } => {
                simple(ErrorCode::Invalid)
            }
            Rejection::Retiring => simple(ErrorCode::LockRetiring),
            Rejection::NameWithheld(ms) => {
                Self { retry_after_s: Some(ms.div_ceil(1000)), ..simple(ErrorCode::NameWithheld) }
            }
            Rejection::LimitReached { .. } => simple(ErrorCode::LimitReached),
            Rejection::Invalid(_) => simple(ErrorCode::Invalid),
            Rejection::RevisionMismatch(_) => simple(ErrorCode::LockChanged),
            Rejection::Exists => simple(ErrorCode::LockExists),
            Rejection::WouldEnd { tickets, some } => {
                let mut refusal = simple(ErrorCode::WouldEndTickets);
                refusal.problem.would_end = Some(tickets);
                refusal.problem.tickets = some.iter().map(|one| view::ticket(one, false, sees::ALL)).collect();
                refusal
            }
            Rejection::NotAHolder => simple(ErrorCode::NotAHolder),
            // Only who may end it gets this far, and who may end a ticket may see it.
            Rejection::StageChanged(ticket) => {
                let mut refusal = simple(ErrorCode::TicketChanged);
                refusal.problem.tickets = vec![view::ticket(&ticket, false, sees::ALL)];
                refusal
            }
        }
    }
}

/// What to do about it, after what the core says.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownLock => "; GET /v1/locks lists those there are, and an administrator makes one with PUT",
        ErrorCode::Busy => "; ask again later, or say how long to wait: {\"wait_s\": 30}",
        ErrorCode::WouldEndTickets => {
            "; to do it all the same repeat with ?force=true, and &expect_tickets=N to end exactly N"
        }
        ErrorCode::LockChanged => "; read it again, and send its ETag as If-Match",
        ErrorCode::TicketChanged => "; nothing was done, look at it again",
        ErrorCode::LimitReached => "; nothing was done, try again when there are fewer",
        _ => "",
    }
}

impl From<Denied> for Refusal {
    fn from(Denied { unauthorized, text }: Denied) -> Self {
        Self::new(if unauthorized { ErrorCode::Unauthorized } else { ErrorCode::NotAllowed }, text)
    }
}

impl From<EngineError> for Refusal {
    fn from(failure: EngineError) -> Self {
        let detail = failure.to_string();
        match failure {
            EngineError::Rejected(why) => Self::rejected(why),
            EngineError::Overloaded => Self::new(ErrorCode::Overloaded, detail),
            EngineError::ShuttingDown => Self::new(ErrorCode::ShuttingDown, detail),
            EngineError::Unavailable { may_have_taken_effect, .. } => {
                let refusal = Self::new(ErrorCode::Unavailable, format!("the store cannot be used now: {detail}"));
                if may_have_taken_effect { refusal.unsure() } else { refusal }
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).expect("codes have valid statuses");
        let body = serde_json::to_string(&self.problem).expect("a problem is plain data");
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let retry: Option<[(HeaderName, HeaderValue); 1]> =
            self.retry_after_s.map(|seconds| [(header::RETRY_AFTER, HeaderValue::from(seconds))]);
        let retry = retry.map_or_else(Default::default, axum::http::HeaderMap::from_iter);
        let mut response = (status, headers, retry, body).into_response();
        if matches!(self.problem.code, ErrorCode::Unauthorized | ErrorCode::NotAllowed) {
            response.extensions_mut().insert(RefusedBecause(self.problem.detail));
        }
        response
    }
}

/// Nothing is at this path. It is not repeated: a ticket's id may stand in it.
pub(in crate::http) fn unknown_path() -> Response {
    let text = "there is nothing at this path; /openapi.json describes what there is";
    Refusal::new(ErrorCode::NotFound, text).into_response()
}

/// The path is there, with other methods; the router adds them as `Allow`.
pub(super) fn wrong_method(method: &axum::http::Method) -> Response {
    let text = format!("this path does not take {method}; the header Allow lists its methods");
    Refusal::new(ErrorCode::MethodNotAllowed, text).into_response()
}

/// A handler panicked.
pub(super) fn after_panic(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<&str>().copied();
    let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!("a request's handler panicked ({what}); its client gets status 500. Please report this as a bug");
    Refusal::new(ErrorCode::Internal, "internal error: the server's log has more").unsure().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_problem_too() {
        let response = after_panic(Box::new("as the test wants it"));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }

    #[test]
    fn what_the_engine_cannot_do_now_may_be_repeated() {
        let unavailable = |may| EngineError::Unavailable { reason: "disk full".into(), may_have_taken_effect: may };
        for (failure, code, unsure) in [
            (EngineError::Overloaded, ErrorCode::Overloaded, false),
            (EngineError::ShuttingDown, ErrorCode::ShuttingDown, false),
            (unavailable(false), ErrorCode::Unavailable, false),
            (unavailable(true), ErrorCode::Unavailable, true),
        ] {
            let refusal = Refusal::from(failure);
            let problem = refusal.problem();
            assert_eq!((problem.code, problem.retryable, problem.may_have_taken_effect), (code, true, unsure));
            let response = refusal.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }
}
