//! Wall times, which are only shown: for people, for names of files, and for counters that begin at the clock. A clock that stands
//! before 1970 or after 9999 is shown as the nearest time between. (Linux itself sets none before 1970; HTTP/1 in `hyper` would not survive it.)
//! And the monotonic clock, which tells how old something is.

use jiff::Timestamp;
use lock_core::{Ms, WallMs};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds of the monotonic clock, which is the machine's: from its start.
pub(crate) fn mono_ms() -> Ms {
    since_boot(ClockId::Monotonic)
}

/// Milliseconds since the start of the machine, those included in which it slept: the clock of leases that somebody else counts.
pub(crate) fn boot_ms() -> Ms {
    since_boot(ClockId::Boottime)
}

fn since_boot(clock: ClockId) -> Ms {
    let since_boot = clock_gettime(clock);
    let seconds = u64::try_from(since_boot.tv_sec).expect("this clock begins at 0");
    seconds * 1000 + u64::try_from(since_boot.tv_nsec).expect("a part of a second") / 1_000_000
}

/// A time that is out of range, which only a damaged store holds, is the last one there is.
pub(crate) fn timestamp(wall: WallMs) -> Timestamp {
    i64::try_from(wall).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// RFC 3339, UTC.
pub(crate) fn rfc3339(wall: WallMs) -> String {
    let mut text = Vec::with_capacity(RFC3339_BYTES_MAX);
    write_rfc3339(&mut text, wall);
    String::from_utf8(text).expect("digits")
}

/// `9999-12-30T22:00:00.999999999Z`
const RFC3339_BYTES_MAX: usize = 30;

/// The same as a [`Timestamp`] prints, without the detour: answers have up to five times each.
pub(crate) fn write_rfc3339(out: &mut Vec<u8>, wall: WallMs) {
    if wall / 1000 >= u64::try_from(Timestamp::MAX.as_second()).unwrap_or(0) {
        out.extend_from_slice(timestamp(wall).to_string().as_bytes());
        return;
    }
    let (ms, seconds) = ((wall % 1000) as u32, wall / 1000);
    let (second, days) = ((seconds % 86_400) as u32, seconds / 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text, 0, year / 100);
    put(&mut text, 2, year % 100);
    put(&mut text, 5, month);
    put(&mut text, 8, day);
    put(&mut text, 11, second / 3600);
    put(&mut text, 14, second / 60 % 60);
    put(&mut text, 17, second % 60);
    put(&mut text, 20, ms / 10);
    text[22] = b'0' + (ms % 10) as u8;
    // A fraction has no zeros at its end.
    let length = match ms {
        0 => 19,
        _ if ms % 100 == 0 => 21,
        _ if ms % 10 == 0 => 22,
        _ => 23,
    };
    text[length] = b'Z';
    out.extend_from_slice(&text[..=length]);
}

/// Two digits.
fn put(text: &mut [u8; 24], at: usize, number: u32) {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

/// Year, month and day of so many days after 1970-01-01 in the Gregorian calendar, by years that begin in March: the leap day
/// is their last, and months before it have 153 days in each five.
fn civil(days: u64) -> (u32, u32, u32) {
    // From 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, (days % 146_097) as u32);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era as u32 * 400 + year + next, month, day)
}

/// Time since 1970 by the system's clock; at most what a [`Timestamp`] can be.
pub(crate) fn since_1970() -> Duration {
    #[cfg(test)]
    if let Some(set) = CLOCK.get() {
        return within(set);
    }
    within(SystemTime::now())
}

#[cfg(test)]
thread_local! {
    /// What the system's clock says to this thread, if a test has set it.
    pub(crate) static CLOCK: std::cell::Cell<Option<SystemTime>> = const { std::cell::Cell::new(None) };
}

fn within(now: SystemTime) -> Duration {
    let last = Duration::from_millis(u64::try_from(Timestamp::MAX.as_millisecond()).unwrap_or(0));
    now.duration_since(UNIX_EPOCH).unwrap_or_default().min(last)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> WallMs {
    WallMs::try_from(since_1970().as_millis()).unwrap_or(WallMs::MAX)
}

pub(crate) fn now_timestamp() -> Timestamp {
    let nanosecond = i128::try_from(since_1970().as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanosecond(nanosecond).unwrap_or(Timestamp::MAX)
}

/// Now as HTTP's `Date` has it.
pub(crate) fn http_date() -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + since_1970())
}

/// Now, in RFC 3339, UTC, to the second.
pub(crate) fn now() -> String {
    now_timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As [`now`], for the name of a file.
pub(crate) fn for_a_name() -> String {
    now_timestamp().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Microseconds since 1970: where the counters of a copy begin (rule 10).
pub(crate) fn now_us() -> u64 {
    u64::try_from(since_1970().as_micros()).unwrap_or(0)
}

/// A time for people: its two largest units.
pub(crate) fn span(ms: Ms) -> String {
    let s = ms / 1000;
    let two = |a: u64, first: &str, b: u64, second: &str| match b {
        0 => format!("{a}\u{a0}{first}"),
        b => format!("{a}\u{a0}{first} {b}\u{a0}{second}"),
    };
    match s {
        0..60 => format!("{s}\u{a0}s"),
        60..3600 => two(s / 60, "min", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds * 1000).replace('\u{a0}', " "), text);
        }
    }

    #[test]
    fn times_are_written_as_timestamps_print_them() {
        let day = 86_400_000;
        // From 1970 to the last day that there is, at another time of each.
        for days in (0..=2_932_895).step_by(11) {
            let wall = days * day + days * 7_919_993 % day;
            assert_eq!(rfc3339(wall), timestamp(wall).to_string());
        }
        for ms in 0..2000 {
            let wall = 951_782_400_000 - 1000 + ms;
            assert_eq!(rfc3339(wall), timestamp(wall).to_string());
        }
        let last = WallMs::try_from(Timestamp::MAX.as_millisecond()).unwrap();
        for wall in (last - 2000..last + 2000).chain([WallMs::MAX]) {
            assert_eq!(rfc3339(wall), timestamp(wall).to_string());
        }
    }

    #[test]
    fn a_clock_before_1970_or_after_9999_can_be_shown() {
        assert_eq!(within(UNIX_EPOCH - Duration::from_secs(1)), Duration::ZERO);
        let late = within(UNIX_EPOCH + Duration::from_secs(300_000_000_000));
        assert!(rfc3339(u64::try_from(late.as_millis()).unwrap()).starts_with("9999-12-"));
        assert!(httpdate::fmt_http_date(UNIX_EPOCH + late).contains("Dec 9999"));
        assert!(rfc3339(WallMs::MAX).starts_with("9999-12-"));
        let (seconds, now) = (since_1970().as_secs(), now_timestamp().as_second());
        assert!(u64::try_from(now).unwrap() - seconds < 60, "it is the clock otherwise");
    }
}
