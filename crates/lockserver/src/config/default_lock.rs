//! `DEFAULT_LOCK` and what goes with it: the one lock of 0.36, with 0.36's zeros.

use super::problem::Place;
use super::setting::Value;
use super::value::{quote, seconds, whole};
use lock_core::limits::{GRACE_MIN_MS, PERMITS_MAX, TTL_MAX_MS};
use lock_core::{Capacity, LockName, Ms, Settings};

/// The lock of `DEFAULT_LOCK`.
pub(super) struct DefaultLock {
    /// None if that is empty.
    pub(super) name: Option<LockName>,
    pub(super) settings: Settings,
    /// Where `DEFAULT_LOCK_SIZE=0` stands, which pauses it.
    pub(super) paused: Option<Place>,
}

impl Default for DefaultLock {
    fn default() -> Self {
        Self { name: None, settings: Settings::new(1), paused: None }
    }
}

/// Reads `DEFAULT_LOCK`.
pub(super) fn name(text: &str) -> Result<Option<LockName>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let hint = if text.ends_with('*') { "; for a template write a section [lock NAME*]" } else { "" };
    LockName::new(text).map(Some).map_err(|error| format!("{}: {error}{hint}", quote(text)))
}

/// Reads `DEFAULT_LOCK_SIZE`.
pub(super) fn read_size(lock: &mut DefaultLock, value: &mut Value<'_>) {
    let mut size = 1;
    value.put(&mut size, whole);
    if size > u64::from(PERMITS_MAX) {
        value.warn(format!("{} is more than a lock can have; {PERMITS_MAX} is used", quote(value.text)));
    }
    lock.paused = (size == 0).then(|| value.place.clone());
    lock.settings.capacity = Capacity::Size(u32::try_from(size).unwrap_or(PERMITS_MAX).clamp(1, PERMITS_MAX));
}

/// Reads `DEFAULT_LOCK_GRACE_TIME`.
pub(super) fn read_grace(grace: &mut Ms, value: &mut Value<'_>) {
    read_time(grace, value);
    if *grace < GRACE_MIN_MS {
        value.warn("a grant waits at least 1 second to be claimed; 1 is used");
        *grace = GRACE_MIN_MS;
    }
}

/// Reads a lease, of which 0 is endless: `zero` warns of that.
pub(super) fn read_lease(lease: &mut Option<Ms>, value: &mut Value<'_>, zero: &str) {
    let mut ms = 1;
    read_time(&mut ms, value);
    if ms == 0 {
        value.warn(zero);
    }
    *lease = (ms > 0).then_some(ms);
}

/// What is over the bound becomes the bound, which is as good as endless.
fn read_time(ms: &mut Ms, value: &mut Value<'_>) {
    value.put(ms, seconds);
    if *ms > TTL_MAX_MS {
        let max = TTL_MAX_MS / 1000;
        value.warn(format!("{} is longer than 30 days; {max} is used. Write 0 for never", quote(value.text)));
        *ms = TTL_MAX_MS;
    }
}
