//! `query_lock`, `get_lock` and `release_lock`: 0.36's three calls, answered with 0.36's words.

use super::super::acquire::{Waiting, new_ticket};
use super::super::app::Place;
use super::super::waited;
use super::Call;
use super::codec::Value;
use crate::engine::{Answer, EngineError};
use lock_core::limits::INFO_BYTES_MAX;
use lock_core::text::clean;
use lock_core::{
    Command, EndedAs, IfBusy, LockName, NewTicket, Outcome, QueueLease, Rejection, ReleaseTarget, TicketId, TicketView,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a call is tried again while the server cannot serve it.
const TRY_TIME: Duration = Duration::from_secs(5);
/// Pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(100);
/// Ends an `info` that was too long.
const CUT_MARK: &str = " [cut]";

const NO_SUCH_LOCK: &str = "lock does not exist";
const BUSY: &str = "server busy, try again";

fn pair(success: bool, value: Value) -> Value {
    Value::Array(vec![Value::Boolean(success), value])
}

fn refused(text: &str) -> Value {
    pair(false, Value::String(text.to_owned()))
}

fn done(value: bool) -> Value {
    pair(true, Value::Boolean(value))
}

/// The answer of `get_lock` for a ticket that has no permit.
pub(super) fn not_held() -> Value {
    done(false)
}

pub(super) fn no_such_lock() -> Value {
    refused(NO_SUCH_LOCK)
}

/// What is no id is the id of no ticket: ids are random, so nobody has this one.
fn ticket_id(value: &Value) -> TicketId {
    match value {
        Value::String(text) => TicketId(Uuid::try_parse(text).unwrap_or_default().as_u128()),
        _ => TicketId(0),
    }
}

impl Call<'_> {
    /// Makes a ticket. `[true, id]`, or `[false, why]`.
    pub(super) async fn query_lock(&mut self, lock: &LockName, info: Value) -> Value {
        // 0.36 took whatever came, and its clients die of a fault.
        let info: Arc<str> = Arc::from(cut(clean(&info.to_text()).into_owned()));
        let until = Instant::now() + TRY_TIME;
        loop {
            let new = NewTicket {
                info: info.clone(),
                queue_lease: QueueLease::Expiration,
                if_busy: IfBusy::Queue,
                claim: false,
                ..new_ticket(&self.who, lock.clone())
            };
            let id = new.id;
            let answer = self.app.engine.submit(&self.who.caller_for(lock), Command::Acquire(new)).await;
            match self.told(answer) {
                Ok(_) => return pair(true, Value::String(Uuid::from_u128(id.0).to_string())),
                Err(EngineError::Rejected(Rejection::UnknownLock)) => return no_such_lock(),
                Err(EngineError::Rejected(Rejection::LimitReached { .. })) | Err(EngineError::ShuttingDown) => {
                    return refused(BUSY);
                }
                Err(EngineError::Rejected(why)) => return refused(&why.to_string()),
                // What a try of unknown outcome may have made is cancelled before anybody is served again: nobody knows of it.
                Err(EngineError::Unavailable { .. } | EngineError::Overloaded) => {}
            }
            if !self.try_again(until).await {
                return refused(BUSY);
            }
        }
    }

    /// Claims or renews. `[true, true]` if the ticket has its permit, `[true, false]` if not; waits for the grant of a
    /// queued ticket at most LONG_POLL.
    pub(super) async fn get_lock(&mut self, lock: &LockName, id: Value) -> Value {
        let id = ticket_id(&id);
        let begin = Instant::now();
        let (until, long_poll) = (begin + TRY_TIME, self.app.live.borrow().long_poll);
        loop {
            let answer = self.get_once(lock, id, begin + long_poll).await;
            let standing = answer.as_ref().ok().and_then(|told| told.standing.clone());
            match self.told(answer) {
                Ok(Outcome::Ticket(view)) => {
                    self.standing = standing;
                    return done(view.is_held());
                }
                Ok(_) => return done(false),
                Err(EngineError::Rejected(Rejection::UnknownLock)) => return no_such_lock(),
                Err(EngineError::Rejected(_) | EngineError::ShuttingDown) => return done(false),
                Err(EngineError::Unavailable { .. } | EngineError::Overloaded) => {}
            }
            if !self.try_again(until).await {
                return done(false);
            }
        }
    }

    async fn get_once(&self, lock: &LockName, id: TicketId, until: Instant) -> Answer {
        let place = self.waiting_place(until);
        let wait = place.is_some();
        let caller = &self.who.caller_for(lock);
        let command = Command::Get { lock: Some(lock.clone()), id, renew: true, wait };
        if !wait {
            return self.app.engine.submit(caller, command).await;
        }
        // The answer is written all the same: a client that only closed its sending side asks again and is served in its old
        // place. The next call of one that may not use the lock any more is refused, so its ticket is dormant.
        let waiting = Waiting { app: self.app, connection: self.connection, caller, until };
        let (told, _) =
            waiting.send(command, self.app.until_denied(&self.who, std::slice::from_ref(lock)), true).await?;
        Ok(told)
    }

    /// A place among those who wait. Without one, or without time to wait, the call is answered at once.
    fn waiting_place(&self, until: Instant) -> Option<Place> {
        let stops = *self.app.stop.borrow();
        if stops {
            waited::note_cut_short();
        }
        let may = Instant::now() < until && !stops;
        may.then(|| self.app.take_waiting_place(&self.who.caller(), self.connection)).flatten()
    }

    /// Gives the permit back. `[true, true]` if the ticket had one; a queued ticket stays queued, as in 0.36.
    pub(super) async fn release_lock(&mut self, lock: &LockName, id: Value) -> Value {
        let id = ticket_id(&id);
        let until = Instant::now() + TRY_TIME;
        let mut unsure = false;
        loop {
            let target = ReleaseTarget::Id(Some(lock.clone()), id);
            let command = Command::Release { target, queued: false, keep: None, withhold: None };
            let answer = self.app.engine.submit(&self.who.caller_for(lock), command).await;
            match self.told(answer) {
                Ok(Outcome::Ticket(_)) => return done(true),
                // A try whose outcome was unknown may have released it.
                Ok(_) if unsure => {
                    if let Ok(view) = self.look(lock, id).await {
                        return done(view.is_some_and(|view| view.ended() == Some(EndedAs::Released)));
                    }
                }
                Ok(_) => return done(false),
                Err(EngineError::Rejected(Rejection::UnknownLock)) => return no_such_lock(),
                Err(EngineError::Rejected(_)) => return done(false),
                Err(EngineError::ShuttingDown) => return refused(BUSY),
                Err(EngineError::Unavailable { may_have_taken_effect, .. }) => unsure |= may_have_taken_effect,
                Err(EngineError::Overloaded) => {}
            }
            if !self.try_again(until).await {
                return refused(BUSY);
            }
        }
    }

    /// The ticket as it is, if there is one; no heartbeat. The failure says that this cannot be known now.
    async fn look(&mut self, lock: &LockName, id: TicketId) -> Result<Option<Box<TicketView>>, EngineError> {
        let command = Command::Get { lock: Some(lock.clone()), id, renew: false, wait: false };
        let answer = self.app.engine.submit(&self.who.caller_for(lock), command).await;
        match self.told(answer) {
            Ok(Outcome::Ticket(view)) => Ok(Some(view)),
            Ok(_) | Err(EngineError::Rejected(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Keeps the receipt of an answer for the moment when it has been written.
    fn told(&mut self, answer: Answer) -> Result<Outcome, EngineError> {
        let told = answer?;
        self.receipts.extend(told.receipt);
        Ok(told.outcome)
    }

    /// Pauses before the next try; false if there is none.
    async fn try_again(&self, until: Instant) -> bool {
        if Instant::now() + TRY_PAUSE >= until {
            return false;
        }
        tokio::select! {
            () = sleep(TRY_PAUSE) => true,
            () = self.app.stopping() => false,
            () = self.connection.closed() => false,
        }
    }
}

/// `info` within its bound.
fn cut(mut text: String) -> String {
    if text.len() > INFO_BYTES_MAX {
        let mut end = INFO_BYTES_MAX - CUT_MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT_MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_that_is_too_long_is_cut_with_a_mark() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("x".repeat(INFO_BYTES_MAX)).len(), INFO_BYTES_MAX);
        let long = cut("ä".repeat(INFO_BYTES_MAX));
        assert!(long.len() <= INFO_BYTES_MAX && long.ends_with("ä [cut]"));
    }
}
