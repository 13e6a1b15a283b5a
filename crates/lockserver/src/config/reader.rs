//! Looking up the settings of `[general]`.

use super::document::Document;
use super::names;
use super::problem::{Place, Report};
use super::section::Raw;
use super::value::{cut_comment, interpolate, quote, second_setting};

/// Looks settings up and reports what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    pub(super) report: &'a mut Report,
}

impl Reader<'_> {
    fn raw(&self, name: &str) -> Option<Raw> {
        let key = name.to_lowercase();
        // As in ConfigParser, [DEFAULT] counts only beneath a [general] that is there.
        let beneath = || self.document.defaults.get(&key).filter(|_| self.document.has_general);
        self.document.general.get(&key).or_else(beneath).cloned()
    }

    /// A value of one line.
    pub(super) fn text(&mut self, name: &'static str) -> Option<(String, Place)> {
        let (text, place) = self.joined(name)?;
        if text.contains('\n') {
            let problem =
                "the value has several lines, since the indented ones below continue it; begin them without blanks";
            self.report.error(&place, problem);
            return None;
        }
        Some((text, place))
    }

    /// The text of a setting without comments and with references filled in, and where it stands.
    fn joined(&mut self, name: &'static str) -> Option<(String, Place)> {
        let Raw { text, place, plain } = self.raw(name)?;
        if plain {
            return Some((text.trim().to_owned(), place));
        }
        let Document { general, defaults, .. } = self.document;
        let found = |other: &str| general.get(other).or_else(|| defaults.get(other)).map(|raw| raw.text.as_str());
        let text = match interpolate(&text, found) {
            Ok(text) => text,
            Err(error) => {
                self.report.error(&place, error);
                return None;
            }
        };
        let text = if names::is_old(name) { text.split('#').next().unwrap_or("").trim() } else { cut_comment(&text) };
        // 0.36 took `DEFAULT_LOCK=a PORT=1` as a strange name; nobody meant that.
        if let Some(second) = second_setting(text, names::general_name) {
            self.report.error(&place, format!("the value contains ' {second}='; write one setting a line"));
            return None;
        }
        Some((text.to_owned(), place))
    }

    /// The first line of a value with several, for the options with which 0.36 started all the same.
    pub(super) fn first_line(&mut self, name: &'static str) -> Option<(String, Place)> {
        let (text, place) = self.joined(name)?;
        let Some((first, _)) = text.split_once('\n') else {
            return Some((text, place));
        };
        let problem =
            format!("the value has several lines, since the indented ones below continue it; {} counts", quote(first));
        self.report.warn(&place, problem);
        Some((first.trim().to_owned(), place))
    }

    /// The value, or its error at that place.
    pub(super) fn checked<T>(&mut self, place: &Place, value: Result<T, String>) -> Option<T> {
        value.map_err(|error| self.report.error(place, error)).ok()
    }
}
