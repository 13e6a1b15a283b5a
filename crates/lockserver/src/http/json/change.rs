//! What administrators do: make, change and delete locks, end tickets.

use super::super::auth::note_change;
use super::super::shrink;
use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::{examples, view};
use crate::engine::{CommandResult, EngineError};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use lock_api::{ErrorCode, Lock, LockPatch, LockSettings, Pick, Seconds, Ticket, routes};
use lock_core::limits::GRACE_MIN_MS;
use lock_core::{
    Capacity, Command, Force, Ms, Outcome, Patch, Precondition, Rejection, Settings, SlotName, SlotTags, Stage, Tag,
};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::openapi::path::HttpMethod;

pub(super) fn describe() -> Vec<Call> {
    let etag = [("ETag", "Revision of the settings")];
    vec![
        Call::new(HttpMethod::Put, routes::LOCK, "put_lock", "Make a lock, or replace its settings")
            .about("For administrators. `size` or `slots` must be given, what else is left out has 0.36's defaults.")
            .header("If-None-Match", "*", "`*`: only if there is no such lock")
            .body::<LockSettings>(examples::settings(), true)
            .answer_with::<Lock>(200, "Replaced", examples::lock(), &etag)
            .answer_with::<Lock>(201, "Made", examples::lock(), &etag)
            .changes_lock()
            .errors(&[ErrorCode::LockExists, ErrorCode::NameWithheld, ErrorCode::LimitReached]),
        Call::new(HttpMethod::Patch, routes::LOCK, "patch_lock", "Change a lock, pause or resume it")
            .about("For administrators. A merge patch (RFC 7396): fields that are left out stay. `null` sets the default again, and a time without a default is then never.")
            .body::<LockPatch>(json!({"size": 5, "paused": true, "reason": "maintenance", "until_s": 3600}), true)
            .answer_with::<Lock>(200, "Changed", examples::lock(), &etag)
            .changes_lock()
            .errors(&[ErrorCode::NameWithheld, ErrorCode::LimitReached]),
        Call::new(HttpMethod::Delete, routes::LOCK, "delete_lock", "Delete a lock")
            .about("For administrators. A lock in use needs `force`; its tickets end as `lock_deleted`.")
            .changes_lock()
            .answer_plain(204, "Deleted", None),
        Call::new(HttpMethod::Delete, routes::LOCK_TICKET, "revoke", "End somebody's ticket")
            .about("For administrators, and for the key that made it. The permits stay withheld for the lock's `lock_delay_s`.")
            .query_text("reason", "its host is gone", "For its client and the log")
            .query_text("state", "queued", "Only if it is `queued`, `granted` or `held`; otherwise nothing is done")
            .answer::<Ticket>(200, "Ended as `revoked`", examples::ticket(false))
            .errors(&[
                ErrorCode::UnknownTicket,
                ErrorCode::NotAllowed,
                ErrorCode::UnknownLock,
                ErrorCode::TicketChanged,
            ]),
    ]
}

/// `?force` and `?expect_tickets`.
fn force(asked: &Asked) -> Result<Force, Refusal> {
    asked.only_parameters(&["force", "expect_tickets"])?;
    Ok(Force { force: asked.flag("force")?, expect_tickets: asked.count("expect_tickets")? })
}

/// `If-Match` and `If-None-Match`.
fn precondition(asked: &Asked, may_make: bool) -> Result<Precondition, Refusal> {
    match (asked.header(&header::IF_MATCH)?, asked.header(&header::IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::None),
        // That there is such a lock is looked at anyway, but by PUT.
        (Some("*"), None) if !may_make => Ok(Precondition::None),
        (Some(tag), None) => {
            let revision = shrink::untag(tag).and_then(|revision| revision.parse().ok());
            revision
                .map(Precondition::Revision)
                .ok_or_else(|| Refusal::invalid("If-Match must be one ETag as GET gave it, in its quotes: \"3\""))
        }
        (None, Some("*")) if may_make => Ok(Precondition::Absent),
        (None, Some(_)) if may_make => Err(Refusal::invalid("If-None-Match must be *: only if there is no such lock")),
        (None, Some(_)) => Err(Refusal::invalid("If-None-Match is for PUT only")),
        (Some(_), Some(_)) => Err(Refusal::invalid("If-Match and If-None-Match exclude each other")),
    }
}

/// Zero means never (rule 4).
fn never_if_zero(time: Option<Seconds>) -> Option<Ms> {
    time.map(Seconds::as_ms).filter(|ms| *ms > 0)
}

/// Names of slots.
pub(super) fn slot_names(names: &[String]) -> Result<Vec<SlotName>, Refusal> {
    let check = |name: &String| {
        SlotName::new(name).map_err(|why| Refusal::invalid(format!("{name:?} is not a valid slot name: {why}")))
    };
    names.iter().map(check).collect()
}

/// Tags as tickets and settings name them.
pub(super) fn tags(tags: &[String]) -> Result<Vec<Tag>, Refusal> {
    let check =
        |tag: &String| Tag::new(tag).map_err(|why| Refusal::invalid(format!("{tag:?} is not a valid tag: {why}")));
    tags.iter().map(check).collect()
}

fn slot_tags(wanted: &BTreeMap<String, Vec<String>>) -> Result<SlotTags, Refusal> {
    let names: Vec<String> = wanted.keys().cloned().collect();
    slot_names(&names)?.into_iter().zip(wanted.values()).map(|(name, own)| Ok((name, tags(own)?))).collect()
}

fn pick(pick: Pick) -> lock_core::Pick {
    match pick {
        Pick::First => lock_core::Pick::First,
        Pick::Lru => lock_core::Pick::Lru,
    }
}

fn capacity(size: Option<u32>, slots: Option<Vec<String>>) -> Result<Option<Capacity>, Refusal> {
    match (size, slots) {
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("size and slots exclude each other: the number of slots is the size"))
        }
        (Some(size), None) => Ok(Some(Capacity::Size(size))),
        (None, None) => Ok(None),
        (None, Some(names)) => Ok(Some(Capacity::Named(slot_names(&names)?))),
    }
}

fn settings(wanted: LockSettings) -> Result<Settings, Refusal> {
    let Some(capacity) = capacity(wanted.size, wanted.slots)? else {
        return Err(Refusal::invalid("size or slots must be given"));
    };
    Ok(Settings {
        capacity,
        tags: slot_tags(&wanted.tags)?,
        pick: pick(wanted.pick),
        grace: wanted.grace_time_s.as_ms().max(GRACE_MIN_MS),
        expiration: never_if_zero(wanted.expiration_time_s),
        max_lock: never_if_zero(wanted.max_lock_time_s),
        max_hold: never_if_zero(wanted.max_hold_time_s),
        max_ttl: never_if_zero(wanted.max_ttl_s),
        lock_delay: wanted.lock_delay_s.as_ms(),
        max_queue: wanted.max_queue,
        max_per_owner: wanted.max_per_owner,
        min_hold: wanted.min_hold_time_s.as_ms(),
        description: Arc::from(wanted.description),
    })
}

fn patch(wanted: LockPatch) -> Result<Patch, Refusal> {
    let pause = match wanted.paused {
        Some(true) => Some(Some((Arc::from(wanted.reason.unwrap_or_default()), never_if_zero(wanted.until_s)))),
        _ if wanted.reason.is_some() || wanted.until_s.is_some() => {
            return Err(Refusal::invalid("reason and until_s belong to a pause: give \"paused\": true with them"));
        }
        Some(false) => Some(None),
        None => None,
    };
    let default = LockSettings::default();
    Ok(Patch {
        capacity: capacity(wanted.size, wanted.slots)?,
        tags: wanted.tags.map(|tags| slot_tags(&tags.unwrap_or_default())).transpose()?,
        pick: wanted.pick.map(|wanted| pick(wanted.unwrap_or(default.pick))),
        grace: wanted.grace_time_s.map(|grace| grace.unwrap_or(default.grace_time_s).as_ms().max(GRACE_MIN_MS)),
        expiration: wanted.expiration_time_s.map(never_if_zero),
        max_lock: wanted.max_lock_time_s.map(never_if_zero),
        max_hold: wanted.max_hold_time_s.map(never_if_zero),
        max_ttl: wanted.max_ttl_s.map(never_if_zero),
        lock_delay: wanted.lock_delay_s.map(|delay| delay.unwrap_or(default.lock_delay_s).as_ms()),
        max_queue: wanted.max_queue.map(|max| max.unwrap_or(default.max_queue)),
        max_per_owner: wanted.max_per_owner,
        min_hold: wanted.min_hold_time_s.map(|time| time.unwrap_or(default.min_hold_time_s).as_ms()),
        description: wanted.description.map(|text| Arc::from(text.unwrap_or_default())),
        pause,
    })
}

pub(super) fn tell(asked: &Asked, status: StatusCode, told: &CommandResult) -> Answer {
    match &told.outcome {
        Outcome::Lock(lock) => {
            let history = &asked.app.engine.metrics().history;
            Ok(view::lock_answer(status, lock, told.as_of, history, &|one| asked.who.sees(one)))
        }
        // The change was its end: it was going, and had only been kept by what this took away.
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// A refusal, which may list tickets that are for other locks, too.
fn refusal(asked: &Asked) -> impl Fn(EngineError) -> Refusal {
    |error| Refusal::from(error).shown_to(&|one| asked.who.sees(one))
}

/// The answer to a change, done or refused; the audit log has in both cases what was asked for.
pub(super) fn answer(
    asked: &Asked,
    status: StatusCode,
    told: crate::engine::Answer,
    change: &impl Serialize,
) -> Answer {
    let answer = told.map_err(refusal(asked)).and_then(|told| tell(asked, status, &told));
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    note_change(&mut response, change);
    Ok(response)
}

pub(super) async fn put(mut asked: Asked) -> Answer {
    let (name, force, wanted) = (asked.lock()?, force(&asked)?, precondition(&asked, true)?);
    let change: LockSettings = asked.wanted().await?;
    let settings = settings(change.clone())?;
    let put = |precondition| {
        let command = Command::PutLock { name: name.clone(), settings: settings.clone(), precondition, force };
        asked.app.engine.submit(&asked.caller, command)
    };
    // Tried as new first, because the outcome does not tell whether it was.
    let first = if wanted == Precondition::None { Precondition::Absent } else { wanted };
    let made = if first == Precondition::Absent { StatusCode::CREATED } else { StatusCode::OK };
    let (status, told) = match put(first).await {
        Err(EngineError::Rejected(Rejection::Exists)) if wanted == Precondition::None => {
            (StatusCode::OK, put(Precondition::None).await)
        }
        told => (made, told),
    };
    answer(&asked, status, told, &change)
}

pub(super) async fn change(mut asked: Asked) -> Answer {
    let (name, force, precondition) = (asked.lock()?, force(&asked)?, precondition(&asked, false)?);
    let change: LockPatch = asked.wanted().await?;
    let patch = patch(change.clone())?;
    let command = Command::PatchLock { name, patch, precondition, force };
    answer(&asked, StatusCode::OK, asked.app.engine.submit(&asked.caller, command).await, &change)
}

pub(super) async fn delete(asked: Asked) -> Answer {
    let (name, force, precondition) = (asked.lock()?, force(&asked)?, precondition(&asked, false)?);
    let command = Command::DeleteLock { name, precondition, force };
    let told = asked.app.engine.submit(&asked.caller, command).await;
    told.map_err(refusal(&asked))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `?state`.
fn stage(text: Option<&str>) -> Result<Option<Stage>, Refusal> {
    let all = [Stage::Queued, Stage::Granted, Stage::Held];
    let find = |text| all.into_iter().find(|stage| stage.as_str() == text);
    let bad =
        || Refusal::invalid("state must be queued, granted or held: what the ticket has to be for this to be done");
    text.map(|text| find(text).ok_or_else(bad)).transpose()
}

pub(super) async fn revoke(asked: Asked) -> Answer {
    asked.only_parameters(&["reason", "state"])?;
    let (lock, number, only) = (asked.lock()?, asked.number()?, stage(asked.text("state"))?);
    // Without a key nothing is one's own; the number alone is public.
    if asked.who.owner().is_none() {
        asked.admin()?;
    }
    let caller = asked.who.caller_for(&lock);
    let reason = Arc::from(asked.text("reason").unwrap_or(""));
    let who = &asked.who;
    let told = asked.app.engine.submit(&caller, Command::Revoke { lock, number, reason, only }).await;
    let told = told.map_err(refusal(&asked))?;
    let Outcome::Ticket(ticket) = &told.outcome else { unreachable!("a ticket was ended") };
    let owns = who.owns(&ticket.ticket);
    Ok(view::json(StatusCode::OK, &view::ticket(ticket, false, &|one| owns || who.sees(one))))
}
