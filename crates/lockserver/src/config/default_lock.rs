//! `DEFAULT_LOCK` and what goes with it: the one lock of 0.36, with 0.36's zeros.

use super::problem::Place;
use super::reader::Reader;
use super::value::{quote, seconds, whole};
use lock_core::limits::{GRACE_MIN_MS, PERMITS_MAX, TTL_MAX_MS};
use lock_core::{Capacity, LockName, Ms, Settings};

const NAME: &str = "DefaultLock";

/// The lock of `DEFAULT_LOCK`.
pub(super) struct DefaultLock {
    pub(super) name: LockName,
    pub(super) settings: Settings,
    /// `DEFAULT_LOCK_SIZE=0`.
    pub(super) paused: bool,
    /// Where its size 0 stands.
    pub(super) paused_place: Place,
}

impl Reader<'_> {
    /// The lock, unless `DEFAULT_LOCK` is empty.
    pub(super) fn default_lock(&mut self) -> Option<DefaultLock> {
        let mut settings = Settings::new(1);
        let mut paused = false;
        let mut paused_place = Place::elsewhere("DEFAULT_LOCK_SIZE");
        if let Some((text, place)) = self.text("DEFAULT_LOCK_SIZE") {
            if let Some(size) = self.default_size(&text, &place) {
                paused = size == 0;
                settings.capacity = Capacity::Size(size.max(1));
            }
            paused_place = place;
        }
        if let Some((ms, place)) = self.old_time("DEFAULT_LOCK_GRACE_TIME") {
            if ms < GRACE_MIN_MS {
                self.report.warn(&place, "a grant waits at least 1 second to be claimed: 1 counts");
            }
            settings.grace = ms.max(GRACE_MIN_MS);
        }
        if let Some((ms, place)) = self.old_time("DEFAULT_LOCK_EXPIRATION_TIME") {
            if ms == 0 {
                self.report.warn(&place, "0 means that a query in the queue never expires");
            }
            settings.expiration = (ms > 0).then_some(ms);
        }
        if let Some((ms, place)) = self.old_time("DEFAULT_LOCK_MAX_LOCK_TIME") {
            if ms == 0 {
                self.report.warn(&place, "0 means that a held lock is never taken back");
            }
            settings.max_lock = (ms > 0).then_some(ms);
        }
        let name = self.default_name()?;
        Some(DefaultLock { name, settings, paused, paused_place })
    }

    fn default_name(&mut self) -> Option<LockName> {
        let Some((text, place)) = self.text("DEFAULT_LOCK") else {
            return Some(LockName::new(NAME).expect("a good name"));
        };
        if text.is_empty() {
            return None;
        }
        let hint = if text.ends_with('*') { "; for a template write a section [lock NAME*]" } else { "" };
        self.checked(&place, LockName::new(&text).map_err(|error| format!("{}: {error}{hint}", quote(&text))))
    }

    /// 0 is left to the caller; what is over the bound becomes the bound, which is as good as endless.
    fn default_size(&mut self, text: &str, place: &Place) -> Option<u32> {
        let size = self.checked(place, whole(text))?;
        if size > u64::from(PERMITS_MAX) {
            self.report.warn(place, format!("{} is more than a lock can have: {PERMITS_MAX} counts", quote(text)));
        }
        Some(u32::try_from(size).unwrap_or(PERMITS_MAX).min(PERMITS_MAX))
    }

    fn old_time(&mut self, name: &'static str) -> Option<(Ms, Place)> {
        let (text, place) = self.text(name)?;
        let ms = self.checked(&place, seconds(&text))?;
        if ms > TTL_MAX_MS {
            let max = TTL_MAX_MS / 1000;
            let problem = format!("{} is longer than 30 days: {max} counts; write 0 for never", quote(&text));
            self.report.warn(&place, problem);
        }
        Some((ms.min(TTL_MAX_MS), place))
    }
}
