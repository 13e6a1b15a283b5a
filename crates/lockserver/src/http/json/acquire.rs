//! `POST /v1/locks/{lock}/tickets` and `POST /v1/tickets`: ask for permits of one lock, or of several, all or nothing. 2xx means that
//! they are held, but for 202, which must be asked for.

use super::super::acquire::{self, WaitEnd, Waiting};
use super::super::app::{attach, only_while_held};
use super::asked::{Asked, check_wait};
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{busy, change, examples, view, written};
use crate::access::{Denied, Right};
use crate::engine::{CommandResult, EngineError};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lock_api::{Acquire, ErrorCode, Ticket, routes};
use lock_core::limits::PRIORITY_MAX;
use lock_core::{
    Asked as Part, Command, IfBusy, Lease, LockName, NewTicket, Outcome, Permits, ReleaseTarget, Selection, State,
    TicketId, TicketView,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::openapi::path::HttpMethod;

/// When a client that keeps a place in the queue should ask for it, in seconds; with `wait_s` then, it costs little.
const ASK_AGAIN_S: u64 = 1;

pub(super) fn describe() -> [Call; 2] {
    let one = Call::new(HttpMethod::Post, routes::LOCK_TICKETS, "acquire", "Ask for permits")
        .about(
            "Every field is optional. Not free: 409 `busy`, or `timed_out` after `wait_s`, and nothing is left behind; `detail` says \
             who holds the lock, to callers with the right `observe`, or that it is paused. With \
             `queue` the place is kept: 202. A client that hangs up leaves nothing behind either, unless it sent a \
             `request_id`: then the same request again finds the same ticket. With a word to `supersede` by it ends what the same \
             owner has queued with that word: those hear 410 with `ended_as` `superseded`, and by which number.",
        )
        .body::<Acquire>(json!({"wait_s": 30, "ttl_s": 60, "info": "backup of db1"}), false)
        .answer_with::<Ticket>(201, "Held", examples::ticket(true), &[("Location", "The ticket")]);
    let body = json!({"locks": {"san-ssh": 1, "licence": 2, "stage": "all"}, "wait_s": 30, "ttl_s": 60});
    let several = Call::new(HttpMethod::Post, routes::TICKETS, "acquire_all", "Ask for permits of several locks at once")
        .about(
            "All or nothing: one ticket with one place in every queue, so no two who want the same locks wait for each other. \
             `locks` has 1 to 16 locks with the permits of each; `permits` stays out, and `slots` and `tags` are for one lock. \
             Everything else is as where the path names the lock. The right `use` is needed for each of them. What is refused \
             because of one of several locks names it as `lock`. The scope of a `request_id` is the key and the set of locks.",
        )
        .body::<Acquire>(body, true)
        .answer_with::<Ticket>(201, "Held", examples::bundle(), &[("Location", "The ticket")]);
    [one, several].map(|call| {
        call.answer_with::<Ticket>(
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
    })
}

/// Of the lock that the path names.
pub(super) async fn one(mut asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let lock = asked.lock()?;
    let wanted: Acquire = asked.wanted().await?;
    // Clients that generators made for some languages send an empty map for none.
    if wanted.locks.as_ref().is_some_and(|locks| !locks.is_empty()) {
        return Err(Refusal::invalid("locks is for POST /v1/tickets: here the path names the lock"));
    }
    let wanted = with_exclusive(wanted)?;
    let permits = permits(wanted.permits, wanted.slots.as_deref());
    acquire(&asked, Part { lock, permits }, Vec::new(), wanted).await
}

/// Of the locks that the body names.
pub(super) async fn all(mut asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let mut wanted: Acquire = asked.wanted().await?;
    let Some(locks) = wanted.locks.take() else {
        return Err(Refusal::invalid("name the locks with the permits of each: {\"locks\": {\"san-ssh\": 1}}"));
    };
    if wanted.permits.is_some() || wanted.exclusive {
        return Err(Refusal::invalid("permits stand beside each lock in locks, and nowhere else"));
    }
    if locks.len() > 1 && (wanted.slots.is_some() || wanted.tags.is_some()) {
        let text = format!("slots and tags choose in one lock, and {} are named: nobody knows in which", locks.len());
        return Err(Refusal::invalid(text));
    }
    let mut parts = named(&locks)?;
    for part in &parts {
        asked.who.may(Right::Use, &part.lock).map_err(|denied| Refusal::from(denied).of_lock(&part.lock))?;
    }
    if parts.is_empty() {
        return Err(Refusal::invalid("locks names no lock: a ticket is for 1 to 16"));
    }
    let first = parts.remove(0);
    acquire(&asked, first, parts, wanted).await
}

/// What is asked for, in the order of the locks.
fn named(locks: &BTreeMap<String, lock_api::Permits>) -> Result<Vec<Part>, Refusal> {
    let part = |(name, wanted): (&String, &lock_api::Permits)| {
        let lock = lock_name(name)?;
        Ok(Part { lock, permits: permits(Some(*wanted), None) })
    };
    let mut parts = locks.iter().map(part).collect::<Result<Vec<_>, Refusal>>()?;
    parts.sort_by(|a, b| a.lock.cmp(&b.lock));
    Ok(parts)
}

/// A lock that is named beside others.
pub(super) fn lock_name(name: &str) -> Result<LockName, Refusal> {
    LockName::new(name).map_err(|why| Refusal::invalid(format!("{name:?} is not a valid lock name: {why}")))
}

async fn acquire(asked: &Asked, first: Part, others: Vec<Part>, wanted: Acquire) -> Answer {
    let wait = check_wait(wanted.wait_s)?;
    let highest = asked.who.max_priority();
    // What no client may have is refused with its bound.
    if wanted.priority > highest && wanted.priority != 0 && wanted.priority <= PRIORITY_MAX {
        let text = format!("your priority is at most {highest} (MAX_PRIORITY in the configuration)");
        return Err(Refusal::new(ErrorCode::NotAllowed, text));
    }
    let (queue, repeatable) = (wanted.queue, wanted.request_id.is_some());
    let selection = selection(wanted.slots.as_deref(), wanted.tags.as_deref())?;
    let locks: Vec<LockName> = std::iter::once(&first).chain(&others).map(|part| part.lock.clone()).collect();
    let new = NewTicket { selection, permits: first.permits, others, ..new_ticket(asked, first.lock, wanted, wait) };
    let one = Acquiring { asked, queue, repeatable };
    match one.obtain(new, wait).await {
        Err(refusal) => Err(busy::explained(asked, &locks, refusal).await),
        held => held,
    }
}

/// `exclusive` is another word for all permits.
fn with_exclusive(wanted: Acquire) -> Result<Acquire, Refusal> {
    match (wanted.exclusive, wanted.permits) {
        (false, _) | (true, Some(lock_api::Permits::All)) => Ok(wanted),
        (true, None) => Ok(Acquire { permits: Some(lock_api::Permits::All), ..wanted }),
        (true, Some(lock_api::Permits::Count(_))) => {
            Err(Refusal::invalid("exclusive asks for every permit: leave out permits, or exclusive"))
        }
    }
}

/// Which slots are asked for.
fn selection(slots: Option<&[String]>, tags: Option<&[String]>) -> Result<Option<Selection>, Refusal> {
    match (slots, tags) {
        (None, None) => Ok(None),
        (Some(names), None) => Ok(Some(Selection::Slots(change::slot_names(names)?))),
        (None, Some(tags)) => Ok(Some(Selection::Tags(change::tags(tags)?))),
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("slots and tags exclude each other: name the slots, or what they must have"))
        }
    }
}

/// One permit, or one for each slot that is named.
fn permits(permits: Option<lock_api::Permits>, slots: Option<&[String]>) -> Permits {
    match (permits, slots) {
        (Some(lock_api::Permits::Count(count)), _) => Permits::Count(count),
        (Some(lock_api::Permits::All), _) => Permits::All,
        (None, Some(names)) => Permits::Count(u32::try_from(names.len()).unwrap_or(u32::MAX).max(1)),
        (None, None) => Permits::Count(1),
    }
}

fn new_ticket(asked: &Asked, lock: LockName, wanted: Acquire, wait: Duration) -> NewTicket {
    let new = acquire::new_ticket(&asked.who, lock);
    NewTicket {
        priority: if wanted.priority == 0 { new.priority } else { wanted.priority },
        info: Arc::from(wanted.info),
        lease: wanted.ttl_s.map_or(Lease::OfLock, |ttl| Lease::Given(ttl.as_ms())),
        // Zero means never (rule 4).
        max_hold: wanted.max_hold_s.map(lock_api::Seconds::as_ms).filter(|ms| *ms > 0),
        request_id: wanted.request_id.map(Arc::from),
        supersede: wanted.supersede.map(Arc::from),
        if_busy: if !wait.is_zero() {
            IfBusy::Wait
        } else if wanted.queue {
            IfBusy::Queue
        } else {
            IfBusy::Refuse
        },
        ..new
    }
}

/// Why a request does not wait any longer. It may not have wanted to.
type Over = WaitEnd<Denied>;

struct Acquiring<'a> {
    asked: &'a Asked,
    queue: bool,
    repeatable: bool,
}

impl Acquiring<'_> {
    async fn obtain(&self, new: NewTicket, wait: Duration) -> Answer {
        let (told, over) = self.ask(new, wait).await?;
        self.conclude(told, over).await
    }

    async fn ask(&self, new: NewTicket, wait: Duration) -> Result<(CommandResult, Over), Refusal> {
        let Asked { app, connection, caller, who, .. } = self.asked;
        if wait.is_zero() {
            return Ok((app.engine.submit(caller, Command::Acquire(new)).await?, Over::Answered));
        }
        let waiting = Waiting { app, connection, caller, until: Instant::now() + wait };
        let _place = self.asked.waiting_place()?;
        let others = new.others.iter().map(|part| &part.lock);
        let locks: Vec<LockName> = std::iter::once(&new.lock).chain(others).cloned().collect();
        // A client that may not have it any more is as good as gone: others are served.
        Ok(waiting.send(Command::Acquire(new), app.until_denied(who, &locks), true).await?)
    }

    async fn conclude(&self, told: CommandResult, over: Over) -> Answer {
        let Outcome::Ticket(view) = &told.outcome else { unreachable!("a request for permits gives a ticket") };
        let mut response = match view.ticket.state {
            State::Held => tell(StatusCode::CREATED, view, None),
            State::Ended { .. } => return Err(Refusal::gone(view)),
            State::Queued { .. } | State::Granted if self.queue && !matches!(over, Over::Revoked(_)) => {
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
        if self.repeatable {
            let again = "repeat the request with the same request_id to find your place in the queue";
            match over {
                Over::ClientGone => {
                    let text = format!("the connection was closed while the request waited; {again}");
                    return Refusal::new(ErrorCode::Unavailable, text).unsure();
                }
                Over::Stopping => {
                    return Refusal::new(ErrorCode::ShuttingDown, format!("the server is shutting down; {again}"))
                        .unsure();
                }
                Over::Answered | Over::Time | Over::Revoked(_) => {}
            }
        }
        // No lease runs while a request waits: this one has ended, so there is another for the same ticket.
        let others_wait = self.repeatable && view.expires_in.is_none();
        if !others_wait && let Err(failure) = self.release(view.ticket.id).await {
            return match failure {
                EngineError::Rejected(why) => EngineError::Rejected(why).into(),
                other => Refusal::from(other).unsure(),
            };
        }
        let refusal = match over {
            Over::Stopping => {
                Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down; your request left nothing behind")
            }
            Over::Revoked(_) => Refusal::new(
                ErrorCode::Unauthorized,
                "keys or rights have changed, and this client may not wait any longer",
            ),
            Over::Answered => not_free(view, ErrorCode::Busy, "is free now"),
            Over::Time | Over::ClientGone => {
                not_free(view, ErrorCode::TimedOut, "was free within the time that the request wanted to wait")
            }
        };
        // Its request_id has had its answer.
        if self.repeatable { refusal.final_word() } else { refusal }
    }

    async fn release(&self, id: TicketId) -> Result<(), EngineError> {
        let Asked { app, caller, .. } = self.asked;
        let command =
            Command::Release { target: ReleaseTarget::Id(None, id), queued: true, keep: None, withhold: None };
        app.engine.submit(caller, command).await.map(drop)
    }
}

/// It did not come to its permits. Of several locks that one is named in whose queue it is not the first, if there is one.
fn not_free(view: &TicketView, code: ErrorCode, when: &str) -> Refusal {
    let record = &view.ticket;
    if !record.is_bundle() {
        return Refusal::new(code, format!("no permit of {:?} {when}", record.lock));
    }
    let names: Vec<String> = record.parts().map(|part| format!("{:?}", part.lock)).collect();
    let text = format!("not all of {} {when}", names.join(", "));
    let behind = record.parts().zip(view::ahead_of(view)).filter_map(|(part, ahead)| Some((part.lock, ahead?)));
    match behind.filter(|(_, ahead)| *ahead > 0).max_by_key(|(_, ahead)| *ahead) {
        Some((lock, ahead)) => {
            Refusal::new(code, format!("{text}; in the queue of {lock:?} {ahead} stood before it")).of_lock(lock)
        }
        None => Refusal::new(code, text),
    }
}

fn tell(status: StatusCode, view: &TicketView, more: Option<(HeaderName, HeaderValue)>) -> Response {
    let place = routes::TICKET.strip_suffix("{id}").expect("it ends with the id");
    let path = [place, &view::id(view.ticket.id)].concat();
    let mut response = view::written(status, written::ticket(view));
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(path).expect("plain text"));
    headers.extend(more.map(|(name, value)| (Some(name), value)));
    response
}
