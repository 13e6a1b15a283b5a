//! Words of the commands that only look.

use super::seconds;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::time::Duration;

/// `status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The lock
    pub(crate) lock: Option<String>,
    /// Show who holds and who waits in all locks, where the words, the key, the address or a slot contain this
    #[arg(long, value_name = "TEXT", conflicts_with = "lock", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) holder: Option<String>,
    /// Print the names of the locks only, one a line
    #[arg(long, conflicts_with_all = ["lock", "holder"])]
    pub(crate) names: bool,
    /// Show the server instead: version, store, configuration, warnings, and why lockctl asks this one
    #[arg(long, conflicts_with_all = ["lock", "holder", "names"])]
    pub(crate) server_itself: bool,
}

/// `history`
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The lock; without it all of them
    pub(crate) lock: Option<String>,
    /// Only what happened since then (1h). The server remembers the last 50 events of a lock
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) since: Duration,
}

/// `check`
#[derive(Debug, Args)]
#[command(
    after_help = "Prints one line with performance data: `LOCK OK - ...|'oldest'=12s;60;300;0;`. Exit status: 0 OK, 1 WARNING, \
    2 CRITICAL, 3 UNKNOWN, which is everything that keeps it from looking. A threshold is a time (60, 5m) or a range of the \
    monitoring plugins (10:, @1:5); it is exceeded when the value lies outside, or inside after @."
)]
pub(crate) struct Check {
    /// The lock
    pub(crate) lock: String,
    /// WARNING when the first in line has waited for longer
    #[arg(short = 'w', long, value_name = "TIME", value_parser = Threshold::parse, allow_hyphen_values = true)]
    pub(crate) warning: Option<Threshold>,
    /// CRITICAL when the first in line has waited for longer
    #[arg(short = 'c', long, value_name = "TIME", value_parser = Threshold::parse, allow_hyphen_values = true)]
    pub(crate) critical: Option<Threshold>,
    /// Look at how long the oldest holder has held instead
    #[arg(long)]
    pub(crate) holding: bool,
    /// The server, as --server
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    pub(crate) hostname: Option<String>,
    /// Look no longer than that (3)
    #[arg(short = 't', long, value_name = "TIME", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// A range of the monitoring plugins: `[@]START:END`, where a bound is a time, `~` is no bound, and a single one is the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    text: String,
    start: f64,
    end: f64,
    inside: bool,
}

impl Threshold {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "a time such as 60 or 5m, or a range such as 10:, 1:5 or @1:5, is expected".to_owned();
        let (range, inside) = text.strip_prefix('@').map_or((text, false), |range| (range, true));
        let time = |text: &str| seconds(text).map(|time| time.as_secs_f64()).map_err(|_| wrong());
        let (start, end) = match range.split_once(':') {
            None => (0.0, time(range)?),
            Some((start, end)) => (
                if start == "~" { f64::NEG_INFINITY } else { time(start)? },
                if end.is_empty() { f64::INFINITY } else { time(end)? },
            ),
        };
        if start > end {
            return Err(wrong());
        }
        let bound = |value: f64| if value.is_infinite() { String::new() } else { value.to_string() };
        let start_text = if start == f64::NEG_INFINITY { "~".to_owned() } else { bound(start) };
        // In seconds, which is what performance data has.
        let text = match (start, end) {
            (0.0, end) if end.is_finite() => bound(end),
            _ => format!("{start_text}:{}", bound(end)),
        };
        Ok(Self { text: if inside { format!("@{text}") } else { text }, start, end, inside })
    }

    /// Whether the value is to be told of.
    pub(crate) fn is_exceeded(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value) == self.inside
    }

    /// As performance data has it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_of_the_monitoring_plugins() {
        for (text, told, alerts, calm) in [
            ("60", "60", &[60.5, 1e9][..], &[0.0, 60.0][..]),
            ("5m", "300", &[300.1], &[300.0]),
            ("10:", "10:", &[0.0, 9.9], &[10.0, 1e9]),
            ("~:10", "~:10", &[10.1], &[0.0, 10.0]),
            ("1:5", "1:5", &[0.5, 5.5], &[1.0, 5.0]),
            ("@1:5", "@1:5", &[1.0, 5.0], &[0.5, 5.5]),
        ] {
            let threshold = Threshold::parse(text).unwrap();
            assert_eq!(threshold.text(), told);
            assert!(alerts.iter().all(|value| threshold.is_exceeded(*value)), "{text}");
            assert!(calm.iter().all(|value| !threshold.is_exceeded(*value)), "{text}");
        }
        for bad in ["", ":", "x", "5:1", "1:2:3", "@", "-1", "~"] {
            assert!(Threshold::parse(bad).is_err(), "{bad}");
        }
    }
}
