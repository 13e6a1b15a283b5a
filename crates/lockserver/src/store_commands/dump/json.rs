//! The dump as one JSON document. Its shape is described in `docs/backup.md` and tested; what is there stays, what is new
//! is added, and anything else raises [`VERSION`].
//!
//! Every record is taken apart by name, so that a field that is added to the core is not forgotten here.

use super::{Dump, OfLock};
use crate::wall::rfc3339;
use lock_core::{
    Capacity, FileValues, Lease, LockName, LockRecord, Meta, Pause, Permits, QueueLease, RequestKey, RequestScope,
    Settings, SlotName, State, TemplateRecord, TicketId, TicketRecord, Until, Uptime, WallMs, Withdrawn, WithheldName,
    Withholding,
};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Of the document's shape.
const VERSION: u32 = 2;

pub(super) fn print(out: &mut impl Write, dump: &Dump, with_ids: bool) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::pretty(&mut *out);
    Document { dump, with_ids }.serialize(&mut serializer).map_err(io::Error::from)?;
    writeln!(out)
}

struct Document<'a> {
    dump: &'a Dump,
    with_ids: bool,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { dump, with_ids } = *self;
        let Dump { store, schema, at, meta, counts_as_copy, locks, templates, withheld_names, withdrawn } = dump;
        let Meta { service_ms, last_token, last_number, last_seq, last_revision, uptime } = meta;
        let Uptime { downtime_ms, monotonic_ms: _, starts: _, doubt_at } = uptime;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("lockserver", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("store", store)?;
        map.serialize_entry("schema", schema)?;
        map.serialize_entry("dumped_at", at)?;
        map.serialize_entry("with_ids", &with_ids)?;
        map.serialize_entry("counts_as_copy", counts_as_copy)?;
        map.serialize_entry("service_ms", service_ms)?;
        map.serialize_entry("downtime_ms", downtime_ms)?;
        map.serialize_entry("doubt_at", &time(Some(*doubt_at).filter(|at| *at > 0)))?;
        map.serialize_entry("last_token", last_token)?;
        map.serialize_entry("last_number", last_number)?;
        map.serialize_entry("last_seq", last_seq)?;
        map.serialize_entry("last_revision", last_revision)?;
        map.serialize_entry("locks", &Each(|| locks.iter().map(|(name, of)| lock(name, of, with_ids))))?;
        map.serialize_entry("templates", &Each(|| templates.iter().map(template)))?;
        map.serialize_entry("withheld_names", &Each(|| withheld_names.iter().map(withheld_name)))?;
        // They are nothing but ids.
        if with_ids {
            map.serialize_entry("withdrawn_requests", &Each(|| withdrawn.iter().map(withdrawal)))?;
        } else {
            map.serialize_entry("withdrawn_requests_count", &withdrawn.len())?;
        }
        map.end()
    }
}

/// A list whose elements are made one at a time.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = Value>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

fn lock(name: &LockName, of: &OfLock, with_ids: bool) -> Value {
    let OfLock { lock, holders, queue, withheld, ended } = of;
    let tickets = |tickets: &[TicketRecord]| tickets.iter().map(|one| ticket(one, with_ids)).collect::<Vec<_>>();
    let mut value = match lock {
        Some(lock) => lock_record(lock),
        None => json!({ "name": name.as_str(), "gone": true }),
    };
    value["holders"] = json!(tickets(holders));
    value["queue"] = json!(tickets(queue));
    value["withholdings"] = json!(withheld.iter().map(withholding).collect::<Vec<_>>());
    value["ended"] = json!(tickets(ended));
    value
}

fn lock_record(lock: &LockRecord) -> Value {
    let LockRecord { name, settings, file, template, retiring, pause, slot_names, revision } = lock;
    let slot_names: Vec<Value> =
        slot_names.iter().map(|(slot, name)| json!({ "slot": slot, "name": name.as_str() })).collect();
    json!({
        "name": name.as_str(),
        "gone": false,
        "settings": self::settings(settings),
        "from_file": file.as_ref().map(|FileValues { settings, paused }| {
            json!({ "settings": self::settings(settings), "paused": paused })
        }),
        "template": template.as_ref().map(lock_core::Prefix::pattern),
        "retiring": retiring,
        "pause": pause.as_ref().map(|Pause { reason, until }| pause_json(reason, *until)),
        "slot_names": slot_names,
        "revision": revision,
    })
}

fn pause_json(reason: &str, until: Option<Until>) -> Value {
    let (service, wall) = match until {
        Some(Until::Service(until)) => (Some(until), None),
        Some(Until::Wall(until)) => (None, Some(until)),
        None => (None, None),
    };
    json!({ "reason": reason, "until_service_ms": service, "until_at": time(wall) })
}

fn settings(settings: &Settings) -> Value {
    let Settings { capacity, grace, expiration, max_lock, max_hold, max_ttl, lock_delay, max_queue, description } =
        settings;
    let names = match capacity {
        Capacity::Size(_) => None,
        Capacity::Named(names) => Some(texts(names)),
    };
    json!({
        "size": capacity.size(),
        "slots": names,
        "grace_ms": grace,
        "expiration_ms": expiration,
        "max_lock_ms": max_lock,
        "max_hold_ms": max_hold,
        "max_ttl_ms": max_ttl,
        "lock_delay_ms": lock_delay,
        "max_queue": max_queue,
        "description": &**description,
    })
}

fn template(template: &TemplateRecord) -> Value {
    let TemplateRecord { prefix, settings, paused } = template;
    json!({ "name": prefix.pattern(), "settings": self::settings(settings), "paused": paused })
}

fn ticket(ticket: &TicketRecord, with_ids: bool) -> Value {
    let TicketRecord {
        id,
        number,
        lock: _,
        owner,
        from,
        info,
        permits,
        priority,
        seq,
        request,
        holder,
        lease,
        queue_lease,
        max_hold,
        acknowledged,
        lease_began: _,
        state,
        token,
        slots,
        slot_names,
        hold_until,
        created_at,
        granted_at,
        held_at,
        ended_at,
    } = ticket;
    let mut value = json!({
        "number": number,
        "owner": owner.as_deref(),
        "from": &**from,
        "info": &**info,
        "permits": match permits {
            Permits::Count(count) => json!(count),
            Permits::All => json!("all"),
        },
        "priority": priority,
        "seq": seq,
        "holder": holder.as_deref(),
        "lease": match lease {
            Lease::OfLock => json!("of_lock"),
            Lease::Given(ms) => json!(ms),
            Lease::Never => json!("never"),
        },
        "queue_lease": match queue_lease {
            QueueLease::Minute => "minute",
            QueueLease::Expiration => "expiration",
        },
        "max_hold_ms": max_hold,
        "acknowledged": acknowledged,
        "token": token,
        "slots": slots,
        "slot_names": texts(slot_names),
        "hold_until_service_ms": hold_until,
        "created_at": rfc3339(*created_at),
        "granted_at": time(*granted_at),
        "held_at": time(*held_at),
        "ended_at": time(*ended_at),
    });
    value["state"] = json!(match state {
        State::Queued { .. } => "queued",
        State::Granted => "granted",
        State::Held => "held",
        State::Ended { .. } => "ended",
    });
    if let State::Queued { dormant } = state {
        value["dormant"] = json!(dormant);
    }
    if let State::Ended { how, at, reason } = state {
        value["ended_as"] = json!(how.as_str());
        value["ended_service_ms"] = json!(at);
        value["reason"] = json!(reason.as_deref());
    }
    if with_ids {
        value["id"] = json!(ticket_id(*id));
        value["request"] = json!(request.as_ref().map(|RequestKey { id, asked_ttl, asked_max_hold }| {
            json!({ "id": &**id, "asked_ttl_ms": asked_ttl, "asked_max_hold_ms": asked_max_hold })
        }));
    }
    value
}

/// As the client knows it.
pub(super) fn ticket_id(id: TicketId) -> String {
    uuid::Uuid::from_u128(id.0).to_string()
}

fn withholding(withholding: &Withholding) -> Value {
    let Withholding { number, lock: _, slots, slot_names, all, cause, how, reason, until } = withholding;
    json!({
        "number": number,
        "slots": slots,
        "slot_names": texts(slot_names),
        "all_permits": all,
        "cause": cause.as_str(),
        "ended_as": how.as_str(),
        "reason": reason.as_deref(),
        "until_service_ms": until,
    })
}

fn withheld_name(withheld: &WithheldName) -> Value {
    let WithheldName { name, until } = withheld;
    json!({ "name": name.as_str(), "until_service_ms": until })
}

fn withdrawal(withdrawn: &Withdrawn) -> Value {
    let Withdrawn { scope: RequestScope { lock, owner, id }, until } = withdrawn;
    json!({ "lock": lock.as_str(), "owner": owner.as_deref(), "id": &**id, "until_service_ms": until })
}

fn texts(names: &[SlotName]) -> Vec<&str> {
    names.iter().map(SlotName::as_str).collect()
}

fn time(wall: Option<WallMs>) -> Option<String> {
    wall.map(rfc3339)
}
