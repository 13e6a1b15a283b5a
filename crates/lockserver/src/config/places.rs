//! Where settings come from: what `check-config` says behind each of them.

use super::document::Document;
use super::general::GENERAL;
use super::problem::Place;
use super::section::{Options, Strict};
use lock_core::Target;
use std::collections::BTreeMap;

/// The places of all settings that somebody gave; the others have their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    general: BTreeMap<&'static str, Place>,
    /// Where each of the other sections begins first, and its settings.
    sections: BTreeMap<Strict, (Place, BTreeMap<&'static str, Place>)>,
    /// The lock of `DEFAULT_LOCK`, whose settings may be those of `[general]`.
    default_lock: Option<Target>,
}

impl Places {
    /// Those of a document that was read.
    pub(super) fn of(document: Document, default_lock: Option<Target>) -> Self {
        let given =
            GENERAL.iter().filter_map(|setting| Some((setting.name, document.raw(setting.name)?.place.clone())));
        let general = given.collect();
        let places = |options: Options| options.into_iter().map(|(name, raw)| (name, raw.place)).collect();
        let sections =
            document.sections.into_iter().map(|(section, (place, options))| (section, (place, places(options))));
        Self { general, sections: sections.collect(), default_lock }
    }

    /// Where a setting of `[general]` stands.
    pub(super) fn general(&self, name: &str) -> Option<String> {
        self.general.get(name).map(|place| told(place, name))
    }

    /// Where a section begins.
    pub(super) fn section(&self, section: &Strict) -> Option<String> {
        let begins = self.sections.get(section).map(|(place, _)| place.pointer());
        begins.or_else(|| self.is_default_lock(section).then(|| self.general("DEFAULT_LOCK")).flatten())
    }

    /// Where a setting of another section stands. One that is printed as `SECRET_HASH` may be a `SECRET_FILE`, too.
    pub(super) fn setting(&self, section: &Strict, name: &str) -> Option<String> {
        let options = self.sections.get(section).map(|(_, options)| options);
        let names = if name == "SECRET_HASH" { &[name, "SECRET_FILE"][..] } else { &[name] };
        let found = names.iter().filter_map(|given| options?.get(given)).map(|place| told(place, name));
        let found: Vec<String> = found.collect();
        if !found.is_empty() {
            return Some(found.join(", "));
        }
        let place = self.is_default_lock(section).then(|| self.general.get(format!("DEFAULT_LOCK_{name}").as_str()));
        place.flatten().map(|place| told(place, name))
    }

    fn is_default_lock(&self, section: &Strict) -> bool {
        matches!((section, &self.default_lock), (Strict::Lock(target), Some(default)) if target == default)
    }
}

/// A place, and the name that stands there if it is another one.
fn told(place: &Place, name: &str) -> String {
    let pointer = place.pointer();
    match place.file.is_some() && !place.label.eq_ignore_ascii_case(name) {
        true => format!("{pointer} {}", place.label),
        false => pointer,
    }
}
