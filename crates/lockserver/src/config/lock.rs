//! `[lock NAME]` and `DEFAULT_LOCK`: one checked definition for each lock and template.

use super::default_lock::DefaultLock;
use super::document::Document;
use super::problem::{Place, Report};
use super::section::{Options, Raw};
use super::value::{quote, seconds, whole};
use lock_core::limits::{
    GRACE_MIN_MS, LOCK_TICKETS_MAX, LOCKS_MAX, PERMITS_MAX, SLOT_NAMES_MAX, TEXT_BYTES_MAX, TTL_MAX_MS, TTL_MIN_MS,
};
use lock_core::{Capacity, Definition, Ms, Settings, SlotName, Target};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The definitions, sorted by target.
pub(super) fn check(default_lock: Option<DefaultLock>, document: &Document, report: &mut Report) -> Vec<Definition> {
    let mut base: BTreeMap<Target, DefaultLock> = BTreeMap::new();
    base.extend(default_lock.map(|lock| (Target::Lock(lock.name.clone()), lock)));
    let mut definitions = Vec::new();
    for (target, options) in document.locks() {
        let base = base.remove(target);
        let (mut settings, mut paused) = (Settings::new(1), false);
        if let Some(default_lock) = base {
            // A size in the section replaces the 0 that would have paused the lock.
            let sized = options.contains_key("SIZE") || options.contains_key("SLOTS");
            paused = default_lock.paused && !sized;
            if paused {
                warn_of_pause(&default_lock.paused_place, report);
            }
            settings = default_lock.settings;
        }
        Section { options, report }.apply(&mut settings);
        definitions.push(Definition { target: target.clone(), settings, paused });
    }
    for (target, DefaultLock { settings, paused, paused_place, .. }) in base {
        if paused {
            warn_of_pause(&paused_place, report);
        }
        definitions.push(Definition { target, settings, paused });
    }
    if definitions.len() > LOCKS_MAX {
        let text = format!("{} locks are too many; a server has at most {LOCKS_MAX}", definitions.len());
        report.error(&Place::elsewhere(""), text);
    }
    definitions.sort_by(|a, b| a.target.cmp(&b.target));
    definitions
}

fn warn_of_pause(place: &Place, report: &mut Report) {
    report.warn(place, "0: the lock has size 1 and starts paused, so it grants nothing until it is resumed");
}

struct Section<'a> {
    options: &'a Options,
    report: &'a mut Report,
}

impl Section<'_> {
    fn apply(&mut self, settings: &mut Settings) {
        if let Some(capacity) = self.capacity() {
            settings.capacity = capacity;
        }
        if let Some(grace) = self.time("GRACE_TIME", GRACE_MIN_MS, "a grant waits at least 1 second") {
            settings.grace = grace;
        }
        if let Some(expiration) = self.time("EXPIRATION_TIME", 0, "") {
            settings.expiration = never(expiration);
        }
        if let Some(max_lock) = self.time("MAX_LOCK_TIME", 0, "") {
            settings.max_lock = never(max_lock);
        }
        if let Some(max_hold) = self.time("MAX_HOLD_TIME", 0, "") {
            settings.max_hold = never(max_hold);
        }
        if let Some(max_ttl) = self.time("MAX_TTL", TTL_MIN_MS, "a lease has at least 1 second") {
            settings.max_ttl = Some(max_ttl);
        }
        if let Some(lock_delay) = self.time("LOCK_DELAY", 0, "") {
            settings.lock_delay = lock_delay;
        }
        if let Some(max_queue) = self.number("MAX_QUEUE", LOCK_TICKETS_MAX as u64, "") {
            settings.max_queue = max_queue;
        }
        if let Some(description) = self.description() {
            settings.description = description;
        }
    }

    fn capacity(&mut self) -> Option<Capacity> {
        let pause = "; to stop all grants, pause the lock while the server runs";
        let size = self.number("SIZE", u64::from(PERMITS_MAX), pause);
        let Some(slots) = self.options.get("SLOTS") else {
            return size.map(Capacity::Size);
        };
        let names = self.slots(slots)?;
        if let (Some(size), Some(raw)) = (size, self.options.get("SIZE"))
            && size as usize != names.len()
        {
            let text = format!(
                "{size} does not fit the {} names of SLOTS ({}); SLOTS alone sets the size: remove SIZE",
                names.len(),
                slots.place.pointer()
            );
            self.report.error(&raw.place, text);
        }
        Some(Capacity::Named(names))
    }

    fn slots(&mut self, raw: &Raw) -> Option<Vec<SlotName>> {
        let result = slot_names(&raw.text);
        result.map_err(|error| self.report.error(&raw.place, error)).ok()
    }

    /// A time of at least `min`, `TTL_MAX_MS` at most. `why` explains the lower bound.
    fn time(&mut self, name: &str, min: Ms, why: &str) -> Option<Ms> {
        let raw = self.options.get(name)?;
        let days = TTL_MAX_MS / 86_400_000;
        let result = seconds(&raw.text).and_then(|ms| match ms {
            _ if ms < min => Err(format!("{} is too short; {why}", quote(&raw.text))),
            _ if ms > TTL_MAX_MS => {
                Err(format!("{} is too long; at most {} seconds ({days} days)", quote(&raw.text), TTL_MAX_MS / 1000))
            }
            _ => Ok(ms),
        });
        result.map_err(|error| self.report.error(&raw.place, error)).ok()
    }

    /// A whole number from 1. `zero` is added to the message when it is 0.
    fn number(&mut self, name: &str, max: u64, zero: &str) -> Option<u32> {
        let raw = self.options.get(name)?;
        let result = whole(&raw.text).and_then(|number| match u32::try_from(number) {
            Ok(0) => Err(format!("{} is too small; 1 to {max}{zero}", quote(&raw.text))),
            Ok(small) if number <= max => Ok(small),
            _ => Err(format!("{} is too large; 1 to {max}", quote(&raw.text))),
        });
        result.map_err(|error| self.report.error(&raw.place, error)).ok()
    }

    fn description(&mut self) -> Option<Arc<str>> {
        let raw = self.options.get("DESCRIPTION")?;
        if raw.text.len() > TEXT_BYTES_MAX {
            let text = format!("{} bytes are too many; {TEXT_BYTES_MAX} are allowed", raw.text.len());
            self.report.error(&raw.place, text);
            return None;
        }
        if raw.text.contains(lock_core::text::is_unsafe) {
            self.report.error(&raw.place, format!("{} contains control characters", quote(&raw.text)));
            return None;
        }
        Some(Arc::from(raw.text.as_str()))
    }
}

/// Zero is never.
fn never(ms: Ms) -> Option<Ms> {
    (ms > 0).then_some(ms)
}

fn slot_names(text: &str) -> Result<Vec<SlotName>, String> {
    if text.is_empty() {
        return Err("the value is empty; write names with commas between them, or SIZE instead".to_owned());
    }
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for name in text.split(',') {
        let name = name.trim();
        if name.is_empty() {
            return Err("there is a comma without a name; write names with one comma between them".to_owned());
        }
        let slot = SlotName::new(name).map_err(|error| format!("{}: {error}", quote(name)))?;
        if !seen.insert(name) {
            return Err(format!("{} is there twice; remove one", quote(name)));
        }
        names.push(slot);
        if names.len() > SLOT_NAMES_MAX {
            return Err(format!("there are more than {SLOT_NAMES_MAX} names; without names write SIZE instead"));
        }
    }
    Ok(names)
}
