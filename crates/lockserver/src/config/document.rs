//! What all files say together: raw settings, each with its place, before anything is checked.

use super::ini::{self, Content, Lenient};
use super::names;
use super::problem::{Place, Report};
use super::section::{Options, Raw, Strict};
use super::setting::Setting;
use super::value::{cut_comment, interpolate, quote, second_setting};
use lock_core::Target;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What the files say together: option by option, the later file wins.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Options of `[general]` by lower-case name, unknown ones included: others may refer to them.
    pub(super) general: BTreeMap<String, Raw>,
    /// Options of `[DEFAULT]`, which `ConfigParser` puts beneath every section. Only `[general]` has them here.
    pub(super) defaults: BTreeMap<String, Raw>,
    /// Some file has a `[general]`.
    pub(super) has_general: bool,
    /// The sections that 0.36 had not, and where each begins first.
    pub(super) sections: BTreeMap<Strict, (Place, Options)>,
}

impl Document {
    /// Adds a file. The caller bounds its size.
    pub(super) fn add(&mut self, file: &Path, bytes: &[u8], report: &mut Report) {
        let Content { general, defaults, has_general, sections } = ini::read(file, bytes, report);
        self.has_general |= has_general;
        self.general.extend(latest(general, report));
        self.defaults.extend(latest(defaults, report));
        for (section, (place, options)) in sections {
            self.sections.entry(section).or_insert_with(|| (place, Options::new())).1.extend(options);
        }
    }

    /// The text of a setting of `[general]` without comments and with references filled in, and where it stands.
    pub(super) fn text<D, C>(&self, setting: &Setting<D, C>, report: &mut Report) -> Option<(String, Place)> {
        let Raw { text, place, plain } = self.raw(setting.name)?;
        let text = if *plain { Ok(text.trim().to_owned()) } else { self.plain(text, setting.old) };
        let text = text.map_err(|error| report.error(place, error)).ok()?;
        let Some((first, _)) = text.split_once('\n') else {
            return Some((text, place.clone()));
        };
        let problem = "the value has several lines, since the indented ones below continue it";
        if !setting.first_line {
            report.error(place, format!("{problem}; begin them without blanks"));
            return None;
        }
        report.warn(place, format!("{problem}; {} counts", quote(first)));
        Some((first.trim().to_owned(), place.clone()))
    }

    /// What was written for a setting of `[general]`.
    pub(super) fn raw(&self, name: &str) -> Option<&Raw> {
        let key = name.to_lowercase();
        // As in ConfigParser, [DEFAULT] counts only beneath a [general] that is there.
        let beneath = || self.defaults.get(&key).filter(|_| self.has_general);
        self.general.get(&key).or_else(beneath)
    }

    fn plain(&self, text: &str, old: bool) -> Result<String, String> {
        let found = |other: &str| self.general.get(other).or_else(|| self.defaults.get(other));
        let text = interpolate(text, |other| found(other).map(|raw| raw.text.as_str()))?;
        let text = if old { text.split('#').next().unwrap_or("").trim() } else { cut_comment(&text) };
        // 0.36 took `DEFAULT_LOCK=a PORT=1` as a strange name; nobody meant that.
        match second_setting(text, names::general_name) {
            Some(second) => Err(format!("the value contains ' {second}='; write one setting a line")),
            None => Ok(text.to_owned()),
        }
    }

    /// The lock sections.
    pub(super) fn locks(&self) -> impl Iterator<Item = (&Target, &Options)> {
        self.sections.iter().filter_map(|(section, (_, options))| match section {
            Strict::Lock(target) => Some((target, options)),
            _ => None,
        })
    }
}

/// The last of the settings of each name; an earlier one of a known name is warned of.
fn latest(settings: Vec<Lenient>, report: &mut Report) -> HashMap<String, Raw> {
    let mut last: HashMap<String, Raw> = HashMap::new();
    for Lenient { name, raw, .. } in settings {
        if let Some(first) = last.get(&name)
            && names::general_name(&name).is_some()
        {
            let text = format!("also set in line {}; this later value is used", first.place.line.unwrap_or(0));
            report.warn(&raw.place, text);
        }
        last.insert(name, raw);
    }
    last
}
