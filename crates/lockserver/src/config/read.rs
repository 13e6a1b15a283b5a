//! `[general]` and the lock sections of a document, read by their tables of settings.

use super::default_lock::DefaultLock;
use super::document::Document;
use super::general::{Draft, GENERAL, SERVER_DEFAULT};
use super::lock::{LOCK, size};
use super::problem::{Place, Report};
use super::section::Options;
use super::setting::Value;
use lock_core::limits::LOCKS_MAX;
use lock_core::{Capacity, Definition, Settings, Target};
use std::collections::BTreeMap;

/// Everything of `[general]` that is in the document; the environment and the flags have been added to it.
pub(super) fn general(document: &Document, report: &mut Report) -> Draft {
    if document.has_general && !document.general.contains_key("server") && !document.defaults.contains_key("server") {
        let text = format!(
            "SERVER is not set: listening on {SERVER_DEFAULT} only, which no other machine reaches; write SERVER=0.0.0.0 for \
             all addresses"
        );
        report.warn(&Place::elsewhere(""), text);
    }
    let mut draft = Draft::default();
    // What is wrong with the store is said before the rest.
    let (store, others): (Vec<_>, Vec<_>) = GENERAL.iter().partition(|setting| setting.name == "STORE");
    for setting in store.into_iter().chain(others) {
        let found = document.text(setting, report);
        let (text, place) = found.unwrap_or_else(|| (setting.default.to_owned(), Place::elsewhere(setting.name)));
        (setting.read)(&mut draft, &mut Value { text: &text, place: &place, report });
    }
    draft
}

/// One checked definition for each lock and template, sorted by target.
pub(super) fn locks(default_lock: DefaultLock, document: &Document, report: &mut Report) -> Vec<Definition> {
    let DefaultLock { name, settings: its_settings, paused: paused_at } = default_lock;
    let (default_target, nothing) = (name.map(Target::Lock), Options::new());
    let mut sections: BTreeMap<&Target, &Options> = document.locks().collect();
    if let Some(target) = &default_target {
        sections.entry(target).or_insert(&nothing);
    }
    if sections.len() > LOCKS_MAX {
        let text = format!("{} locks are too many; a server has at most {LOCKS_MAX}", sections.len());
        report.error(&Place::elsewhere(""), text);
    }
    let mut definitions = Vec::new();
    for (target, options) in sections {
        let (mut settings, mut paused) = (Settings::new(1), false);
        if default_target.as_ref() == Some(target) {
            settings = its_settings.clone();
            // A size in the section replaces the 0 that would have paused the lock.
            let sized = options.contains_key("SIZE") || options.contains_key("SLOTS");
            if let Some(place) = paused_at.as_ref().filter(|_| !sized) {
                let text = "0: the lock has size 1 and starts paused, so it grants nothing until it is resumed";
                report.warn(place, text);
                paused = true;
            }
        }
        for setting in &LOCK {
            if let Some(raw) = options.get(setting.name) {
                (setting.read)(&mut settings, &mut Value { text: &raw.text, place: &raw.place, report });
            }
        }
        compare_sizes(&settings, options, report);
        definitions.push(Definition { target: target.clone(), settings, paused });
    }
    definitions
}

/// A size beside names must be their number.
fn compare_sizes(settings: &Settings, options: &Options, report: &mut Report) {
    if let (Some(raw), Some(slots), Capacity::Named(names)) =
        (options.get("SIZE"), options.get("SLOTS"), &settings.capacity)
        && let Ok(size) = size(&raw.text)
        && size as usize != names.len()
    {
        let text = format!(
            "{size} does not fit the {} names of SLOTS ({}); SLOTS alone sets the size: remove SIZE",
            names.len(),
            slots.place.pointer()
        );
        report.error(&raw.place, text);
    }
}
