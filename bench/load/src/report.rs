//! What came of it: tables as people read them in a terminal and in `docs/benchmarks.md`, and the aims, met or missed.

use crate::fault::Fault;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One number that is to be reached.
#[derive(Debug)]
struct Aim {
    what: String,
    bound: String,
    got: String,
    met: bool,
}

/// All of it so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sections: String,
    aims: Vec<Aim>,
}

impl Report {
    /// Adds a section, and prints it.
    pub(crate) fn section(&mut self, title: &str, about: &str, head: &[&str], rows: &[Vec<String>]) {
        let mut text = format!("\n## {title}\n\n");
        if !about.is_empty() {
            let _ = write!(text, "{about}\n\n");
        }
        text.push_str(&table(head, rows));
        print!("{text}");
        self.sections.push_str(&text);
    }

    /// Adds a sentence to the last section.
    pub(crate) fn note(&mut self, text: &str) {
        println!("\n{text}");
        let _ = write!(self.sections, "\n{text}\n");
    }

    /// A number that is to be so much at least.
    pub(crate) fn at_least(&mut self, what: String, got: f64, bound: f64) {
        self.aims.push(Aim { what, bound: format!(">= {bound}"), got: format!("{got:.2}"), met: got >= bound });
    }

    /// A number that is to be so much at most.
    pub(crate) fn at_most(&mut self, what: String, got: f64, bound: f64, unit: &str) {
        let met = got <= bound;
        self.aims.push(Aim {
            what,
            bound: format!("<= {bound} {unit}").trim().to_owned(),
            got: format!("{got:.2} {unit}"),
            met,
        });
    }

    /// A number that is to be reached and could not be measured.
    pub(crate) fn missing(&mut self, what: String) {
        self.aims.push(Aim { what, bound: String::new(), got: "not measured".to_owned(), met: false });
    }

    /// The aims as a table.
    pub(crate) fn aims(&self) -> String {
        let row = |aim: &Aim| {
            let verdict = if aim.met { "" } else { "**missed**" };
            vec![aim.what.clone(), aim.bound.clone(), aim.got.trim().to_owned(), verdict.to_owned()]
        };
        table(&["", "aim", "measured", ""], &self.aims.iter().map(row).collect::<Vec<_>>())
    }

    /// Whether all of them are met.
    pub(crate) fn is_good(&self) -> bool {
        self.aims.iter().all(|aim| aim.met)
    }

    /// Writes the page.
    pub(crate) fn write(&self, path: &Path, preface: &str) -> Result<(), Fault> {
        fs::write(path, format!("{preface}\n## Aims\n\n{}{}", self.aims(), self.sections))?;
        Ok(())
    }
}

/// A table of Markdown whose columns stand below one another.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width =
        |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([head[at].len(), 4]).max().unwrap_or(4);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (at, (cell, width)) in cells.zip(&widths).enumerate() {
            let _ = if at == 0 { write!(text, "| {cell:width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text + "|\n"
    };
    let mut text = line(&mut head.iter().copied());
    let dashes: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(at, width)| if at == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) })
        .collect();
    text.push_str(&line(&mut dashes.iter().map(String::as_str)));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// The one in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// A number with two or three digits that say something.
pub(crate) fn short(value: f64) -> String {
    match value {
        _ if value.is_nan() => "-".to_owned(),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, median, short, table};

    #[test]
    fn a_table_stands_in_columns() {
        let rows = [vec!["a long name".to_owned(), "1".to_owned()], vec!["b".to_owned(), "20,000".to_owned()]];
        let lines = [
            "|             |      a |",
            "| ----------- | -----: |",
            "| a long name |      1 |",
            "| b           | 20,000 |",
        ];
        assert_eq!(table(&["", "a"], &rows), lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn a_number_is_as_long_as_it_says_something() {
        assert_eq!([1234.5, 12.34, 1.234, 0.00123, f64::NAN].map(short), ["1234", "12.3", "1.23", "0.0012", "-"]);
    }

    #[test]
    fn what_is_not_measured_is_not_met() {
        let mut report = Report::default();
        report.at_least("a".to_owned(), 1.0, 1.0);
        report.at_most("b".to_owned(), 8.0, 8.0, "s");
        assert!(report.is_good());
        report.at_most("c".to_owned(), f64::NAN, 8.0, "s");
        assert!(!report.is_good());
        report.missing("d".to_owned());
        assert_eq!(report.aims().matches("**missed**").count(), 2);
    }
}
