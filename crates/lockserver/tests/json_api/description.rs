//! `/openapi.json` and the router say the same, and every call has its examples.

use super::harness::Server;
use lockserver::http::{Need, Protocol, entries};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn it_describes_what_is_routed() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 12, "all paths: {:?}", paths.keys().collect::<Vec<_>>());
    for (path, item) in paths {
        let filled = path.replace("{lock}", "one").replace("{number}", "1").replace("{id}", "x");
        let allow = server.call("FOO", &filled, &[], "").await;
        assert_eq!(allow.status, 405, "{path}");
        let routed: BTreeSet<String> =
            allow.header("allow").unwrap().split(',').filter(|one| *one != "HEAD").map(str::to_lowercase).collect();
        let described: BTreeSet<String> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, routed, "{path}");
    }
}

#[tokio::test]
async fn it_leaves_nothing_out() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.ok();
    for entry in entries() {
        // The page, XML-RPC and the protocols of others are described elsewhere. What servers say among themselves is nobody's business.
        let among_servers = entry.path == "/cluster/standby";
        let public = entry.need == Need::Nothing && entry.protocol != Protocol::Page && !among_servers;
        let api = entry.protocol == Protocol::Json || public || entry.path == "/metrics";
        let method = entry.method.map_or_else(String::new, |method| method.as_str().to_lowercase());
        let described = document["paths"][entry.path][&method].is_object();
        assert_eq!(described, api, "{method} {}", entry.path);
    }
}

#[tokio::test]
async fn generators_of_clients_take_nothing_for_required_that_is_not() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.ok();
    assert_eq!(document["servers"], serde_json::json!([{"url": "/"}]));
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (property, about) in schema["properties"].as_object().into_iter().flatten() {
            assert!(about.get("default").is_none(), "{name}.{property}");
        }
    }
    let wait = &schemas["Acquire"]["properties"]["wait_s"];
    assert!(wait["description"].as_str().unwrap().ends_with(" Default: `0`."), "{wait}");
    let ticket = &schemas["Ticket"]["properties"];
    for (property, format) in [("created_at", "date-time"), ("expires_at", "date-time"), ("id", "uuid")] {
        assert_eq!(ticket[property]["format"], format, "{property}");
    }
}

#[tokio::test]
async fn generators_of_clients_learn_how_large_a_number_may_be_and_what_may_be_repeated() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.ok();
    let calls = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let parameters: Vec<&Value> = calls.flat_map(|call| call["parameters"].as_array().into_iter().flatten()).collect();
    let of =
        |name: &str| parameters.iter().filter(|one| one["name"] == name).map(|one| &one["schema"]).collect::<Vec<_>>();
    for name in ["token", "number", "keep_s"] {
        assert!(!of(name).is_empty() && of(name).iter().all(|schema| schema["format"] == "int64"), "{name}");
    }
    let request = &document["paths"]["/v1/tickets"]["delete"]["parameters"];
    let locks = request.as_array().unwrap().iter().find(|one| one["name"] == "lock").unwrap();
    assert_eq!((&locks["schema"]["type"], &locks["schema"]["items"]["type"]), (&"array".into(), &"string".into()));
}

#[tokio::test]
async fn every_call_has_examples_that_fit_its_types() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.ok();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                assert!(!parameter["example"].is_null(), "{place}: {}", parameter["name"]);
            }
            let contents = call["responses"].as_object().unwrap().values().chain([&call["requestBody"]]);
            for content in contents.filter_map(|one| one["content"].as_object()).flat_map(|content| content.values()) {
                check_example(&place, content);
            }
            assert!(call["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')), "{place}");
            for status in ["400", "401", "403", "500", "503"] {
                let described = call["responses"][status].is_object();
                assert!(described || !path.starts_with("/v1/"), "{place} has no {status}");
            }
        }
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

#[tokio::test]
async fn the_old_version_describes_the_same_calls_without_what_it_does_not_know() {
    let server = Server::start().await;
    let (new, old) = (server.get("/openapi.json").await.ok(), server.get("/openapi-3.0.json").await.ok());
    assert_eq!(old["openapi"], "3.0.3");
    let names = |document: &Value| -> Vec<(String, Vec<String>)> {
        let paths = document["paths"].as_object().unwrap();
        paths.iter().map(|(path, item)| (path.clone(), item.as_object().unwrap().keys().cloned().collect())).collect()
    };
    assert_eq!(names(&old), names(&new));
    let mut schemas = Vec::new();
    collect_schemas(&old, &mut schemas);
    assert!(schemas.len() > 100, "{} schemas", schemas.len());
    for schema in &schemas {
        for unknown in ["oneOf", "anyOf", "const", "examples", "propertyNames"] {
            assert!(schema.get(unknown).is_none(), "{unknown}: {schema}");
        }
        assert!(schema.get("type").is_none_or(Value::is_string), "{schema}");
        assert!(schema["type"] != "null", "{schema}");
        assert!(schema.get("$ref").is_none() || schema.as_object().unwrap().len() == 1, "{schema}");
    }
    let of = |schema: &str, field: &str| old["components"]["schemas"][schema]["properties"][field].clone();
    assert_eq!(of("Acquire", "exclusive")["type"], "boolean");
    assert!(schemas.iter().any(|schema| schema["nullable"] == true));
    let text = old.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(old["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

/// Every schema of a description, and those within.
fn collect_schemas(part: &Value, found: &mut Vec<Value>) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                let many = matches!(name.as_str(), "schemas" | "properties");
                match (name.as_str(), value) {
                    ("example" | "examples", _) => continue,
                    (_, Value::Object(inner)) if many => found.extend(inner.values().cloned()),
                    ("schema" | "items", value) => found.push(value.clone()),
                    ("additionalProperties", value) if value.is_object() => found.push(value.clone()),
                    ("allOf", Value::Array(all)) => found.extend(all.iter().cloned()),
                    _ => {}
                }
                collect_schemas(value, found);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect_schemas(part, found)),
        _ => {}
    }
}

/// The example of a content can be read as the type that is named.
fn check_example(place: &str, content: &Value) {
    let example = content["example"].clone();
    assert!(!example.is_null(), "{place}");
    let Some(name) = content["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else { return };
    let result = match name {
        "Acquire" => serde_json::from_value::<lock_api::Acquire>(example).map(drop),
        "Renew" => serde_json::from_value::<lock_api::Renew>(example).map(drop),
        "LockSettings" => serde_json::from_value::<lock_api::LockSettings>(example).map(drop),
        "LockPatch" => serde_json::from_value::<lock_api::LockPatch>(example).map(drop),
        "Ticket" => serde_json::from_value::<lock_api::Ticket>(example).map(drop),
        "Tickets" => serde_json::from_value::<lock_api::Tickets>(example).map(drop),
        "Released" => serde_json::from_value::<lock_api::Released>(example).map(drop),
        "Lock" => serde_json::from_value::<lock_api::Lock>(example).map(drop),
        "Locks" => serde_json::from_value::<lock_api::Locks>(example).map(drop),
        "History" => serde_json::from_value::<lock_api::History>(example).map(drop),
        "Status" => serde_json::from_value::<lock_api::Status>(example).map(drop),
        "Reloaded" => serde_json::from_value::<lock_api::Reloaded>(example).map(drop),
        "Withhold" => serde_json::from_value::<lock_api::Withhold>(example).map(drop),
        "Report" => serde_json::from_value::<lock_api::Report>(example).map(drop),
        "Outside" => serde_json::from_value::<lock_api::Outside>(example).map(drop),
        "Problem" => serde_json::from_value::<lock_api::Problem>(example).map(drop),
        other => panic!("{place}: {other} is not checked here"),
    };
    result.unwrap_or_else(|error| panic!("{place}: {name}: {error}"));
}
