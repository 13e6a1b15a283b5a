//! Wall times for people and for names of files.

use jiff::Timestamp;
use lock_core::WallMs;

/// RFC 3339, UTC, to the second.
pub(super) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As [`now`], for the name of a file.
pub(super) fn for_a_name() -> String {
    Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Microseconds since 1970: where the counters of a copy begin (rule 10).
pub(super) fn now_us() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
}

/// RFC 3339, UTC. A time that is out of range, which only a damaged store holds, is the last one there is.
pub(super) fn rfc3339(wall: WallMs) -> String {
    let time = i64::try_from(wall).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}
