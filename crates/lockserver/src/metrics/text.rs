//! The two formats: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0.0.
//!
//! They differ in the names of the metadata lines of counters and infos, in `# UNIT`, and in the end mark. Samples are the
//! same in both, so that a series keeps its name whichever a scraper asks for.

use super::catalogue::{Family, Kind};
use super::number::Histogram;
use std::fmt::{self, Write as _};

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What the value of an `Accept` header asks for: OpenMetrics if it is wanted at least as much as plain text.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        let (mut open, mut text) = (0.0_f64, 0.0_f64);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut known) = (1.0, true);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    // A quality that cannot be read asks for nothing.
                    "q" => quality = value.parse::<f64>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0),
                    "version" if media == "application/openmetrics-text" => known = value == "1.0.0",
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if known => open = open.max(quality),
                "text/plain" | "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of the answer's `Content-Type` header.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Labels of a sample. Their names are ours; their values may be anything.
pub(super) type Labels<'a> = [(&'static str, &'a str)];

/// Writes metrics.
pub(super) struct Text {
    out: String,
    format: Format,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { out: String::new(), format }
    }

    /// Begins a metric; all its samples follow at once.
    pub(super) fn family<'a>(&'a mut self, family: &'a Family) -> Samples<'a> {
        let Family { name, kind, help } = family;
        let open = self.format == Format::OpenMetrics;
        let (suffix, word) = match kind {
            Kind::Counter => (if open { "" } else { "_total" }, "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Info if open => ("", "info"),
            Kind::Info => ("_info", "gauge"),
        };
        self.line(format_args!("# HELP {name}{suffix} {help}"));
        self.line(format_args!("# TYPE {name}{suffix} {word}"));
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.rsplit('_').next() == Some(unit));
        if let Some(unit) = unit.filter(|_| open) {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        Samples { text: self, family }
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.line(format_args!("# EOF"));
        }
        self.out
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.out, "{line}").expect("a string takes everything");
    }
}

/// Writes the samples of one metric.
pub(super) struct Samples<'a> {
    text: &'a mut Text,
    family: &'a Family,
}

impl Samples<'_> {
    /// The value of a counter, a gauge or an info.
    pub(super) fn value(&mut self, labels: &Labels<'_>, value: impl fmt::Display) -> &mut Self {
        let suffix = match self.family.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
            Kind::Histogram => unreachable!("a histogram has no value"),
        };
        self.sample(suffix, labels, None, value);
        self
    }

    /// A histogram. Its count is that of its last bucket, whatever is added meanwhile.
    pub(super) fn histogram(&mut self, labels: &Labels<'_>, histogram: &Histogram) {
        debug_assert_eq!(self.family.kind, Kind::Histogram);
        let sum = histogram.sum();
        let mut count = 0;
        for (bound, up_to) in histogram.cumulative() {
            self.sample("_bucket", labels, Some(bound), up_to);
            count = up_to;
        }
        self.sample("_sum", labels, None, sum);
        self.sample("_count", labels, None, count);
    }

    fn sample(&mut self, suffix: &str, labels: &Labels<'_>, bound: Option<f64>, value: impl fmt::Display) {
        let out = &mut self.text.out;
        out.push_str(self.family.name);
        out.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels {
            out.push(open);
            open = ',';
            out.push_str(name);
            out.push_str("=\"");
            escape(out, value);
            out.push('"');
        }
        if let Some(bound) = bound {
            // OpenMetrics wants `1.0`, which Prometheus takes as well.
            let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".to_owned() };
            write!(out, "{open}le=\"{bound}\"").expect("a string takes everything");
            open = ',';
        }
        if open == ',' {
            out.push('}');
        }
        writeln!(out, " {value}").expect("a string takes everything");
    }
}

/// A label's value, the same in both formats.
fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}
