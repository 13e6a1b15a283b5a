//! Records as JSON text: what a store that is a map keeps, one value under one key for each record, and what
//! `lockserver store dump` shows.
//!
//! `scalar` has what is one text in every store, SQLite's included; `mirrors` has the records, and `json` lets serde see them.
//! Nothing is guessed: an unknown field is refused, as is a value that its key does not belong to. The same record is always
//! the same text.

mod json;
mod mirrors;
mod scalar;
#[cfg(test)]
mod tests;

pub(crate) use json::Json;
pub(crate) use scalar::{Scalar, may_follow};

use json::{Read, Written};
use lock_core::{Change, Key, RequestScope};
use serde_json::Value;

/// Why a value is not the record that its key stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record {record} cannot be read by this version of lockserver: {problem}")]
pub struct DecodeError {
    /// Its key, without what is secret of it.
    record: String,
    /// What is wrong, and with which field.
    problem: String,
}

/// The text that a record is kept under; no two records have the same one.
#[must_use]
pub fn key(key: &Key) -> String {
    match key {
        Key::Meta => "meta".to_owned(),
        Key::Lock(name) => format!("locks/{name}"),
        Key::Template(prefix) => format!("templates/{}", prefix.pattern()),
        Key::Ticket(_, id) => format!("tickets/{}", id.to_text()),
        Key::Withholding(number) => format!("withholdings/{number}"),
        Key::WithheldName(name) => format!("withheld_names/{name}"),
        // No lock's name contains a slash, and JSON tells where the owner ends.
        Key::Withdrawn(RequestScope { lock, others, owner, id }) => {
            // Nor does it contain an asterisk.
            let others: String = others.iter().map(|other| format!("*{other}")).collect();
            format!("withdrawn/{lock}{others}/{}/{id}", Value::from(owner.as_deref()))
        }
    }
}

/// The text that a change leaves under its key; `None` if it deletes the record.
#[must_use]
pub fn encode(change: &Change) -> Option<String> {
    match change {
        Change::Meta(meta) => Some(write(meta)),
        Change::PutLock(lock) => Some(write(lock)),
        Change::PutTemplate(template) => Some(write(template)),
        Change::PutTicket(ticket) => Some(write(ticket)),
        Change::PutWithholding(withholding) => Some(write(withholding)),
        Change::PutWithheldName(withheld) => Some(write(withheld)),
        Change::PutWithdrawn(withdrawn) => Some(write(withdrawn)),
        Change::DeleteLock(_)
        | Change::DeleteTemplate(_)
        | Change::DeleteTicket { .. }
        | Change::DeleteWithholding(_)
        | Change::DeleteWithheldName(_)
        | Change::DeleteWithdrawn(_) => None,
    }
}

/// The record under a key, as the change that puts it there.
///
/// # Errors
/// Which record it is, which field is wrong, and how. What is secret of a key is left out.
pub fn decode(key: &str, text: &str) -> Result<Change, DecodeError> {
    let wrong = |problem| DecodeError { record: without_secret(key), problem };
    let change = match key.split_once('/').map_or(key, |(kind, _)| kind) {
        "meta" => read(text).map(Change::Meta),
        "locks" => read(text).map(Change::PutLock),
        "templates" => read(text).map(Change::PutTemplate),
        "tickets" => read(text).map(Change::PutTicket),
        "withholdings" => read(text).map(Change::PutWithholding),
        "withheld_names" => read(text).map(Change::PutWithheldName),
        "withdrawn" => read(text).map(Change::PutWithdrawn),
        _ => Err("no record has such a key".to_owned()),
    };
    let change = change.map_err(wrong)?;
    if self::key(&change.key()) != key {
        return Err(wrong("its value belongs to another key".to_owned()));
    }
    Ok(change)
}

/// A record as a value, its fields in the order of the alphabet.
pub(crate) fn to_value(record: &impl Json) -> Value {
    serde_json::to_value(Written(record)).expect("a record is JSON")
}

/// Part of a record as text.
pub(crate) fn to_text(part: &impl Json) -> String {
    write(part)
}

/// The part of a record that is this text, or what is wrong with it.
pub(crate) fn from_text<T: Json>(text: &str) -> Result<T, String> {
    read(text)
}

fn write(record: &impl Json) -> String {
    serde_json::to_string(&Written(record)).expect("a record is JSON")
}

fn read<T: Json>(text: &str) -> Result<T, String> {
    let mut from = serde_json::Deserializer::from_str(text);
    let Read(record) =
        serde_path_to_error::deserialize(&mut from).map_err(|error| match error.path().iter().len() {
            0 => error.inner().to_string(),
            _ => format!("field {}: {}", error.path(), error.inner()),
        })?;
    from.end().map_err(|error| error.to_string())?;
    Ok(record)
}

/// Who knows a ticket's id or a request id may end the ticket.
fn without_secret(key: &str) -> String {
    let shown = match key.split_once('/') {
        // As many digits as logs show.
        Some(("tickets", _)) => key.char_indices().nth("tickets/".len() + 8).map(|(end, _)| end),
        Some((kind @ "withdrawn", rest)) => rest.find('/').map(|lock| kind.len() + 1 + lock),
        _ => None,
    };
    shown.map_or_else(|| key.to_owned(), |end| format!("{}…", &key[..end]))
}
