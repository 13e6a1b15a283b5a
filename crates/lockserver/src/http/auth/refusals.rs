//! Which refusals have a line in the audit log: nobody fills it by being refused, and nothing goes uncounted.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lock_core::limits::AUDIT_ADDRESSES_MAX;
use lock_core::network;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// Refusals of an address that have a line each, before they are counted.
const BURST: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
/// Refusals of an address that have a line each, each second, after that.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// So many that are only counted are worth a line in any case.
const UNLISTED_MAX: u64 = 1000;

/// Which refusals have a line.
#[derive(Debug)]
pub(in crate::http) struct Refusals {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    unlisted: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        let by_address = RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST));
        Self { by_address, unlisted: AtomicU64::new(0) }
    }
}

impl Refusals {
    /// How many without a line the line of this one tells of; `None` if it has none itself.
    pub(super) fn list(&self, from: Option<IpAddr>) -> Option<u64> {
        let listed = from.is_none_or(|address| {
            if self.by_address.len() >= AUDIT_ADDRESSES_MAX {
                self.by_address.retain_recent();
            }
            self.by_address.len() < AUDIT_ADDRESSES_MAX && self.by_address.check_key(&network(address)).is_ok()
        });
        if listed || self.unlisted.load(Ordering::Relaxed) >= UNLISTED_MAX {
            return Some(self.unlisted.swap(0, Ordering::Relaxed));
        }
        self.unlisted.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_does_not_fill_the_log_and_nothing_goes_uncounted() {
        let refusals = Refusals::default();
        let address = Some("192.0.2.1".parse().unwrap());
        let lists: Vec<Option<u64>> = (0..5000).map(|_| refusals.list(address)).collect();
        assert!(lists[..50].iter().all(|one| *one == Some(0)));
        let listed = lists.iter().flatten().count() as u64;
        let told: u64 = lists.iter().flatten().sum();
        // More than a second may pass on a busy machine, and each gives ten more.
        assert!(listed < 2000, "{listed}");
        assert_eq!(listed + told + refusals.unlisted.load(Ordering::Relaxed), 5000);
        assert!(refusals.list(Some("192.0.2.2".parse().unwrap())).is_some(), "others have their own");
        assert!((0..100).all(|_| refusals.list(None).is_some()), "administrators' own are never left out");
    }
}
