//! Sections that 0.36 had not, and the settings below them: what is not understood is an error.

use super::{Reader, Section, split_setting};
use crate::access::KeyName;
use crate::config::names;
use crate::config::section::{Options, Raw, Strict};
use crate::config::value::{cut_comment, quote, second_setting};
use lock_core::{LockName, Prefix, Target};

impl Reader<'_> {
    /// A header whose first word is `lock`, with its brackets.
    pub(super) fn lock_header(&mut self, number: usize, trimmed: &str) {
        // A lock's name may contain a ']': the first one closes the section that nothing but a comment follows.
        let ends = || trimmed.match_indices(']').map(|(at, _)| at);
        let Some(end) = ends().find(|at| ends_header(&trimmed[at + 1..])).or_else(|| ends().next()) else {
            return;
        };
        let (inside, after) = (&trimmed[1..end], &trimmed[end + 1..]);
        let name = inside.trim().get("lock".len()..).unwrap_or("").trim();
        self.after_header(number, after, true);
        if name.is_empty() {
            return self.error(number, "the section has no name; write [lock NAME]");
        }
        let target = if name.ends_with('*') {
            Prefix::from_pattern(name).map(Target::Template)
        } else {
            LockName::new(name).map(Target::Lock)
        };
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                let hint = if name.contains('*') { "; a template's only '*' is its last character" } else { "" };
                return self.error(number, format!("[lock {}]: {error}{hint}", quote(name)));
            }
        };
        self.begin(number, &format!("lock {name}"), Strict::Lock(target));
    }

    /// A header whose first word is `key`.
    pub(super) fn key_header(&mut self, number: usize, name: &str, after: &str) {
        self.after_header(number, after, true);
        let name = name.trim();
        if name.is_empty() {
            return self.error(number, "the section has no name; write [key NAME]");
        }
        match KeyName::new(name) {
            Ok(key) => self.begin(number, &format!("key {name}"), Strict::Key(key)),
            Err(error) => self.error(number, format!("[key {}]: {error}", quote(name))),
        }
    }

    /// The header of a section of which there is one.
    pub(super) fn single_header(&mut self, number: usize, word: &str, section: Strict, name: &str, after: &str) {
        self.after_header(number, after, true);
        if name.is_empty() {
            self.begin(number, word, section);
        } else {
            self.error(number, format!("[{word}] takes no name; write [{word}]"));
        }
    }

    /// A section begins, unless the file has it already.
    fn begin(&mut self, number: usize, title: &str, section: Strict) {
        if let Some((first, _)) = self.content.sections.get(&section) {
            let text = format!("[{title}] begins in line {} already; put its settings there", first.line.unwrap_or(0));
            return self.error(number, text);
        }
        let place = self.place(number, "");
        self.content.sections.insert(section.clone(), (place, Options::new()));
        self.section = Section::Strict(section);
    }

    /// A line that is no comment.
    pub(super) fn strict(&mut self, number: usize, trimmed: &str, section: &Strict) {
        let Some((name, value)) = split_setting(trimmed) else {
            let shown = if matches!(section, Strict::Key(_)) { "the line".to_owned() } else { quote(trimmed) };
            return self.error(number, format!("{shown} is not a setting; write NAME=value"));
        };
        let names = names::of(section);
        let Some(known) = names.find(name) else {
            if name.eq_ignore_ascii_case("paused") {
                let text = "PAUSED cannot be set in the file: a lock is paused and resumed while the server runs";
                return self.error(number, text);
            }
            let text = format!("unknown name {} in {}{}", quote(name), names.place, names.did_you_mean(name));
            return self.error(number, text);
        };
        let place = self.place(number, known);
        let value = cut_comment(value);
        if let Some(second) = second_setting(value, |word| names.find(word)) {
            return self.report.error(&place, format!("the value contains ' {second}='; write one setting a line"));
        }
        let Some((_, options)) = self.content.sections.get_mut(section) else {
            return;
        };
        if let Some(first) = options.get(known) {
            let text = format!("also set in line {}; remove one of the two", first.place.line.unwrap_or(0));
            return self.report.error(&place, text);
        }
        options.insert(known, Raw { text: value.to_owned(), place, plain: false });
    }
}

/// Nothing, or blanks and a comment. Looks no further than it must: a line may be long.
fn ends_header(after: &str) -> bool {
    let rest = after.trim_start();
    rest.is_empty() || rest.len() < after.len() && rest.starts_with(['#', ';'])
}
