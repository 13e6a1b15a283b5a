//! Lines to settings: the grammar of the file, lenient in `[general]` and strict in the sections that 0.36 had not.
//!
//! 0.36 read its file with Python 2's `ConfigParser`. What that took without an error is read here to the same effect, or
//! with a warning where it was certainly not meant; what it refused is read where the meaning is plain, else refused.

mod lenient;
mod strict;

use super::names;
use super::problem::{Place, Report};
use super::section::{Options, Raw, Strict};
use super::value::{cut_comment, quote};
use lock_core::limits::CONFIG_FILE_LINES_MAX;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A setting of `[general]`, which later lines may continue.
pub(super) struct Lenient {
    pub(super) name: String,
    pub(super) raw: Raw,
    indent: usize,
}

/// What one file says.
#[derive(Default)]
pub(super) struct Content {
    pub(super) general: Vec<Lenient>,
    pub(super) defaults: Vec<Lenient>,
    pub(super) has_general: bool,
    pub(super) sections: BTreeMap<Strict, (Place, Options)>,
}

/// Reads a file. The caller bounds its size.
pub(super) fn read(file: &Path, bytes: &[u8], report: &mut Report) -> Content {
    let file: Arc<Path> = Arc::from(file);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        report.error(&Place::whole_file(&file), "the file is written in UTF-16; save it as UTF-8");
        return Content::default();
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = Reader::new(file, report);
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if index == CONFIG_FILE_LINES_MAX {
            reader.error(index + 1, format!("the file has more than {CONFIG_FILE_LINES_MAX} lines"));
            break;
        }
        reader.line(index + 1, line);
    }
    reader.content
}

enum Section {
    /// Before the first header.
    None,
    General,
    Defaults,
    Strict(Strict),
    /// A section that was refused or passed over.
    Skipped,
}

struct Reader<'r> {
    file: Arc<Path>,
    report: &'r mut Report,
    content: Content,
    section: Section,
    /// The last setting may be continued: none is, right after a header.
    continues: bool,
    /// One message is enough for all settings without a section.
    homeless: bool,
}

impl<'r> Reader<'r> {
    fn new(file: Arc<Path>, report: &'r mut Report) -> Self {
        let section = Section::None;
        Self { file, report, content: Content::default(), section, continues: false, homeless: false }
    }

    fn place(&self, line: usize, label: &str) -> Place {
        Place::in_file(&self.file, line, label)
    }

    fn error(&mut self, line: usize, text: impl AsRef<str>) {
        let place = self.place(line, "");
        self.report.error(&place, text);
    }

    fn warn(&mut self, line: usize, text: impl AsRef<str>) {
        let place = self.place(line, "");
        self.report.warn(&place, text);
    }

    fn line(&mut self, number: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            return;
        }
        let not_utf8 = matches!(text, Cow::Owned(_));
        if trimmed.starts_with('[') {
            if not_utf8 {
                self.section = Section::Skipped;
                return self.error(number, "the section's name is not UTF-8; save the file as UTF-8");
            }
            return self.header(number, trimmed);
        }
        match &self.section {
            Section::Skipped => {}
            Section::None if self.homeless => {}
            Section::None => {
                self.homeless = true;
                let text = format!("{} is above the first section; write [general] above it", quote(trimmed));
                self.error(number, text);
            }
            Section::Strict(_) if not_utf8 => self.error(number, "the line is not UTF-8; save the file as UTF-8"),
            Section::Strict(section) => {
                let section = section.clone();
                self.strict(number, trimmed, &section);
            }
            Section::General | Section::Defaults => {
                let first_word = trimmed.split_whitespace().next().unwrap_or("");
                if first_word.eq_ignore_ascii_case("rem") {
                    return;
                }
                if not_utf8 {
                    self.warn(
                        number,
                        "the line is not UTF-8: its unreadable bytes are replaced; save the file as UTF-8",
                    );
                }
                let indent = text.len() - text.trim_start().len();
                self.lenient(number, indent, trimmed);
            }
        }
    }

    fn header(&mut self, number: usize, trimmed: &str) {
        self.continues = false;
        self.section = Section::Skipped;
        let Some((inside, after)) = trimmed[1..].split_once(']') else {
            return self.error(number, format!("{} begins a section, but its ']' is missing", quote(trimmed)));
        };
        let (word, name) = inside.trim().split_once(char::is_whitespace).unwrap_or_else(|| (inside.trim(), ""));
        match word.to_lowercase().as_str() {
            "lock" => self.lock_header(number, trimmed),
            "general" if name.is_empty() => {
                if inside != "general" {
                    let text = format!(
                        "section {} is read as [general], which 0.36 did not do; write [general]",
                        quote(inside)
                    );
                    self.warn(number, text);
                } else if self.content.has_general {
                    self.warn(number, "[general] appears in this file before; both are read");
                }
                self.content.has_general = true;
                self.section = Section::General;
                self.after_header(number, after, false);
            }
            "default" if inside == "DEFAULT" => self.section = Section::Defaults,
            "key" => self.key_header(number, name, after),
            "anonymous" => self.single_header(number, "anonymous", Strict::Anonymous, name, after),
            "tls" => self.single_header(number, "tls", Strict::Tls, name, after),
            "fleetlock" => self.single_header(number, "fleetlock", Strict::Fleetlock, name, after),
            "terraform" => self.single_header(number, "terraform", Strict::Terraform, name, after),
            "etcd" => self.single_header(number, "etcd", Strict::Etcd, name, after),
            "cluster" => self.single_header(number, "cluster", Strict::Cluster, name, after),
            // `[key:ci]` and `[key-ci]` mean a section of ours as well.
            _ => match names::almost_section(word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(word)) {
                Some(meant) => {
                    let text = format!("unknown section {}; did you mean [{}]?", quote(inside.trim()), like(meant));
                    self.error(number, text);
                }
                None => self.warn(number, format!("unknown section {}, ignored", quote(inside))),
            },
        }
    }

    /// What follows the `]`. 0.36 passed over anything there.
    fn after_header(&mut self, number: usize, after: &str, strict: bool) {
        let after = cut_comment(after);
        if after.is_empty() {
            return;
        }
        let text = format!("{} follows the section's ']'; write it on a line of its own", quote(after));
        if strict {
            self.error(number, text);
        } else {
            self.warn(number, text);
        }
    }
}

/// `NAME=value` or `NAME: value`.
fn split_setting(trimmed: &str) -> Option<(&str, &str)> {
    let (name, value) = trimmed.split_once(['=', ':'])?;
    let name = name.trim_end();
    (!name.is_empty()).then(|| (name, value.trim()))
}

/// How a section is written whose first word is this.
fn like(word: &str) -> &str {
    match word {
        "lock" => "lock NAME",
        "key" => "key NAME",
        word => word,
    }
}
