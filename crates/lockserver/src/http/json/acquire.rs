//! `POST /v1/locks/{lock}/tickets`: ask for permits. 2xx means that they are held, but for 202, which must be asked for.

use super::super::app::{attach, only_while_held};
use super::asked::{Asked, check_wait};
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{body, examples, view};
use crate::engine::{CommandResult, EngineError};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_api::{Acquire, ErrorCode, Ticket, routes};
use lock_core::limits::PRIORITY_MAX;
use lock_core::{
    Command, IfBusy, Lease, LockName, NewTicket, Outcome, Permits, QueueLease, ReleaseTarget, State, TicketId,
    TicketView,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::openapi::path::HttpMethod;
use uuid::Uuid;

/// When a client that keeps a place in the queue should ask for it, in seconds; with `wait_s` then, it costs little.
const ASK_AGAIN_S: u64 = 1;
/// How often a ticket that nobody can know of is looked for while the store fails, and the pause between.
const CLEAN_UP_TRIES: u32 = 60;
const CLEAN_UP_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn describe() -> Call {
    Call::new(HttpMethod::Post, routes::LOCK_TICKETS, "acquire", "Ask for permits")
        .about(
            "Every field is optional. Not free: 409 `busy`, or `timed_out` after `wait_s`, and nothing is left behind. With \
             `queue` the place is kept: 202. A client that hangs up leaves nothing behind either, unless it sent a \
             `request_id`: then the same request again finds the same ticket.",
        )
        .body::<Acquire>(json!({"wait_s": 30, "ttl_s": 60, "info": "backup of db1"}), false)
        .answer_with::<Ticket>(201, "Held", examples::ticket(true), &[("Location", "The ticket")])
        .answer_with::<Ticket>(
            202,
            "Queued, as asked for by `queue`",
            examples::queued(),
            &[("Location", "The ticket"), ("Retry-After", "When to ask for it, in seconds")],
        )
        .errors(&[
            ErrorCode::Busy,
            ErrorCode::TimedOut,
            ErrorCode::LockRetiring,
            ErrorCode::NameWithheld,
            ErrorCode::UnknownLock,
            ErrorCode::Gone,
            ErrorCode::RequestIdReused,
            ErrorCode::TooManyPermits,
            ErrorCode::LimitReached,
            ErrorCode::NotAllowed,
        ])
}

pub(super) async fn handle(asked: Asked, request: Request) -> Answer {
    asked.knows(&[])?;
    let lock = asked.lock()?;
    let wanted: Acquire = body::read(request).await?;
    let wait = check_wait(wanted.wait_s)?;
    let highest = asked.who.max_priority();
    // What no client may have is refused with its bound.
    if wanted.priority > highest && wanted.priority != 0 && wanted.priority <= PRIORITY_MAX {
        let text = format!("your priority is at most {highest} (MAX_PRIORITY in the configuration)");
        return Err(Refusal::new(ErrorCode::NotAllowed, text));
    }
    let (queue, repeatable) = (wanted.queue, wanted.request_id.is_some());
    let new = new_ticket(&asked, lock, wanted, wait);
    let id = new.id;
    let one = Acquiring { asked: &asked, queue, repeatable };
    match one.ask(new, wait).await {
        Ok((told, over)) => one.conclude(told, over).await,
        Err(refusal) => {
            if refusal.is_unsure() && !repeatable {
                one.forget_later(id);
            }
            Err(refusal)
        }
    }
}

fn new_ticket(asked: &Asked, lock: LockName, wanted: Acquire, wait: Duration) -> NewTicket {
    NewTicket {
        lock,
        id: TicketId(Uuid::new_v4().as_u128()),
        caller: asked.caller.clone(),
        permits: match wanted.permits {
            lock_api::Permits::Count(count) => Permits::Count(count),
            lock_api::Permits::All => Permits::All,
        },
        // None was named: as high as this caller's requests may be, if that is below the usual one.
        priority: if wanted.priority == 0 { asked.who.usual_priority() } else { wanted.priority },
        info: Arc::from(wanted.info),
        lease: wanted.ttl_s.map_or(Lease::OfLock, |ttl| Lease::Given(ttl.as_ms())),
        queue_lease: QueueLease::Minute,
        // Zero means never (rule 4).
        max_hold: wanted.max_hold_s.map(lock_api::Seconds::as_ms).filter(|ms| *ms > 0),
        request_id: wanted.request_id.map(Arc::from),
        holder: None,
        if_busy: if !wait.is_zero() {
            IfBusy::Wait
        } else if wanted.queue {
            IfBusy::Queue
        } else {
            IfBusy::Refuse
        },
        claim: true,
    }
}

/// Why a request does not wait any longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// It did not want to wait at all, or it was answered.
    AtOnce,
    Time,
    ClientGone,
    Stopping,
    /// Its key is gone, or may not any longer.
    Denied,
}

struct Acquiring<'a> {
    asked: &'a Asked,
    queue: bool,
    repeatable: bool,
}

impl Acquiring<'_> {
    async fn ask(&self, new: NewTicket, wait: Duration) -> Result<(CommandResult, Over), Refusal> {
        let (app, until) = (&self.asked.app, Instant::now() + wait);
        if wait.is_zero() {
            return Ok((app.engine.submit(Command::Acquire(new)).await?, Over::AtOnce));
        }
        let _place = self.asked.waiting_place()?;
        let lock = new.lock.clone();
        let mut waiting = app.engine.submit_waiting(Command::Acquire(new), self.asked.connection.clone()).await?;
        let over = tokio::select! {
            answer = waiting.answer() => return Ok((answer?, Over::AtOnce)),
            () = self.asked.connection.closed() => Over::ClientGone,
            () = sleep_until(until) => Over::Time,
            () = app.stopping() => Over::Stopping,
            _ = app.until_denied(&self.asked.who, &lock) => Over::Denied,
        };
        // A client that may not have it any more is as good as gone: others are served.
        Ok((waiting.give_up(matches!(over, Over::ClientGone | Over::Denied)).await?, over))
    }

    async fn conclude(&self, told: CommandResult, over: Over) -> Answer {
        let Outcome::Ticket(view) = &told.outcome else { unreachable!("a request for permits gives a ticket") };
        let mut response = match view.ticket.state {
            State::Held => tell(StatusCode::CREATED, view, None),
            State::Ended { .. } => return Err(Refusal::gone(view)),
            State::Queued { .. } | State::Granted if self.queue && over != Over::Denied => {
                tell(StatusCode::ACCEPTED, view, Some((header::RETRY_AFTER, HeaderValue::from(ASK_AGAIN_S))))
            }
            State::Queued { .. } | State::Granted => return Err(self.withdraw(view, over).await),
        };
        only_while_held(&mut response, told.standing, |ticket| Refusal::gone(ticket).into_response());
        if let Some(receipt) = told.receipt {
            attach(&mut response, receipt);
        }
        Ok(response)
    }

    /// The wait is over without a grant, and the place is not to be kept.
    async fn withdraw(&self, view: &TicketView, over: Over) -> Refusal {
        let name = &view.ticket.lock;
        if self.repeatable {
            let again = "repeat the request with the same request_id to find your place in the queue";
            match over {
                Over::ClientGone => {
                    let text = format!("the connection was closed while the request waited; {again}");
                    return Refusal::new(ErrorCode::Unavailable, text).unsure();
                }
                Over::Stopping => {
                    return Refusal::new(ErrorCode::ShuttingDown, format!("the server stops; {again}")).unsure();
                }
                Over::AtOnce | Over::Time | Over::Denied => {}
            }
        }
        // No lease runs while a request waits: this one has ended, so there is another for the same ticket.
        let others_wait = self.repeatable && view.expires_in.is_none();
        if !others_wait && let Err(failure) = self.release(view.ticket.id).await {
            return match failure {
                EngineError::Rejected(why) => EngineError::Rejected(why).into(),
                other => {
                    if !self.repeatable {
                        self.forget_later(view.ticket.id);
                    }
                    Refusal::from(other).unsure()
                }
            };
        }
        let refusal = match over {
            Over::Stopping => {
                Refusal::new(ErrorCode::ShuttingDown, "the server stops; your request left nothing behind")
            }
            Over::Denied => Refusal::new(
                ErrorCode::Unauthorized,
                "keys or rights have changed, and this one may not wait any longer",
            ),
            Over::AtOnce => Refusal::new(ErrorCode::Busy, format!("no permit of {name:?} is free now")),
            Over::Time | Over::ClientGone => {
                let text = format!("no permit of {name:?} was free within the time that the request wanted to wait");
                Refusal::new(ErrorCode::TimedOut, text)
            }
        };
        // Its request_id has had its answer.
        if self.repeatable { refusal.final_word() } else { refusal }
    }

    async fn release(&self, id: TicketId) -> Result<(), EngineError> {
        self.asked.app.engine.submit(self.release_command(id)).await.map(drop)
    }

    fn release_command(&self, id: TicketId) -> Command {
        Command::Release { target: ReleaseTarget::Id(None, id), caller: self.asked.caller.clone(), queued: true }
    }

    /// Nobody knows whether this ticket was made, and nobody can be told of it: it is ended as soon as the store works
    /// again, before its lease would.
    fn forget_later(&self, id: TicketId) {
        let (app, command) = (self.asked.app.clone(), self.release_command(id));
        tokio::spawn(async move {
            for _ in 0..CLEAN_UP_TRIES {
                match app.engine.submit(command.clone()).await {
                    Ok(_) | Err(EngineError::Rejected(_) | EngineError::ShuttingDown) => return,
                    Err(EngineError::Overloaded | EngineError::Unavailable { .. }) => sleep(CLEAN_UP_PAUSE).await,
                }
            }
        });
    }
}

fn tell(status: StatusCode, view: &TicketView, more: Option<(HeaderName, HeaderValue)>) -> Response {
    let path = routes::TICKET.replace("{id}", &view::id(view.ticket.id));
    let location = (header::LOCATION, HeaderValue::try_from(path).expect("plain text"));
    let headers = axum::http::HeaderMap::from_iter(std::iter::once(location).chain(more));
    (headers, view::json(status, &view::ticket(view, true))).into_response()
}
