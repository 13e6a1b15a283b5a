//! Introspection and multicall, as most XML-RPC servers have them (<http://xmlrpc-c.sourceforge.net/introspection.html>).

use super::codec::{MethodCall, Value};
use super::{Call, Fault, Refused};

/// Calls of one multicall, at most.
const MULTICALL_MAX: usize = 1000;

/// Name, signature (result first) and help of each method.
const METHODS: [(&str, &[&str], &str); 7] = [
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
    (
        "system.multicall",
        &["array", "array"],
        "Several calls in one: an array of {methodName, params}; gives an array of results, each in an array of one, or a \
         fault. Nothing waits in it.",
    ),
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

impl Call<'_> {
    /// Each call in turn; a fault of one does not keep the others from being made.
    pub(super) async fn multicall(&mut self, calls: Value) -> Result<Value, Refused> {
        let Value::Array(calls) = calls else {
            return Err(Fault("system.multicall takes an array of calls".to_owned()).into());
        };
        if calls.len() > MULTICALL_MAX {
            return Err(Fault(format!("a multicall makes at most {MULTICALL_MAX} calls")).into());
        }
        self.in_multicall = true;
        let mut results = Vec::with_capacity(calls.len());
        for (place, call) in calls.into_iter().enumerate() {
            self.place = place;
            let result = match method_call(call) {
                // Boxed because dispatch comes back here; once, as a multicall in a multicall is refused.
                Ok(call) => Box::pin(self.dispatch(call)).await,
                Err(fault) => Err(fault.into()),
            };
            if let Err(Refused::Denied(denied)) = &result {
                self.refused.get_or_insert_with(|| denied.text.clone());
            }
            results.push(match result {
                Ok(value) => Value::Array(vec![value]),
                Err(why) => Value::Struct(vec![
                    ("faultCode".to_owned(), Value::Int(1)),
                    ("faultString".to_owned(), Value::String(why.text())),
                ]),
            });
        }
        Ok(Value::Array(results))
    }
}

fn method_call(call: Value) -> Result<MethodCall, Fault> {
    let wrong = || Fault("a call in a multicall is a struct of methodName and params".to_owned());
    let Value::Struct(members) = call else { return Err(wrong()) };
    let (mut method, mut params) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("methodName", Value::String(name)) => method = Some(name),
            ("params", Value::Array(values)) => params = Some(values),
            _ => return Err(wrong()),
        }
    }
    Ok(MethodCall { method: method.ok_or_else(wrong)?, params: params.unwrap_or_default() })
}
