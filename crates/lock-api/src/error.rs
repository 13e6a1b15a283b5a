//! Errors on the wire: RFC 9457 with stable codes.

use crate::words::words;
use crate::{EndedAs, Ticket};
use serde::{Deserialize, Serialize};

/// Media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

words! {
    /// What went wrong, for programs. Codes are never renamed; new ones may come.
    #[derive(Hash)]
    pub enum ErrorCode {
        /// Not free now, and the request did not want to wait.
        Busy = "busy",
        /// The request is wrong; `detail` says where.
        Invalid = "invalid",
        /// A bound is reached.
        LimitReached = "limit_reached",
        /// The configuration has errors; everything stays as it was.
        ConfigurationRefused = "configuration_refused",
        /// The server met an impossible state; its log has more.
        Internal = "internal",
        /// There is such a lock already.
        LockExists = "lock_exists",
        /// The lock's settings are not those that If-Match names.
        LockChanged = "lock_changed",
        /// The lock is being removed and takes no new tickets.
        LockRetiring = "lock_retiring",
        /// The method is not for this path.
        MethodNotAllowed = "method_not_allowed",
        /// The name of a lock that was deleted while in use is still withheld.
        NameWithheld = "name_withheld",
        /// The token is not a holder's now.
        NotAHolder = "not_a_holder",
        /// The caller's rights do not reach so far.
        NotAllowed = "not_allowed",
        /// There is nothing at this path.
        NotFound = "not_found",
        /// Too much to do; nothing was done.
        Overloaded = "overloaded",
        /// The request's body is too large.
        PayloadTooLarge = "payload_too_large",
        /// The request's body did not arrive in time.
        RequestTimeout = "request_timeout",
        /// The `request_id` was used with other parameters.
        RequestIdReused = "request_id_reused",
        /// The server is being stopped; nothing was done.
        ShuttingDown = "shutting_down",
        /// The ticket is not in the state that the request names; nothing was done.
        TicketChanged = "ticket_changed",
        /// Not free within the time that the request wanted to wait.
        TimedOut = "timed_out",
        /// The lock has fewer permits than were asked for.
        TooManyPermits = "too_many_permits",
        /// The ticket has ended; `ended_as` says how.
        Gone = "gone",
        /// The caller did not say who it is, or not rightly.
        Unauthorized = "unauthorized",
        /// The store does not do its work now.
        Unavailable = "unavailable",
        /// No such lock.
        UnknownLock = "unknown_lock",
        /// No such ticket, or one that ended more than 10 minutes ago.
        UnknownTicket = "unknown_ticket",
        /// The body is of another media type.
        UnsupportedMediaType = "unsupported_media_type",
        /// Tickets would end; `force` is needed.
        WouldEndTickets = "would_end_tickets",
        /// A code that this client does not know yet.
        #[serde(other)]
        Unknown = "unknown",
    }
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::NotAllowed => 403,
            Self::NotFound | Self::UnknownLock | Self::UnknownTicket => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Busy
            | Self::ConfigurationRefused
            | Self::LockExists
            | Self::LockRetiring
            | Self::NameWithheld
            | Self::NotAHolder
            | Self::TicketChanged
            | Self::TimedOut
            | Self::WouldEndTickets => 409,
            Self::Gone => 410,
            Self::LockChanged => 412,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RequestIdReused | Self::TooManyPermits => 422,
            Self::LimitReached => 429,
            Self::Internal | Self::Unknown => 500,
            Self::Overloaded | Self::ShuttingDown | Self::Unavailable => 503,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Busy
            | Self::LimitReached
            | Self::NameWithheld
            | Self::Overloaded
            | Self::RequestTimeout
            | Self::ShuttingDown
            | Self::TimedOut
            | Self::Unavailable => true,
            Self::ConfigurationRefused
            | Self::Internal
            | Self::Invalid
            | Self::LockExists
            | Self::LockChanged
            | Self::LockRetiring
            | Self::MethodNotAllowed
            | Self::NotAHolder
            | Self::NotAllowed
            | Self::NotFound
            | Self::PayloadTooLarge
            | Self::RequestIdReused
            | Self::TooManyPermits
            | Self::Gone
            | Self::TicketChanged
            | Self::Unauthorized
            | Self::UnknownLock
            | Self::UnknownTicket
            | Self::UnsupportedMediaType
            | Self::WouldEndTickets
            | Self::Unknown => false,
        }
    }
}

/// Body of every answer that is no success (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank`: the code says it all.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    #[serde(default)]
    pub detail: String,
    /// What happened, for programs.
    pub code: ErrorCode,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The request may be in effect all the same: ask before repeating it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_taken_effect: bool,
    /// The lock that refused, of a request for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// How the ticket ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_as: Option<EndedAs>,
    /// How many tickets would end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_end: Option<u64>,
    /// Some of the tickets that this is about, without their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// A problem of this code.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: about_blank(),
            title: code.as_str().replace('_', " "),
            status: code.status(),
            detail: detail.into(),
            code,
            retryable: code.is_retryable(),
            may_have_taken_effect: false,
            lock: None,
            ended_as: None,
            would_end: None,
            tickets: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_its_name_on_the_wire() {
        for code in [ErrorCode::Busy, ErrorCode::RequestIdReused, ErrorCode::NotAHolder, ErrorCode::WouldEndTickets] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(serde_json::from_str::<ErrorCode>("\"of_the_future\"").unwrap(), ErrorCode::Unknown);
    }

    #[test]
    fn the_word_of_a_state_is_its_name_on_the_wire() {
        use crate::EventKind as K;
        use crate::{EndedAs, TicketState};
        let name = |value: serde_json::Result<serde_json::Value>| value.unwrap().as_str().unwrap().to_owned();
        for kind in [K::LockCreated, K::LockChanged, K::LockDeleted, K::PermitsRestored, K::Queued, K::Granted, K::Held]
        {
            assert_eq!(name(serde_json::to_value(kind)), kind.as_str());
        }
        for kind in [K::PermitsWithheld, K::ReportStale, K::Lapsed, K::Undelivered, K::Ended, K::Unknown] {
            assert_eq!(name(serde_json::to_value(kind)), kind.as_str());
        }
        for state in [TicketState::Queued, TicketState::Granted, TicketState::Held, TicketState::Ended] {
            assert_eq!(name(serde_json::to_value(state)), state.as_str());
        }
        for how in [EndedAs::Released, EndedAs::Cancelled, EndedAs::Superseded, EndedAs::Expired, EndedAs::Lost] {
            assert_eq!(name(serde_json::to_value(how)), how.as_str());
        }
        for how in [EndedAs::Overdue, EndedAs::Revoked, EndedAs::Oversized, EndedAs::LockDeleted] {
            assert_eq!(name(serde_json::to_value(how)), how.as_str());
        }
    }
}
