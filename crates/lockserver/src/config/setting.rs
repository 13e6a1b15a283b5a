//! A setting: all that is to say about one, in one place. Reader, `check-config`, reload and documentation go by it.

use super::problem::{Place, Report};

/// A setting that is read into a `D` and printed from a `C`.
pub(super) struct Setting<D, C> {
    /// As the file writes it; in the environment `LOCKSERVER_` is before it.
    pub(super) name: &'static str,
    /// What counts without it, as the file would write it.
    pub(super) default: &'static str,
    /// The flag that says the same, or nothing.
    pub(super) flag: &'static str,
    /// 0.36 has it, so its values are read as 0.36 read them.
    pub(super) old: bool,
    /// A value of several lines is no error: the first one counts, with a warning.
    pub(super) first_line: bool,
    /// A reload does not apply it.
    pub(super) restart: bool,
    /// Keeps a value, or reports what is wrong with it.
    pub(super) read: fn(&mut D, &mut Value<'_>),
    /// The value in force, as the file would write it; `None` where there is nothing to say.
    pub(super) print: fn(&C) -> Option<String>,
    /// What it means, for `docs/configuration.md`: a test keeps its tables like these.
    #[cfg_attr(not(test), expect(dead_code, reason = "the documentation is made by a test"))]
    pub(super) doc: &'static str,
}

impl<D, C> Setting<D, C> {
    /// A setting of this name and default. The rest follows: see the fields. Without `old` it is new.
    pub(super) const fn new(name: &'static str, default: &'static str) -> Self {
        Self {
            name,
            default,
            flag: "",
            old: false,
            first_line: false,
            restart: false,
            read: |_, _| {},
            print: |_| None,
            doc: "",
        }
    }
    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }
    pub(super) const fn old(self) -> Self {
        Self { old: true, ..self }
    }
    pub(super) const fn first_line(self) -> Self {
        Self { first_line: true, ..self }
    }
    pub(super) const fn restart(self) -> Self {
        Self { restart: true, ..self }
    }
    pub(super) const fn read(self, read: fn(&mut D, &mut Value<'_>)) -> Self {
        Self { read, ..self }
    }
    pub(super) const fn print(self, print: fn(&C) -> Option<String>) -> Self {
        Self { print, ..self }
    }
    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }
}

/// The names of these settings.
pub(super) const fn names<D, C, const N: usize>(settings: &[Setting<D, C>; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = settings[at].name;
        at += 1;
    }
    names
}

/// The settings that have something to say, as a file would write them.
pub(super) fn shown<D, C>(settings: &[Setting<D, C>], from: &C) -> Vec<(&'static str, String)> {
    settings.iter().filter_map(|setting| Some((setting.name, (setting.print)(from)?))).collect()
}

/// The text of a setting, and where it stands.
pub(super) struct Value<'a> {
    pub(super) text: &'a str,
    pub(super) place: &'a Place,
    pub(super) report: &'a mut Report,
}

impl Value<'_> {
    /// Keeps what the text means, or reports why it means nothing.
    pub(super) fn put<T>(&mut self, target: &mut T, parse: impl FnOnce(&str) -> Result<T, String>) {
        match parse(self.text) {
            Ok(value) => *target = value,
            Err(error) => self.report.error(self.place, error),
        }
    }

    /// Reports what should be looked at.
    pub(super) fn warn(&mut self, text: impl AsRef<str>) {
        self.report.warn(self.place, text);
    }
}
