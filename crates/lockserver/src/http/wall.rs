//! Wall times as the faces show them.

use jiff::Timestamp;
use lock_core::WallMs;

/// RFC 3339, UTC.
pub(super) fn rfc3339(wall: WallMs) -> String {
    let timestamp = i64::try_from(wall).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.unwrap_or(Timestamp::MAX).to_string()
}
