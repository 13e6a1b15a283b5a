//! Times for people: how long ago first, and with each time of day its zone.

use crate::say::clean;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::time::Duration;

/// A duration as people say it.
pub(crate) fn human(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0 => format!("{:.1} s", duration.as_secs_f64()),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

/// A time of the server's, to compare it with others: as text, half a second comes after 0.51 s.
pub(crate) fn instant(time: &str) -> Option<Timestamp> {
    time.parse().ok()
}

/// How long ago a time of the server's was, by this machine's clock; nothing if it is no time.
pub(crate) fn since(time: &str) -> Option<Duration> {
    Some(Duration::try_from(Timestamp::now().duration_since(instant(time)?)).unwrap_or_default())
}

/// The same in words; nothing without a time.
pub(crate) fn age(time: Option<&str>) -> String {
    time.and_then(since).map(human).unwrap_or_default()
}

/// A time of the server's here: day, time and zone.
pub(crate) fn moment(time: &str) -> String {
    here(time, &TimeZone::system()).map_or_else(|| clean(time), |at| at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string())
}

/// The same without the day, if that is today's.
pub(super) fn brief(time: Option<&str>) -> String {
    let Some(time) = time else { return String::new() };
    let today = Zoned::now().date();
    match here(time, &TimeZone::system()) {
        Some(at) if at.date() == today => at.strftime("%H:%M:%S %Z").to_string(),
        _ => moment(time),
    }
}

fn here(time: &str, zone: &TimeZone) -> Option<Zoned> {
    Some(instant(time)?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_as_such() {
        let [earlier, later] = ["2026-11-27T04:16:27.5Z", "2026-11-27T04:16:27.512Z"].map(instant);
        assert!(earlier < later && earlier.is_some());
    }

    #[test]
    fn durations_for_people() {
        for (ms, text) in
            [(250, "0.2 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_661_000, "1 h 1 min"), (90_061_000, "1 d 1 h")]
        {
            assert_eq!(human(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn times_are_told_with_their_zone() {
        let at = |zone: &str| {
            let zone = TimeZone::posix(zone).unwrap();
            here("2026-05-04T03:02:01.5Z", &zone).unwrap().strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        };
        assert_eq!(at("EST5"), "2026-05-03 22:02:01 EST");
        assert_eq!(at("CET-1CEST,M3.5.0,M10.5.0/3"), "2026-05-04 05:02:01 CEST");
        assert_eq!(moment("yesterday\n"), "yesterday\u{fffd}");
        assert_eq!((since("yesterday"), age(None)), (None, String::new()));
        assert_eq!(since("2999-01-01T00:00:00Z"), Some(Duration::ZERO), "a clock that is behind is no reason to panic");
    }
}
