//! A ticket for its maker as JSON, written field by field into one buffer: the answer that is given most.
//!
//! Which fields there are, in which order and form, is `lock_api::Ticket` and nothing else; the test below holds these bytes to
//! what that type gives.

use super::view::{ahead_of, permits, seconds, slots_of, time_left, token_of};
use crate::wall::write_rfc3339;
use lock_api::{Permits, Seconds};
use lock_core::{More, PartRef, Selection, State, TicketRecord, TicketView, WallMs};
use uuid::Uuid;

/// What most tickets fit into.
const TICKET_BYTES_USUAL: usize = 1024;

/// `lock_api::Ticket`, with its secret id.
pub(super) fn ticket(view: &TicketView) -> Vec<u8> {
    let mut out = Vec::with_capacity(TICKET_BYTES_USUAL);
    write_ticket(&mut out, view);
    out
}

/// `lock_api::Released`, with the ticket that was ended.
pub(super) fn released(ticket: Option<&TicketView>) -> Vec<u8> {
    let Some(ticket) = ticket else { return br#"{"released":false,"ticket":null}"#.to_vec() };
    let mut out = Vec::with_capacity(TICKET_BYTES_USUAL);
    out.extend_from_slice(br#"{"released":true,"ticket":"#);
    write_ticket(&mut out, ticket);
    out.push(b'}');
    out
}

fn write_ticket(out: &mut Vec<u8>, view: &TicketView) {
    let record = &view.ticket;
    out.extend_from_slice(br#"{"id":""#);
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(Uuid::from_u128(record.id.0).hyphenated().encode_lower(&mut id).as_bytes());
    out.extend_from_slice(br#"","number":"#);
    number(out, record.number);
    out.extend_from_slice(br#","locks":{"#);
    // What stands of the only lock stands there again, beside its name.
    let mut only = 0..0;
    for (at, (part, ahead)) in record.parts().zip(ahead_of(view)).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, part.lock.as_str());
        out.extend_from_slice(b":{");
        let begin = out.len();
        write_part(out, record, part);
        only = begin..out.len();
        if let Some(ahead) = ahead {
            out.extend_from_slice(br#","ahead":"#);
            number(out, ahead);
        }
        out.push(b'}');
    }
    out.push(b'}');
    if !record.is_bundle() {
        out.extend_from_slice(br#","lock":"#);
        text(out, record.lock.as_str());
    }
    out.extend_from_slice(match &record.state {
        State::Queued { .. } => br#","state":"queued""#.as_slice(),
        State::Granted => br#","state":"granted""#,
        State::Held => br#","state":"held""#,
        State::Ended { .. } => br#","state":"ended""#,
    });
    if !record.is_bundle() {
        out.push(b',');
        out.extend_from_within(only);
    }
    out.extend_from_slice(br#","token":"#);
    option(out, token_of(record), number);
    out.extend_from_slice(br#","ahead":"#);
    number(out, view.most_ahead());
    out.extend_from_slice(match record.state {
        State::Queued { dormant: true } => br#","dormant":true,"priority":"#.as_slice(),
        _ => br#","dormant":false,"priority":"#,
    });
    if record.priority < 0 {
        out.push(b'-');
    }
    number(out, record.priority.unsigned_abs().into());
    out.extend_from_slice(br#","info":"#);
    text(out, &record.info);
    out.extend_from_slice(br#","owner":"#);
    option(out, record.owner.as_deref(), text);
    out.extend_from_slice(br#","from":"#);
    text(out, &record.from);
    out.extend_from_slice(br#","created_at":"#);
    time(out, record.created_at);
    out.extend_from_slice(br#","granted_at":"#);
    option(out, record.granted_at, time);
    out.extend_from_slice(br#","held_at":"#);
    option(out, record.held_at, time);
    out.extend_from_slice(br#","ended_at":"#);
    option(out, record.ended_at, time);
    out.extend_from_slice(br#","expires_at":"#);
    option(out, view.ends_in().map(|left| view.moment.wall.saturating_add(left)), time);
    out.extend_from_slice(br#","expires_in_s":"#);
    option(out, time_left(view), |out, left| duration(out, seconds(left)));
    out.extend_from_slice(br#","ttl_s":"#);
    option(out, view.ttl, |out, ttl| duration(out, seconds(ttl)));
    out.extend_from_slice(br#","ended_as":"#);
    option(out, view.ended(), |out, how| text(out, how.as_str()));
    out.extend_from_slice(br#","reason":"#);
    let reason = if let State::Ended { reason, .. } = &record.state { reason.as_deref() } else { None };
    option(out, reason, text);
    if record.more.is_some() {
        write_more(out, record.more());
    }
    out.push(b'}');
}

/// `lock_api::Part`, but for what is before it.
fn write_part(out: &mut Vec<u8>, record: &TicketRecord, part: PartRef<'_>) {
    out.extend_from_slice(br#""permits":"#);
    match permits(part.permits) {
        Permits::Count(count) => number(out, count.into()),
        Permits::All => out.extend_from_slice(br#""all""#),
    }
    out.extend_from_slice(br#","slots":"#);
    let slots = slots_of(record, part);
    match slots.ranges {
        // What most tickets have.
        [(only, last)] if only == last => {
            out.push(b'[');
            number(out, (*only).into());
            out.extend_from_slice(br#"],"slot_ranges":""#);
        }
        _ => {
            list(out, &slots.listed(), |out, slot| number(out, (*slot).into()));
            out.extend_from_slice(br#","slot_ranges":""#);
        }
    }
    for (at, (first, last)) in slots.ranges.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        number(out, (*first).into());
        if last > first {
            out.push(b'-');
            number(out, (*last).into());
        }
    }
    out.extend_from_slice(br#"","slot_names":"#);
    list(out, slots.names, |out, name| text(out, name.as_str()));
}

/// What few tickets have.
fn write_more(out: &mut Vec<u8>, more: &More) {
    if let Some(by) = more.ended_by.as_deref() {
        out.extend_from_slice(br#","ended_by":"#);
        text(out, by);
    }
    match more.selection.as_deref() {
        Some(Selection::Slots(names)) => {
            out.extend_from_slice(br#","selection":{"slots":"#);
            list(out, names, |out, name| text(out, name.as_str()));
            out.push(b'}');
        }
        Some(Selection::Tags(tags)) => {
            out.extend_from_slice(br#","selection":{"tags":"#);
            list(out, tags, |out, tag| text(out, tag.as_str()));
            out.push(b'}');
        }
        None => {}
    }
    if let Some(word) = &more.supersede {
        out.extend_from_slice(br#","supersede":"#);
        text(out, word);
    }
    if let Some(by) = more.superseded_by {
        out.extend_from_slice(br#","superseded_by":"#);
        number(out, by);
    }
}

fn option<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        serde_json::to_writer(out, text).expect("a Vec takes every text");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

fn time(out: &mut Vec<u8>, wall: WallMs) {
    out.push(b'"');
    write_rfc3339(out, wall);
    out.push(b'"');
}

fn duration(out: &mut Vec<u8>, duration: Seconds) {
    match duration.as_ms() {
        ms if ms % 1000 == 0 => number(out, ms / 1000),
        _ => serde_json::to_writer(out, &duration).expect("a Vec takes every number"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{sees, view};
    use super::*;
    use lock_api::Released;
    use lock_core::limits::LISTED_SLOTS_MAX;
    use lock_core::{
        EndedAs, Lease, LockName, Moment, More, Part, PartView, QueueLease, SlotName, Tag, TicketId, TicketRecord,
    };
    use proptest::prelude::*;
    use std::sync::Arc;

    fn words() -> impl Strategy<Value = Arc<str>> {
        let texts =
            prop_oneof![Just(String::new()), "[ -~]{0,20}", any::<String>(), Just("\"\\\n\u{7f}\u{1f}ä".to_owned())];
        texts.prop_map(Arc::from)
    }

    fn times() -> impl Strategy<Value = Option<u64>> {
        prop::option::of(prop_oneof![
            0..4_000_000_000_000_u64,
            (0..4_000_000_000_u64).prop_map(|s| s * 1000),
            any::<u64>()
        ])
    }

    fn states() -> impl Strategy<Value = State> {
        let ended = (prop::sample::select(&EndedAs::ALL), prop::option::of(words()));
        prop_oneof![
            any::<bool>().prop_map(|dormant| State::Queued { dormant }),
            Just(State::Granted),
            Just(State::Held),
            ended.prop_map(|(how, reason)| State::Ended { how, at: 1, reason }),
        ]
    }

    fn records() -> impl Strategy<Value = TicketRecord> {
        let numbers =
            (any::<u128>(), any::<u64>(), prop::option::of(any::<u32>()), any::<i8>(), prop::option::of(any::<u64>()));
        let told = (words(), prop::option::of(words()), words());
        let slots = prop_oneof![
            Just(vec![]),
            Just(vec![(0, 0)]),
            Just(vec![(0, 2), (7, 7), (9, LISTED_SLOTS_MAX as u32 + 20)])
        ];
        let names = prop_oneof![Just(vec![]), Just(vec!["a", "port \"b\""])];
        let when = (times(), times(), times(), times());
        let selection = prop::option::of(prop::sample::select(vec![
            Selection::Slots(vec![SlotName::new("a").expect("a name"), SlotName::new("port \"b\"").expect("a name")]),
            Selection::Tags(vec![Tag::new("a100").expect("a tag"), Tag::new("\"").expect("a tag")]),
        ]));
        let by = (prop::option::of(any::<u64>()), prop::option::of(words()));
        let part = |name: &str| Part {
            lock: LockName::new(name).expect("a name"),
            permits: lock_core::Permits::All,
            slots: vec![(1, 3)],
            slot_names: vec![SlotName::new("\"c\"").expect("a name")],
            not_before: None,
        };
        let parts = prop::sample::select(vec![vec![], vec![part("b")], vec![part("b"), part("c \"d\"")]]);
        let more = (prop::option::of(words()), by, prop::option::of(Just(9)), selection, parts).prop_map(
            |(supersede, (superseded_by, ended_by), not_before, selection, parts)| More {
                supersede,
                ended_by,
                superseded_by,
                not_before,
                selection: selection.map(Arc::new),
                parts,
            },
        );
        (numbers, told, slots, names, when, states(), prop::option::of(more)).prop_map(
            |(numbers, (info, owner, from), slots, names, when, state, more)| {
                let (id, number, permits, priority, token) = numbers;
                TicketRecord {
                    id: TicketId(id),
                    number,
                    lock: LockName::new("a \"lock\"").expect("a name"),
                    owner,
                    from,
                    info,
                    permits: permits.map_or(lock_core::Permits::All, lock_core::Permits::Count),
                    priority,
                    seq: 1,
                    request: None,
                    holder: None,
                    lease: Lease::OfLock,
                    queue_lease: QueueLease::Minute,
                    max_hold: None,
                    acknowledged: false,
                    lease_began: 0,
                    state,
                    token,
                    slots,
                    slot_names: names.iter().map(|name| SlotName::new(name).expect("a name")).collect(),
                    hold_until: None,
                    created_at: when.0.unwrap_or(0),
                    granted_at: when.1,
                    held_at: when.2,
                    ended_at: when.3,
                    more: more.map(Box::new),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_ticket_is_written_as_its_type_says(
            ticket in records(),
            (expires_in, overdue_in, ttl) in (times(), times(), times()),
            (ahead, ahead_elsewhere, wall) in (any::<u64>(), prop::option::of(any::<u64>()), times()),
        ) {
            // Of a moment that is still to come: no time passes between the two.
            let moment = Moment { wall: wall.unwrap_or(0), mono: u64::MAX };
            let (activity_seq, claimed) = (1, false);
            let others = ticket.more().parts.iter().map(|part| PartView {
                lock: part.lock.clone(),
                permits: part.permits,
                slots: part.slots.clone(),
                slot_names: part.slot_names.clone(),
                ahead: ahead_elsewhere,
            });
            let others = others.collect();
            let view = TicketView { ticket, ahead, others, expires_in, overdue_in, ttl, activity_seq, claimed, moment };
            let typed = view::ticket(&view, true, sees::ALL);
            let text = |json: Vec<u8>| String::from_utf8(json).expect("JSON is UTF-8");
            prop_assert_eq!(text(super::ticket(&view)), serde_json::to_string(&typed).expect("plain data"));
            let typed = Released { released: true, ticket: Some(typed) };
            prop_assert_eq!(text(released(Some(&view))), serde_json::to_string(&typed).expect("plain data"));
        }
    }

    #[test]
    fn nothing_released() {
        let typed = Released { released: false, ticket: None };
        assert_eq!(released(None), serde_json::to_vec(&typed).expect("plain data"));
    }
}
