//! Wall times, which are only shown: for people, for names of files, and for counters that begin at the clock.

use jiff::Timestamp;
use lock_core::WallMs;

/// A time that is out of range, which only a damaged store holds, is the last one there is.
pub(crate) fn timestamp(wall: WallMs) -> Timestamp {
    i64::try_from(wall).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// RFC 3339, UTC.
pub(crate) fn rfc3339(wall: WallMs) -> String {
    timestamp(wall).to_string()
}

/// Now, in RFC 3339, UTC, to the second.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As [`now`], for the name of a file.
pub(crate) fn for_a_name() -> String {
    Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Microseconds since 1970: where the counters of a copy begin (rule 10).
pub(crate) fn now_us() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
}
