//! The same description as OpenAPI 3.0, for generators of clients that read no 3.1: rewritten, not written a second time.
//!
//! What 3.0 cannot say is said more loosely, never otherwise. A schema that admits `null` is `nullable`. Of a union only its whole
//! number is left where a client writes it, for `exclusive` says the other thing; where a client reads it, it is any value. A field that
//! a client writes has no default, by which generators would take it for one that must be there.

use serde_json::{Map, Value, json};

/// Rewrites a description of OpenAPI 3.1.
pub(super) fn rewritten(mut document: Value) -> Value {
    document["openapi"] = "3.0.3".into();
    inline_unions(&mut document);
    let written = written_by_clients(&document);
    if let Some(license) = document.pointer_mut("/info/license").and_then(Value::as_object_mut) {
        license.remove("identifier");
    }
    for (name, one) in document.pointer_mut("/components/schemas").and_then(Value::as_object_mut).into_iter().flatten()
    {
        schema(one, written.contains(name));
    }
    for call in calls(&mut document) {
        for parameter in call.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            parameter.get_mut("schema").into_iter().for_each(|one| schema(one, true));
        }
        call.get_mut("requestBody").into_iter().flat_map(contents).for_each(|one| schema(one, true));
        let responses = call.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
        for response in responses {
            for header in
                response.get_mut("headers").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
            {
                header.get_mut("schema").into_iter().for_each(|one| schema(one, false));
            }
            contents(response).for_each(|one| schema(one, false));
        }
    }
    document
}

/// Puts the unions in the places that refer to them: there it is known whether a client writes or reads it.
fn inline_unions(document: &mut Value) {
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else { return };
    let names: Vec<String> = schemas.iter().filter(|(_, one)| is_union(one)).map(|(name, _)| name.clone()).collect();
    let unions: Vec<(String, Value)> = names
        .into_iter()
        .filter_map(|name| schemas.remove(&name).map(|one| (format!("#/components/schemas/{name}"), one)))
        .collect();
    replace_references(document, &unions);
}

/// Whether a schema has several forms, and nothing that they have in common.
fn is_union(schema: &Value) -> bool {
    let forms =
        schema["oneOf"].as_array().map_or(0, |forms| forms.iter().filter(|form| form["type"] != "null").count());
    forms > 1 && schema.get("properties").is_none()
}

fn replace_references(part: &mut Value, unions: &[(String, Value)]) {
    if let Value::Object(fields) = part {
        let named = fields.get("$ref").and_then(Value::as_str);
        if let Some((_, union)) = unions.iter().find(|(path, _)| named == Some(path.as_str())) {
            fields.remove("$ref");
            merge(fields, union.clone());
        }
        fields.values_mut().for_each(|one| replace_references(one, unions));
    } else if let Value::Array(parts) = part {
        parts.iter_mut().for_each(|one| replace_references(one, unions));
    }
}

/// Every call of every path.
fn calls(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}

/// The schemas of a body's contents.
fn contents(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    let all = body.get_mut("content").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    all.filter_map(|content| content.get_mut("schema"))
}

/// Names of the schemas that bodies of requests are made of.
fn written_by_clients(document: &Value) -> Vec<String> {
    let bodies = document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> =
        bodies.flat_map(Map::values).flat_map(|call| references(&call["requestBody"])).collect();
    while let Some(name) = open.pop() {
        if !found.contains(&name) {
            open.extend(references(&document["components"]["schemas"][&name]));
            found.push(name);
        }
    }
    found
}

/// Names of the schemas that a part of the description refers to.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Rewrites a schema and all within. `written`: a client writes it.
fn schema(one: &mut Value, written: bool) {
    let Some(fields) = one.as_object_mut() else { return };
    let mut nullable = false;
    if let Some(Value::Array(types)) = fields.get("type") {
        nullable = types.iter().any(|one| one == "null");
        let mut others = types.iter().filter(|one| *one != "null").cloned();
        match (others.next(), others.next()) {
            (Some(only), None) => drop(fields.insert("type".to_owned(), only)),
            // Several, or nothing but null: any value.
            _ => drop(fields.remove("type")),
        }
    }
    for union in ["oneOf", "anyOf"] {
        let Some(Value::Array(mut choices)) = fields.remove(union) else { continue };
        let all = choices.len();
        choices.retain(|choice| choice["type"] != "null");
        nullable |= choices.len() < all;
        // `null` or a union of its own, which stood elsewhere before.
        let within = choices.iter_mut().find_map(|choice| choice.as_object_mut()?.remove(union));
        if let Some(Value::Array(inner)) = within {
            choices = inner;
        }
        if let Some(choice) = only_choice(choices, written) {
            merge(fields, choice);
        }
    }
    if let Some(constant) = fields.remove("const") {
        fields.insert("enum".to_owned(), json!([constant]));
    }
    if let Some(Value::Array(examples)) = fields.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        fields.insert("example".to_owned(), first);
    }
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(value) = fields.get(exclusive).filter(|value| value.is_number()).cloned() {
            fields.insert(bound.to_owned(), value);
            fields.insert(exclusive.to_owned(), true.into());
        }
    }
    fields.remove("propertyNames");
    // Generators take a field with a default for one that is always there. So is what a client reads, and not what it writes.
    if written {
        fields.remove("default");
    }
    // In 3.0 nothing may stand beside a reference.
    if fields.len() > usize::from(!nullable)
        && let Some(reference) = fields.remove("$ref")
    {
        fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
    if nullable {
        fields.insert("nullable".to_owned(), true.into());
    }
    for name in ["items", "additionalProperties", "not"] {
        fields.get_mut(name).into_iter().for_each(|one| schema(one, written));
    }
    fields.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten().for_each(|one| schema(one, written));
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(|one| schema(one, written));
}

/// What is left of a union: its only choice, or where a client writes it its numbers.
fn only_choice(mut choices: Vec<Value>, written: bool) -> Option<Value> {
    if choices.len() > 1 && written {
        choices.retain(|choice| choice["type"] == "integer");
    }
    if choices.len() == 1 { choices.pop() } else { None }
}

/// Adds what a choice says to what stood beside the union, which comes first.
fn merge(fields: &mut Map<String, Value>, choice: Value) {
    for (name, value) in choice.as_object().cloned().into_iter().flatten() {
        fields.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(mut value: Value, written: bool) -> Value {
        schema(&mut value, written);
        value
    }

    #[test]
    fn what_3_0_says_in_another_way() {
        for (new, old) in [
            (json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true})),
            (
                json!({"type": "array", "items": {"type": ["number", "null"]}}),
                json!({"type": "array", "items": {"type": "number", "nullable": true}}),
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/a"}]}),
                json!({"allOf": [{"$ref": "#/a"}], "nullable": true}),
            ),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/a", "description": "x"}]}),
                json!({"allOf": [{"$ref": "#/a"}], "nullable": true, "description": "x"}),
            ),
            (json!({"$ref": "#/a"}), json!({"$ref": "#/a"})),
            (json!({"$ref": "#/a", "description": "x"}), json!({"allOf": [{"$ref": "#/a"}], "description": "x"})),
            (json!({"const": "all"}), json!({"enum": ["all"]})),
            (json!({"type": ["integer", "null"], "default": null}), json!({"type": "integer", "nullable": true})),
            (
                json!({"type": "integer", "exclusiveMinimum": 0}),
                json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true}),
            ),
            (
                json!({"properties": {"examples": {"type": ["string", "null"]}}}),
                json!({"properties": {"examples": {"type": "string", "nullable": true}}}),
            ),
        ] {
            assert_eq!(one(new, true), old);
        }
    }

    #[test]
    fn a_union_that_both_write_and_read_is_known_by_its_place() {
        let by_name = json!({"$ref": "#/components/schemas/Many"});
        let new = json!({
            "components": {"schemas": {
                "Many": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
                "Asked": {"type": "object", "properties": {"many": by_name}},
                "Told": {"type": "object", "properties": {"many": by_name}},
            }},
            "paths": {"/": {"post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Asked"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Told"}}}}},
            }}},
        });
        let old = rewritten(new);
        assert_eq!(old["components"]["schemas"]["Asked"]["properties"]["many"], json!({"type": "integer"}));
        assert_eq!(old["components"]["schemas"]["Told"]["properties"]["many"], json!({}));
        assert!(old["components"]["schemas"].get("Many").is_none());
    }

    #[test]
    fn a_union_is_a_number_where_it_is_written_and_anything_where_it_is_read() {
        let union = json!({"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "enum": ["all"]}], "description": "x"});
        assert_eq!(one(union.clone(), true), json!({"type": "integer", "minimum": 1, "description": "x"}));
        assert_eq!(one(union.clone(), false), json!({"description": "x"}));
        let nullable = json!({"oneOf": [{"type": "null"}, union]});
        assert_eq!(one(nullable.clone(), true), json!({"type": "integer", "minimum": 1, "nullable": true}));
        assert_eq!(one(nullable, false), json!({"nullable": true}));
    }
}
