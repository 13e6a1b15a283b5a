//! Until when this server surely leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// This much earlier than etcd a leader takes its lease for ended.
const MARGIN: Duration = Duration::from_secs(1);

/// Until when this server surely leads, by a clock that goes on while the machine sleeps (`CLOCK_BOOTTIME`). All copies are
/// one, and reading it waits for nobody.
#[derive(Debug, Clone, Default)]
pub(super) struct Authority {
    until_ms: Arc<AtomicU64>,
}

impl Authority {
    /// Whether this server surely leads now.
    #[must_use]
    pub(super) fn holds(&self) -> bool {
        !self.left().is_zero()
    }

    /// How long it surely leads from now on; nothing if it does not.
    #[must_use]
    pub(super) fn left(&self) -> Duration {
        Duration::from_millis(self.until_ms.load(Ordering::Acquire).saturating_sub(crate::wall::boot_ms()))
    }

    /// etcd has answered a request that was sent then: the lease lasts that long from its arrival on, which was later.
    pub(super) fn extend(&self, sent_ms: u64, lease: Duration) {
        let lease = lease.saturating_sub(MARGIN).as_millis();
        let until = sent_ms.saturating_add(u64::try_from(lease).unwrap_or(u64::MAX));
        self.until_ms.fetch_max(until, Ordering::AcqRel);
    }

    /// It is over.
    pub(super) fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_a_second_less_than_the_lease_and_from_the_sending_on() {
        let (authority, now) = (Authority::default(), crate::wall::boot_ms());
        assert!(!authority.holds());
        authority.extend(now, MARGIN);
        assert!(!authority.holds(), "a lease of a second is none");
        authority.extend(now.saturating_sub(7000), Duration::from_secs(8));
        assert!(!authority.holds(), "the answer came too late");
        authority.extend(now, Duration::from_secs(61));
        assert!(authority.left() <= Duration::from_secs(60) && authority.holds());
        authority.extend(now, Duration::from_secs(2));
        assert!(authority.left() > Duration::from_secs(2), "an answer that was late takes nothing away");
        let copy = authority.clone();
        authority.end();
        assert!(!copy.holds());
    }
}
