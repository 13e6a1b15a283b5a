//! `[fleetlock]`: which lock a group of machines is.

use super::document::Document;
use super::problem::Report;
use super::section::Strict;
use super::value::quote;
use lock_core::LockName;
use std::sync::Arc;

/// A group is the lock of this name and the group, unless the file says otherwise.
const PREFIX_DEFAULT: &str = "fleetlock-";

/// What the name of a group's lock begins with.
pub(super) fn check(document: &Document, report: &mut Report) -> Arc<str> {
    let prefix = document.sections.get(&Strict::Fleetlock).and_then(|(_, options)| options.get("PREFIX"));
    let Some(raw) = prefix else {
        return Arc::from(PREFIX_DEFAULT);
    };
    if raw.text.is_empty() {
        let text = "the value is empty, so FleetLock could hold any lock without a lease; write the beginning of the \
                    names that are for it, or remove the line";
        report.error(&raw.place, text);
    }
    // The shortest group must fit behind it.
    if let Err(error) = LockName::new(&format!("{}x", raw.text)) {
        report.error(&raw.place, format!("{} cannot begin the name of a lock: {error}", quote(&raw.text)));
    }
    Arc::from(raw.text.as_str())
}
