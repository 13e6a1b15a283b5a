//! Tickets, locks and events of the core as the API shows them.

use super::super::routes::HEADERS_USUAL;
use super::sees::Sees;
use super::why::{expected_wait, why};
use crate::engine::EventId;
use crate::metrics::{History, Past, Percentiles, Sample, Span};
pub(in crate::http) use crate::wall::now_ms;
use crate::wall::{self, rfc3339};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lock_api::{
    Event, EventKind, Lock, LockChange, LockSettings, Outside, Part, Permits, Pick, Seconds, Selection, SettingValue,
    Statistics, Ticket, TicketState, WithheldCause, Withholding,
};
use lock_core::limits::LISTED_SLOTS_MAX;
use lock_core::{
    Capacity, EndedAs, LockView, Ms, PartRef, SlotName, State, TicketId, TicketRecord, TicketView, TicketsAfter,
    Transition, Until, WallMs,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use uuid::Uuid;

/// A successful answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    written(status, serde_json::to_vec(body).expect("answers are plain data"))
}

/// The same of JSON that is written already. Nothing of this API may be kept by a cache.
pub(super) fn written(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS_USUAL);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer's body.
pub(super) fn bytes(body: &impl Serialize) -> Arc<[u8]> {
    serde_json::to_vec(body).expect("answers are plain data").into()
}

/// The same as [`json`] of a body that is shared with other answers.
pub(super) fn rendered(status: StatusCode, body: Arc<[u8]>) -> Response {
    written(status, Bytes::from_owner(body))
}

/// The ETag of a lock.
pub(super) fn tag(lock: &LockView) -> HeaderMap {
    let tag = HeaderValue::try_from(format!("\"{}\"", lock.lock.revision)).expect("digits");
    HeaderMap::from_iter([(header::ETAG, tag)])
}

/// Where the listings of a lock go on.
pub(super) fn cursor(after: TicketsAfter) -> String {
    match after.place {
        None => after.token.to_string(),
        Some((priority, place)) => format!("{}.{priority}.{place}", after.token),
    }
}

/// A lock with its ETag.
pub(super) fn lock_answer(
    status: StatusCode,
    lock: &LockView,
    as_of: EventId,
    history: &History,
    sees: Sees<'_>,
) -> Response {
    (tag(lock), json(status, &self::lock(lock, as_of, history, sees))).into_response()
}

pub(super) fn id(id: TicketId) -> String {
    Uuid::from_u128(id.0).to_string()
}

/// A lock in numbers as it is `now`. `usual_hold` is how long one of its permits is held.
pub(super) fn usage(usage: &lock_core::Usage, usual_hold: Option<Ms>, now: WallMs) -> lock_api::Usage {
    lock_api::Usage {
        size: usage.size,
        free: usage.free,
        in_use: usage.in_use,
        granted: usage.granted,
        withheld: usage.withheld,
        holding: usage.holding,
        queued: usage.queued,
        queued_elsewhere: usage.queued_elsewhere,
        paused: usage.paused,
        waiting_since: usage.waiting_since.map(rfc3339),
        holding_since: usage.holding_since.map(rfc3339),
        expected_wait_s: expected_wait(usage, usual_hold, now).map(seconds),
    }
}

pub(super) fn seconds(ms: Ms) -> Seconds {
    Seconds::from_ms(ms)
}

fn texts(names: &[SlotName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn numbers(ranges: &[(u32, u32)]) -> Vec<u32> {
    ranges.iter().flat_map(|&(first, last)| first..=last).take(LISTED_SLOTS_MAX).collect()
}

/// `0-2,7`: a ticket may have a million slots.
fn in_ranges(ranges: &[(u32, u32)]) -> String {
    let mut text = String::new();
    for &(first, last) in ranges {
        let comma = if text.is_empty() { "" } else { "," };
        let end = if first == last { String::new() } else { format!("-{last}") };
        write!(text, "{comma}{first}{end}").expect("a String takes everything");
    }
    text
}

pub(super) fn ended_as(how: EndedAs) -> lock_api::EndedAs {
    match how {
        EndedAs::Released => lock_api::EndedAs::Released,
        EndedAs::Cancelled => lock_api::EndedAs::Cancelled,
        EndedAs::Superseded => lock_api::EndedAs::Superseded,
        EndedAs::Expired => lock_api::EndedAs::Expired,
        EndedAs::Lost => lock_api::EndedAs::Lost,
        EndedAs::Overdue => lock_api::EndedAs::Overdue,
        EndedAs::Revoked => lock_api::EndedAs::Revoked,
        EndedAs::Oversized => lock_api::EndedAs::Oversized,
        EndedAs::LockDeleted => lock_api::EndedAs::LockDeleted,
    }
}

/// How long a ticket still lives without another heartbeat. What was left when that was decided has become less since, by
/// the flush to the disk or because the process stood still: nobody is promised more than is kept.
pub(in crate::http) fn time_left(view: &TicketView) -> Option<Ms> {
    let age = wall::mono_ms().saturating_sub(view.moment.mono);
    view.ends_in().map(|left| left.saturating_sub(age))
}

pub(super) fn permits(permits: lock_core::Permits) -> Permits {
    match permits {
        lock_core::Permits::Count(count) => Permits::Count(count),
        lock_core::Permits::All => Permits::All,
    }
}

/// What a ticket's permits of a lock are. A ticket that lapsed has nothing any more of what its record still names.
pub(super) struct Slots<'t> {
    pub(super) ranges: &'t [(u32, u32)],
    pub(super) names: &'t [SlotName],
}

pub(super) fn slots_of<'t>(record: &TicketRecord, part: PartRef<'t>) -> Slots<'t> {
    match record.state {
        State::Queued { .. } => Slots { ranges: &[], names: &[] },
        _ => Slots { ranges: part.slots, names: part.slot_names },
    }
}

/// The fencing token of the grant that it has.
pub(super) fn token_of(record: &TicketRecord) -> Option<u64> {
    record.token.filter(|_| !matches!(record.state, State::Queued { .. }))
}

/// Tickets before a bundle in the queue of each of its locks, in their order; `None` for what this view does not tell.
pub(super) fn ahead_of(view: &TicketView) -> impl Iterator<Item = Option<u64>> {
    // In the listing of a lock `ahead` is that lock's, whichever of them it is.
    let told = view.others.iter().any(|part| part.ahead.is_some());
    let queued = matches!(view.ticket.state, State::Queued { .. });
    let first = Some(view.ahead).filter(|_| told);
    std::iter::once(first).chain(view.others.iter().map(|part| part.ahead)).map(move |ahead| ahead.filter(|_| queued))
}

impl Slots<'_> {
    pub(super) fn listed(&self) -> Vec<u32> {
        numbers(self.ranges)
    }
}

/// A ticket; its secret id only for its maker, and of a bundle only those locks that are to be seen.
pub(super) fn ticket(view: &TicketView, with_id: bool, sees: Sees<'_>) -> Ticket {
    let record = &view.ticket;
    let (state, reason) = match &record.state {
        State::Queued { .. } => (TicketState::Queued, None),
        State::Granted => (TicketState::Granted, None),
        State::Held => (TicketState::Held, None),
        State::Ended { reason, .. } => (TicketState::Ended, reason.as_ref()),
    };
    // A program that works in the slots needs all their names.
    let names = if with_id { usize::MAX } else { LISTED_SLOTS_MAX };
    let is_bundle = record.is_bundle();
    let part = |of: PartRef<'_>, ahead| {
        let slots = slots_of(record, of);
        Part {
            permits: permits(of.permits),
            slots: slots.listed(),
            slot_ranges: in_ranges(slots.ranges),
            slot_names: texts(&slots.names[..names.min(slots.names.len())]),
            ahead,
        }
    };
    let all = record.parts().zip(ahead_of(view));
    let seen = all.filter(|(of, _)| !is_bundle || sees(of.lock));
    let locks: BTreeMap<String, Part> = seen.map(|(of, ahead)| (of.lock.to_string(), part(of, ahead))).collect();
    let count = 1 + record.more().parts.len();
    let only = if is_bundle { None } else { locks.first_key_value().map(|(_, part)| part.clone()) };
    let (permits, slots, slot_ranges, slot_names) = match only {
        Some(part) => (Some(part.permits), Some(part.slots), Some(part.slot_ranges), Some(part.slot_names)),
        None => (None, None, None, None),
    };
    Ticket {
        id: with_id.then(|| id(record.id)),
        number: record.number,
        locks_unseen: (count - locks.len()) as u64,
        locks,
        lock: (!is_bundle).then(|| record.lock.to_string()),
        state,
        permits,
        slots,
        slot_ranges,
        slot_names,
        token: token_of(record),
        ahead: view.most_ahead(),
        dormant: matches!(record.state, State::Queued { dormant: true }),
        priority: record.priority,
        info: record.info.to_string(),
        owner: record.owner.as_deref().map(str::to_owned),
        from: record.from.to_string(),
        created_at: rfc3339(record.created_at),
        granted_at: record.granted_at.map(rfc3339),
        held_at: record.held_at.map(rfc3339),
        ended_at: record.ended_at.map(rfc3339),
        expires_at: view.ends_in().map(|left| rfc3339(view.moment.wall.saturating_add(left))),
        expires_in_s: time_left(view).map(seconds),
        ttl_s: view.ttl.map(seconds),
        ended_as: view.ended().map(ended_as),
        reason: reason.map(ToString::to_string),
        ended_by: record.more().ended_by.as_deref().map(str::to_owned),
        selection: record.more().selection.as_deref().map(selection),
        supersede: record.more().supersede.as_deref().map(str::to_owned),
        superseded_by: record.more().superseded_by,
    }
}

fn selection(selection: &lock_core::Selection) -> Selection {
    match selection {
        lock_core::Selection::Slots(names) => Selection::Slots(texts(names)),
        lock_core::Selection::Tags(tags) => Selection::Tags(tags.iter().map(ToString::to_string).collect()),
    }
}

fn settings(settings: &lock_core::Settings) -> LockSettings {
    let (size, slots) = match &settings.capacity {
        Capacity::Size(size) => (Some(*size), None),
        Capacity::Named(names) => (None, Some(texts(names))),
    };
    LockSettings {
        size,
        slots,
        tags: settings
            .tags
            .iter()
            .map(|(name, tags)| (name.to_string(), tags.iter().map(ToString::to_string).collect()))
            .collect(),
        pick: match settings.pick {
            lock_core::Pick::First => Pick::First,
            lock_core::Pick::Lru => Pick::Lru,
        },
        grace_time_s: seconds(settings.grace),
        expiration_time_s: settings.expiration.map(seconds),
        max_lock_time_s: settings.max_lock.map(seconds),
        max_hold_time_s: settings.max_hold.map(seconds),
        max_ttl_s: settings.max_ttl.map(seconds),
        lock_delay_s: seconds(settings.lock_delay),
        max_queue: settings.max_queue,
        max_per_owner: settings.max_per_owner,
        min_hold_time_s: seconds(settings.min_hold),
        description: settings.description.to_string(),
    }
}

fn statistics(counts: &lock_core::Statistics) -> Statistics {
    Statistics {
        queries: counts.queries,
        grants: counts.grants,
        got: counts.got,
        lapsed: counts.lapsed,
        released: counts.ended_as(EndedAs::Released),
        cancelled: counts.ended_as(EndedAs::Cancelled),
        superseded: counts.ended_as(EndedAs::Superseded),
        expired: counts.ended_as(EndedAs::Expired),
        lost: counts.ended_as(EndedAs::Lost),
        overdue: counts.ended_as(EndedAs::Overdue),
        revoked: counts.ended_as(EndedAs::Revoked),
        oversized: counts.ended_as(EndedAs::Oversized),
        lock_deleted: counts.ended_as(EndedAs::LockDeleted),
    }
}

/// Whether tickets are listed with it that are for other locks, too.
pub(super) fn has_bundles(lock: &LockView) -> bool {
    lock.holders.iter().chain(&lock.queue).any(|one| one.ticket.is_bundle())
}

/// A lock; never with a ticket's id.
pub(super) fn lock(view: &LockView, as_of: EventId, history: &History, sees: Sees<'_>) -> Lock {
    let (record, now) = (&view.lock, now_ms());
    let usual_hold = history.usual_hold(&record.name, now);
    let usage = usage(&view.usage, usual_hold, now);
    let withholding = |withholding: &lock_core::Withholding| Withholding {
        number: withholding.number,
        slots: numbers(&withholding.slots),
        slot_ranges: in_ranges(&withholding.slots),
        slot_names: texts(&withholding.slot_names[..LISTED_SLOTS_MAX.min(withholding.slot_names.len())]),
        cause: withheld_cause(withholding.cause),
        ended_as: withholding.how.map(ended_as),
        reason: withholding.reason.as_deref().map(str::to_owned),
        ends_in_s: view.restored_in(withholding).map(seconds),
        awaited: withholding.awaited,
        awaited_names: texts(&withholding.awaited_names[..LISTED_SLOTS_MAX.min(withholding.awaited_names.len())]),
    };
    Lock {
        name: record.name.to_string(),
        size: usage.size,
        free: usage.free,
        in_use: usage.in_use,
        granted: usage.granted,
        withheld: usage.withheld,
        holding: usage.holding,
        queued: usage.queued,
        queued_elsewhere: usage.queued_elsewhere,
        waiting_since: usage.waiting_since,
        holding_since: usage.holding_since,
        expected_wait_s: usage.expected_wait_s,
        why: why(view, usual_hold, now, sees),
        paused: usage.paused,
        pause_reason: record.pause.as_ref().map(|pause| pause.reason.to_string()),
        paused_by: record.pause.as_ref().and_then(|pause| pause.by.as_deref()).map(str::to_owned),
        pause_ends_in_s: view.pause_ends_in.map(seconds),
        retiring: record.retiring,
        template: record.template.as_ref().map(lock_core::Prefix::pattern),
        settings: settings(&record.settings),
        overridden: view.overridden.iter().map(ToString::to_string).collect(),
        configuration: record
            .file
            .as_ref()
            .map(|file| lock_core::between(&file.settings, &record.settings).iter().map(lock_change).collect()),
        revision: record.revision,
        holders: view.holders.iter().map(|one| ticket(one, false, sees)).collect(),
        queue: view.queue.iter().map(|one| ticket(one, false, sees)).collect(),
        next: view.next.map(cursor),
        withholdings: view.withholdings.iter().map(withholding).collect(),
        outside: record.outside.as_ref().map(|outside| Outside {
            in_use: outside.in_use,
            reported_at: rfc3339(outside.reported_at),
            ends_in_s: outside.until.map(|until| seconds(until.saturating_sub(view.wall))),
        }),
        statistics: statistics(&view.statistics),
        as_of: as_of.to_string(),
    }
}

/// A stretch of a lock's past.
pub(super) fn past(past: &Past, span: Span) -> lock_api::Past {
    let steps = &past.samples.steps;
    let column = |value: fn(&Sample) -> u32| steps.iter().map(|step| step.as_ref().map(value)).collect();
    let two_places = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
    let times = |times: &Percentiles| lock_api::Percentiles {
        count: times.count,
        p50_s: times.p50.map(seconds),
        p90_s: times.p90.map(seconds),
        p99_s: times.p99.map(seconds),
    };
    lock_api::Past {
        begin: (!steps.is_empty()).then(|| rfc3339(past.samples.begin)),
        step_s: seconds(span.step_ms()),
        size: column(|step| step.size),
        in_use: steps.iter().map(|step| step.as_ref().map(|step| two_places(step.in_use))).collect(),
        in_use_max: column(|step| step.in_use_max),
        queued_max: column(|step| step.queued_max),
        full: steps.iter().map(|step| step.as_ref().map(|step| two_places(step.full))).collect(),
        waits: times(&past.waits),
        holds: times(&past.holds),
    }
}

/// One thing about a lock that is another now.
fn lock_change(change: &lock_core::LockChange) -> LockChange {
    let value = |value: &lock_core::SettingValue| match value {
        lock_core::SettingValue::None => None,
        lock_core::SettingValue::Flag(flag) => Some(SettingValue::Flag(*flag)),
        lock_core::SettingValue::Count(count) => Some(SettingValue::Number(seconds(count * 1000))),
        lock_core::SettingValue::Time(time) => time.map(|time| SettingValue::Number(seconds(time))),
        lock_core::SettingValue::Text(text) => Some(SettingValue::Text(text.to_string())),
    };
    // A change of both ways to give the size may be from a number to names.
    let is_time = matches!(change.from, lock_core::SettingValue::Time(_));
    let is_names = [&change.from, &change.to].iter().any(|one| matches!(one, lock_core::SettingValue::Text(_)));
    let setting = match change.setting {
        "size" if is_names => "slots".to_owned(),
        name if is_time => format!("{name}_s"),
        name => name.to_owned(),
    };
    LockChange { setting, from: value(&change.from), to: value(&change.to) }
}

fn withheld_cause(cause: lock_core::WithheldCause) -> WithheldCause {
    match cause {
        lock_core::WithheldCause::LostHolder => WithheldCause::LostHolder,
        lock_core::WithheldCause::Cooldown => WithheldCause::Cooldown,
        lock_core::WithheldCause::Broken => WithheldCause::Broken,
        lock_core::WithheldCause::Admin => WithheldCause::Admin,
        lock_core::WithheldCause::Outside => WithheldCause::Outside,
    }
}

fn tell_withheld(told: &mut Event, one: &lock_core::Withheld) {
    told.cause = Some(withheld_cause(one.cause));
    told.withholding = Some(one.number);
    told.permits = Some(one.permits);
    told.slot_names = one.slot_names.iter().map(ToString::to_string).collect();
    told.ended_as = one.how.map(ended_as);
    told.reason = one.reason.as_deref().filter(|reason| !reason.is_empty()).map(str::to_owned);
}

/// An event, as the stream sends it.
pub(super) fn event(event: &lock_core::Event) -> Event {
    use lock_core::EventKind as Kind;
    let mut told = Event {
        kind: EventKind::LockChanged,
        at: rfc3339(event.at),
        lock: event.lock.to_string(),
        number: None,
        info: None,
        owner: None,
        from: None,
        token: None,
        waited_s: None,
        held_s: None,
        ended_as: None,
        cause: None,
        withholding: None,
        permits: None,
        slot_names: Vec::new(),
        reason: None,
        changes: Vec::new(),
        until: None,
        by: event.by.as_deref().map(str::to_owned),
        usage: None,
    };
    told.kind = match &event.kind {
        Kind::LockCreated => EventKind::LockCreated,
        Kind::LockChanged { changes, pause } => {
            told.changes = changes.iter().map(lock_change).collect();
            told.reason = pause.as_ref().map(|pause| pause.reason.to_string()).filter(|reason| !reason.is_empty());
            told.until = match pause.as_ref().and_then(|pause| pause.until) {
                Some(Until::Wall(until)) => Some(rfc3339(until)),
                Some(Until::Service(_)) | None => None,
            };
            EventKind::LockChanged
        }
        Kind::LockDeleted => EventKind::LockDeleted,
        Kind::PermitsWithheld(one) => {
            tell_withheld(&mut told, one);
            told.until = one.until.map(rfc3339);
            EventKind::PermitsWithheld
        }
        Kind::PermitsRestored(one) => {
            tell_withheld(&mut told, one);
            EventKind::PermitsRestored
        }
        Kind::ReportStale => EventKind::ReportStale,
        Kind::Ticket { number, info, owner, from, transition } => {
            told.number = Some(*number);
            told.info = Some(info.to_string());
            told.owner = owner.as_deref().map(str::to_owned);
            told.from = Some(from.to_string());
            match transition {
                Transition::Queued => EventKind::Queued,
                Transition::Granted { token, waited } => {
                    told.token = Some(*token);
                    told.waited_s = Some(seconds(*waited));
                    EventKind::Granted
                }
                Transition::Held => EventKind::Held,
                Transition::Lapsed => EventKind::Lapsed,
                Transition::Undelivered => EventKind::Undelivered,
                Transition::Ended { how, reason, held } => {
                    told.ended_as = Some(ended_as(*how));
                    told.reason = reason.as_deref().map(str::to_owned);
                    told.held_s = held.map(seconds);
                    EventKind::Ended
                }
            }
        }
    };
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_slots_are_few_ranges() {
        let all = [(0, 999_999)];
        assert_eq!((numbers(&all).len(), in_ranges(&all)), (LISTED_SLOTS_MAX, "0-999999".to_owned()));
        let some = [(0, 2), (5, 5), (7, 8)];
        assert_eq!((numbers(&some), in_ranges(&some)), (vec![0, 1, 2, 5, 7, 8], "0-2,5,7-8".to_owned()));
        assert_eq!((numbers(&[]), in_ranges(&[])), (vec![], String::new()));
    }
}
