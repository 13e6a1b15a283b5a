//! The dump as one JSON document. Its shape is described in `docs/backup.md` and tested; what is there stays, what is new
//! is added, and anything else raises [`VERSION`].
//!
//! Records are as the codec of the stores writes them, but for times, which are shown as such, and for fewer levels.

use super::{Dump, OfLock};
use crate::store::codec::{self, Json};
use crate::wall::rfc3339;
use lock_core::{LockName, Meta, TicketRecord, Uptime};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
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
        let Dump { store, schema, at, meta, counts_as_copy, locks, ended: _, templates, withheld_names, withdrawn } =
            dump;
        let Meta { service_ms, last_token, last_number, last_seq, last_revision, uptime, dormant_to: _ } = meta;
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
        map.serialize_entry("doubt_at", &Some(*doubt_at).filter(|at| *at > 0).map(rfc3339))?;
        map.serialize_entry("last_token", last_token)?;
        map.serialize_entry("last_number", last_number)?;
        map.serialize_entry("last_seq", last_seq)?;
        map.serialize_entry("last_revision", last_revision)?;
        map.serialize_entry("locks", &Each(|| locks.iter().map(|(name, of)| lock(name, of, with_ids))))?;
        map.serialize_entry("templates", &Each(|| templates.iter().map(shown)))?;
        map.serialize_entry("withheld_names", &Each(|| withheld_names.iter().map(shown)))?;
        // They are nothing but ids.
        if with_ids {
            map.serialize_entry("withdrawn_requests", &Each(|| withdrawn.iter().map(shown)))?;
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
    let mut value = lock.as_ref().map_or_else(|| json!({ "name": name.as_str() }), shown);
    value["gone"] = json!(lock.is_none());
    value["holders"] = json!(tickets(holders));
    value["queue"] = json!(tickets(queue));
    value["withholdings"] = withheld.iter().map(|one| without(shown(one), &["lock"])).collect();
    value["ended"] = json!(tickets(ended));
    value
}

fn ticket(ticket: &TicketRecord, with_ids: bool) -> Value {
    let secret: &[&str] = if with_ids { &[] } else { &["id", "request"] };
    without(without(shown(ticket), &["lock", "lease_began_uptime_ms"]), secret)
}

fn without(mut record: Value, fields: &[&str]) -> Value {
    if let Value::Object(record) = &mut record {
        record.retain(|name, _| !fields.contains(&&**name));
    }
    record
}

/// A record as it is shown.
fn shown(record: &impl Json) -> Value {
    for_people(codec::to_value(record))
}

/// Times in UTC; and what a record can be only one of, as fields beside the others.
fn for_people(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let mut shown = Map::new();
    for (name, mut value) in fields {
        match &*name {
            "capacity" => {
                let slots = value["slots"].take();
                shown.insert(
                    "size".to_owned(),
                    slots.as_array().map_or_else(|| value["size"].take(), |all| json!(all.len())),
                );
                shown.insert("slots".to_owned(), slots);
            }
            "until" => {
                shown.insert("until_service_ms".to_owned(), value["service_ms"].take());
                shown.insert("until_at".to_owned(), time(&value["at_ms"]));
            }
            "permits" | "lease" => {
                let only = value.as_object_mut().and_then(|fields| fields.values_mut().next()).map(Value::take);
                shown.insert(name, only.unwrap_or(value));
            }
            "parts" => {
                let parts = value.as_array_mut().map(std::mem::take).unwrap_or_default();
                shown.insert(name, parts.into_iter().map(for_people).collect());
            }
            "state" | "scope" | "more" => shown.extend(value.as_object_mut().map(std::mem::take).unwrap_or_default()),
            _ => match name.strip_suffix("_at_ms") {
                Some(what) => drop(shown.insert(format!("{what}_at"), time(&value))),
                None => drop(shown.insert(name, for_people(value))),
            },
        }
    }
    Value::Object(shown)
}

fn time(ms: &Value) -> Value {
    ms.as_u64().map(rfc3339).into()
}
