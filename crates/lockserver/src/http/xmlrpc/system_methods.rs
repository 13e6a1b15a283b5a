//! Introspection, as most XML-RPC servers have them (<http://xmlrpc-c.sourceforge.net/introspection.html>).

use super::Fault;
use super::codec::Value;

/// Name, signature (result first) and help of each method.
const METHODS: [(&str, &[&str], &str); 6] = [
    (
        "get_lock",
        &["array", "string", "string"],
        "get_lock(lock, id): [true, true] if the ticket has its permit, which claims or renews it; [true, false] if it is \
         still queued after a while, or is no ticket any more.",
    ),
    (
        "query_lock",
        &["array", "string", "string"],
        "query_lock(lock, info=''): [true, id] of a new ticket at the end of the queue; [false, why] if there is none.",
    ),
    (
        "release_lock",
        &["array", "string", "string"],
        "release_lock(lock, id): [true, true] if the ticket had a permit, which is free now; [true, false] otherwise.",
    ),
    ("system.listMethods", &["array"], "The names of all methods."),
    ("system.methodHelp", &["string", "string"], "What a method does."),
    ("system.methodSignature", &["array", "string"], "The types that a method returns and takes."),
];

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

pub(super) fn list() -> Value {
    Value::Array(METHODS.iter().map(|(name, ..)| text(name)).collect())
}

fn find(name: &Value) -> Result<&'static (&'static str, &'static [&'static str], &'static str), Fault> {
    let wanted = name.to_text();
    let unknown = || Fault(format!("there is no method \"{wanted}\"; system.listMethods lists those that are"));
    METHODS.iter().find(|(name, ..)| *name == wanted).ok_or_else(unknown)
}

pub(super) fn help(name: &Value) -> Result<Value, Fault> {
    find(name).map(|(_, _, help)| text(help))
}

pub(super) fn signature(name: &Value) -> Result<Value, Fault> {
    find(name).map(|(_, types, _)| Value::Array(vec![Value::Array(types.iter().map(|kind| text(kind)).collect())]))
}
