//! What is wrong with a configuration: where, what, and what to do about it.

use lock_core::limits::CONFIG_PROBLEMS_MAX;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file; `None` for the environment, a flag, or the configuration as a whole.
    pub file: Option<PathBuf>,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.text)
    }
}

/// Why there is no configuration: every error that was found, and the warnings beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// At least one.
    pub errors: Vec<Problem>,
    /// What would have been warned of, had there been no errors.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Problems {
    /// The errors, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where a setting comes from, and what it is called there; nothing of that for the configuration as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, if it comes from one.
    pub(super) file: Option<Arc<Path>>,
    /// The line in it.
    pub(super) line: Option<usize>,
    /// `PORT` in a file, `LOCKSERVER_PORT in the environment`, `--port`.
    pub(super) label: String,
}

impl Place {
    /// A line of a file.
    pub(super) fn in_file(file: &Arc<Path>, line: usize, label: impl Into<String>) -> Self {
        Self { file: Some(Arc::clone(file)), line: Some(line), label: label.into() }
    }

    /// A file as a whole.
    pub(super) fn whole_file(file: &Path) -> Self {
        Self { file: Some(Arc::from(file)), line: None, label: String::new() }
    }

    /// Something that is in no file.
    pub(super) fn elsewhere(label: impl Into<String>) -> Self {
        Self { file: None, line: None, label: label.into() }
    }

    /// How another message points at this place.
    pub(super) fn pointer(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{}:{line}", file.display()),
            (Some(file), None) => file.display().to_string(),
            (None, _) => self.label.clone(),
        }
    }

    fn problem(&self, text: &str) -> Problem {
        Problem {
            file: self.file.as_deref().map(Path::to_path_buf),
            line: self.line,
            text: if self.label.is_empty() { text.to_owned() } else { format!("{}: {text}", self.label) },
        }
    }
}

/// Collects problems, up to a bound, so that a file of rubbish does not fill the log.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    more_errors: usize,
    more_warnings: usize,
}

impl Report {
    /// Notes an error.
    pub(super) fn error(&mut self, place: &Place, text: impl AsRef<str>) {
        push(&mut self.errors, &mut self.more_errors, place, text.as_ref());
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, place: &Place, text: impl AsRef<str>) {
        push(&mut self.warnings, &mut self.more_warnings, place, text.as_ref());
    }

    /// The outcome: `Ok` with the warnings when there was no error.
    pub(super) fn finish(self) -> Result<Vec<Problem>, Problems> {
        let errors = close(self.errors, self.more_errors, "errors");
        let warnings = close(self.warnings, self.more_warnings, "warnings");
        if errors.is_empty() { Ok(warnings) } else { Err(Problems { errors, warnings }) }
    }
}

fn push(list: &mut Vec<Problem>, more: &mut usize, place: &Place, text: &str) {
    if list.len() < CONFIG_PROBLEMS_MAX {
        list.push(place.problem(text));
    } else {
        *more += 1;
    }
}

fn close(mut list: Vec<Problem>, more: usize, what: &str) -> Vec<Problem> {
    if more > 0 {
        list.push(Problem { file: None, line: None, text: format!("{more} more {what} are not shown") });
    }
    list
}
