//! Settings of `[general]`, as Python 2's `ConfigParser` took them: continued lines, `;` after a blank, `""`.

use super::{Content, Lenient, Reader, Section, split_setting};
use crate::config::names;
use crate::config::problem::Place;
use crate::config::section::Raw;
use crate::config::value::quote;
use std::sync::Arc;

impl Reader<'_> {
    /// A line that is no comment. An indented one continues the setting above it, unless it sets a known name itself.
    pub(super) fn lenient(&mut self, number: usize, indent: usize, trimmed: &str) {
        let (file, in_general) = (Arc::clone(&self.file), matches!(self.section, Section::General));
        let continues = self.continues;
        let settings = if in_general { &mut self.content.general } else { &mut self.content.defaults };
        let setting = split_setting(trimmed);
        let known = setting.and_then(|(name, _)| names::general_name(name));
        let previous = settings.last_mut().filter(|last| continues && indent > last.indent);
        let continued = previous.as_ref().map(|last| (last.raw.place.label.clone(), last.raw.place.line.unwrap_or(0)));
        if let Some(last) = previous
            && known.is_none()
        {
            last.raw.text.push('\n');
            last.raw.text.push_str(trimmed);
            return;
        }
        let Some((name, value)) = setting else {
            return self.error(number, format!("{} is not a setting; write NAME=value", quote(trimmed)));
        };
        let label = known.map_or_else(|| quote(name), str::to_owned);
        let place = Place::in_file(&file, number, label);
        if let Some((other, line)) = continued {
            let text = format!(
                "read as a setting; 0.36 read this indented line as a part of {other} in line {line}. Remove the \
                 indentation"
            );
            self.report.warn(&place, text);
        }
        if known.is_none() && in_general {
            let place = Place::in_file(&file, number, "");
            let text =
                format!("unknown name {} in [general], ignored{}", quote(name), names::did_you_mean_general(name));
            self.report.warn(&place, text);
        }
        let raw = Raw { text: cut_old_comment(value).to_owned(), place, plain: false };
        settings_of(&mut self.content, in_general).push(Lenient { name: name.to_lowercase(), raw, indent });
        self.continues = true;
    }
}

fn settings_of(content: &mut Content, general: bool) -> &mut Vec<Lenient> {
    if general { &mut content.general } else { &mut content.defaults }
}

/// Python 2's `ConfigParser`: a value's first `;` begins a comment, if a blank is before it; `""` is empty.
fn cut_old_comment(value: &str) -> &str {
    let cut = match value.find(';') {
        Some(at) if at == 0 || value[..at].ends_with(char::is_whitespace) => value[..at].trim(),
        _ => value,
    };
    if cut == "\"\"" { "" } else { cut }
}
