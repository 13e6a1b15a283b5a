//! The codec keeps what it is given, in a form that does not change, and refuses what it does not know.

use super::{decode, encode, key};
use crate::store::contract::{self, Place, records};
use crate::store::{Store, StoreError};
use lock_core::limits::COUNTER_MAX;
use lock_core::{Change, Lease, Permits, Snapshot, State, TicketRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A store that is a map of texts.
#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl Store for Texts {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let changes = self.0.iter().map(|(key, text)| decode(key, text));
        changes.collect::<Result<_, _>>().map_err(|error| StoreError::Damaged(error.to_string()))
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            let key = key(&change.key());
            match encode(change) {
                Some(text) => drop(self.0.insert(key, text)),
                None => drop(self.0.remove(&key)),
            }
        }
        Ok(())
    }
}

struct Nowhere;

impl Place for Nowhere {
    fn open(&mut self) -> Box<dyn Store> {
        Box::new(Texts::default())
    }

    fn reopen(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        store
    }
}

/// Records at their ends, generated ones, and keys that look alike.
#[test]
fn keeps_the_contract_of_a_store() {
    contract::test_all(&|| Box::new(Nowhere));
}

fn put(change: &Change) -> (String, String) {
    (key(&change.key()), encode(change).expect("no deletion"))
}

#[test]
fn every_number_may_be_the_largest() {
    let (most, largest) = (COUNTER_MAX.to_string(), u64::MAX.to_string());
    let mut seen = 0;
    for (key, text) in records::all().iter().map(put) {
        let [key, text] = [key, text].map(|one| one.replace(&most, &largest));
        seen += usize::from(text.contains(&largest));
        let change = decode(&key, &text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(put(&change), (key, text));
    }
    assert!(seen > 20, "{seen}");
}

/// The record of each kind that says most, but for those with thousands of slots.
fn full() -> Vec<(String, String)> {
    let mut kinds: BTreeMap<String, (String, String)> = BTreeMap::new();
    let says = |text: &str| {
        let nothing =
            ["null", "0", "false", "[]", "\"\""].map(|nothing| text.matches(&format!("\":{nothing}")).count());
        text.matches("\":").count() - nothing.iter().sum::<usize>()
    };
    for (key, text) in records::all().iter().map(put).filter(|(_, text)| text.len() < 5000) {
        let kind = key.split('/').next().unwrap_or(&key).to_owned();
        if kinds.get(&kind).is_none_or(|(_, other)| says(&text) > says(other)) {
            kinds.insert(kind, (key, text));
        }
    }
    assert_eq!(kinds.len(), 7);
    kinds.into_values().collect()
}

/// What was written once must be read for ever: a change of these texts needs a way to read the old ones.
#[test]
fn the_form_is_fixed() {
    let ended_by_the_clock = records::all().iter().map(put).find(|(_, text)| text.contains("{\"at_ms\":"));
    let all = TicketRecord { permits: Permits::All, lease: Lease::Never, ..records::plain_ticket(1) };
    let granted = TicketRecord { state: State::Granted, ..records::plain_ticket(2) };
    let held = TicketRecord { state: State::Held, ..records::plain_ticket(3) };
    let others = [all, granted, held].map(|ticket| put(&Change::PutTicket(ticket)));
    let records = full().into_iter().chain(ended_by_the_clock).chain(others);
    let found: Vec<String> = records.map(|(key, text)| format!("{key}\n{text}")).collect();
    assert_eq!(found.join("\n"), include_str!("../../../tests/fixtures/store/records.txt").trim_end());
}

/// Where the objects within a value are.
fn objects(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let within = fields.iter().flat_map(|(name, value)| objects(value, &format!("{at}/{name}")));
            [at.to_owned()].into_iter().chain(within).collect()
        }
        Value::Array(all) => {
            all.iter().enumerate().flat_map(|(place, value)| objects(value, &format!("{at}/{place}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// Each field of each kind of record: its record's key, the object that it is in, its name.
fn for_each_field(mut check: impl FnMut(&str, &Value, &str, &str)) {
    for (key, text) in full() {
        let value: Value = serde_json::from_str(&text).unwrap();
        for object in objects(&value, "") {
            for name in value.pointer(&object).unwrap().as_object().unwrap().keys() {
                check(&key, &value, &object, name);
            }
        }
    }
}

#[test]
fn an_unknown_field_is_refused() {
    for_each_field(|key, value, object, _| {
        let mut value = value.clone();
        value.pointer_mut(object).unwrap()["later"] = json!(null);
        let said = decode(key, &value.to_string()).unwrap_err().to_string();
        assert!(said.contains(key.split('/').next().unwrap()), "{said}");
        // What is one of several is an object of one field.
        let one_of = object.ends_with("capacity") || object.ends_with("/permits") || object.ends_with("/lease");
        assert!(said.contains("later") || one_of || object.ends_with("/until"), "{key} {object}: {said}");
    });
}

#[test]
fn a_field_of_another_type_is_refused_and_named() {
    for_each_field(|key, value, object, name| {
        let mut value = value.clone();
        value.pointer_mut(object).unwrap()[name] = json!([{}, 1.5]);
        let said = decode(key, &value.to_string()).unwrap_err().to_string();
        let named = if object.ends_with("/state") { "field state" } else { name };
        assert!(said.contains(named), "{key} {object} {name}: {said}");
    });
}

#[test]
fn what_may_be_missing_has_a_default() {
    let mut optional = Vec::new();
    for_each_field(|key, value, object, name| {
        let mut value = value.clone();
        value.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(name);
        match decode(key, &value.to_string()) {
            Ok(change) => {
                let text = put(&change).1;
                assert!(text.contains(&format!("\"{name}\":")), "{text}");
                optional.push(format!("{}{object}/{name}", key.split('/').next().unwrap()));
            }
            Err(error) => assert!(error.to_string().contains("missing field") || !object.is_empty(), "{error}"),
        }
    });
    let expected = [
        "locks: from_file outside pause retiring slot_names template from_file/paused from_file/settings/description \
         from_file/settings/max_per_owner from_file/settings/min_hold_ms from_file/settings/pick from_file/settings/tags \
         pause/by pause/until settings/description settings/max_per_owner settings/min_hold_ms settings/pick settings/tags",
        "meta: dormant_to uptime uptime/doubt_at_ms uptime/downtime_ms uptime/monotonic_ms uptime/starts",
        "templates: paused settings/description settings/max_per_owner settings/min_hold_ms settings/pick settings/tags",
        "tickets: acknowledged ended_at_ms granted_at_ms held_at_ms lease_began_uptime_ms more slot_names \
         more/ended_by more/not_before_service_ms more/parts more/selection more/supersede more/superseded_by \
         more/parts/0/not_before_service_ms more/parts/0/slot_names more/parts/0/slots \
         more/parts/1/not_before_service_ms more/parts/1/slot_names more/parts/1/slots request/asked_max_hold_ms request/asked_ttl_ms state/reason",
        "withholdings: awaited awaited_names reason slot_names until_at_ms",
    ];
    let of_kind = |kind: &str| optional.iter().filter_map(|field| field.strip_prefix(kind)).collect::<Vec<_>>();
    let found = ["locks", "meta", "templates", "tickets", "withdrawn", "withheld_names", "withholdings"]
        .map(|kind| format!("{kind}: {}", of_kind(&format!("{kind}/")).join(" ")));
    assert_eq!(
        found.iter().filter(|line| !line.ends_with(": ")).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn what_is_no_record_is_refused_and_no_secret_told() {
    let (key, text) = put(&Change::PutTicket(records::plain_ticket(7)));
    let id = "00000000-0000-0007-0000-000000005eed";
    for (from, to, said) in [
        (r#""slots":[]"#, r#""slots":[[3,1]]"#, "field slots: (3, 1) is not a range of slots"),
        (r#""slots":[]"#, r#""slots":[[0,3],[4,4]]"#, "field slots: (4, 4) is not a range of slots"),
        (id, "00000000-0000-0007-0000-000000005EED", "field id: not a UUID in lower case"),
        (id, "00000000-0000-0008-0000-000000005eed", "its value belongs to another key"),
        (r#""lock":"a""#, r#""lock":"a/b""#, "field lock: not a name of a lock: the name contains '/'"),
        (r#""priority":0"#, r#""priority":128"#, "field priority: invalid value: integer `128`, expected i8"),
        (r#""seq":7"#, r#""seq":7,"number":7"#, "duplicate field `number`"),
        (r#""permits":{"count":1}"#, r#""permits":{"count":1,"all":null}"#, "field permits"),
        (r#""more":null}"#, r#""more":null} {}"#, "trailing characters"),
    ] {
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text, "{from}");
        let error = decode(&key, &wrong).unwrap_err().to_string();
        assert!(error.starts_with("the record tickets/00000000… ") && error.contains(said), "{said}: {error}");
        assert!(!error.to_lowercase().contains("5eed"), "the secret is in {error}");
    }
    for (key, shown) in [
        ("withdrawn/a/null/request", "the record withdrawn/a… "),
        ("tickets/ä", "the record tickets/ä "),
        ("nothing/a", "the record nothing/a "),
        ("", "the record  "),
    ] {
        let error = decode(key, "{}").unwrap_err().to_string();
        assert!(error.starts_with(shown), "{error}");
    }
}
