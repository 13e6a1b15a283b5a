//! The description as generators of clients want it: defaults of requests as words, for what has a `default` they take for
//! required; and formats of what is text.

use super::openapi::{Call, describe};
use serde_json::{Value, json};

/// The whole description as JSON.
pub(super) fn document(calls: Vec<Call>) -> Value {
    let mut document = serde_json::to_value(describe(calls)).expect("a description is plain data");
    // Where it was fetched from.
    document["servers"] = json!([{"url": "/"}]);
    let schemas = document["components"]["schemas"].as_object_mut().into_iter().flatten();
    for (_, schema) in schemas {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten();
        for (name, property) in properties {
            tell_default(property);
            tell_format(name, property);
        }
    }
    document
}

fn tell_default(property: &mut Value) {
    let Some(default) = property.as_object_mut().and_then(|property| property.remove("default")) else { return };
    // Nothing is what an optional field is without it anyway.
    if default.is_null() {
        return;
    }
    let about = property["description"].as_str().unwrap_or_default();
    property["description"] = format!("{about} Default: `{default}`.").trim_start().into();
}

fn tell_format(name: &str, property: &mut Value) {
    let kind = &property["type"];
    let is_text = *kind == "string" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"));
    if !is_text {
        return;
    }
    if name.ends_with("_at") || matches!(name, "at" | "since" | "waiting_since" | "holding_since") {
        property["format"] = "date-time".into();
    } else if name == "id" {
        property["format"] = "uuid".into();
    }
}
