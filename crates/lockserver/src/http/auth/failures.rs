//! Wrong keys are slowed, by the address they come from.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Wrong keys of an address that are answered at once, before they are slowed.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Wrong keys of an address that are answered at once, each second, after that.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
/// How long the answer to another one is kept back.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Answers kept back at a time; more are given at once, and their connection closed.
const KEPT_BACK_MAX: usize = 1000;
/// Addresses that are counted; while there are more, those that are new count as slowed already.
const ADDRESSES_MAX: usize = 10_000;

/// How a wrong key is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// At once, and it is worth a line in the log.
    AtOnce,
    /// Slowly.
    Slowed,
}

/// Wrong keys by address.
#[derive(Debug)]
pub(in crate::http) struct Failures {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    kept_back: Semaphore,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_address: RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            kept_back: Semaphore::new(KEPT_BACK_MAX),
        }
    }
}

impl Failures {
    /// Another one from this address.
    pub(super) fn note(&self, address: IpAddr) -> Pace {
        if self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.retain_recent();
            if self.by_address.len() >= ADDRESSES_MAX {
                return Pace::Slowed;
            }
        }
        match self.by_address.check_key(&network(address)) {
            Ok(()) => Pace::AtOnce,
            Err(_) => Pace::Slowed,
        }
    }

    /// Keeps an answer back for a while; false at once if too many are.
    pub(super) async fn keep_back(&self) -> bool {
        let Ok(_place) = self.kept_back.try_acquire() else { return false };
        super::super::metrics::note_wait();
        tokio::time::sleep(PAUSE).await;
        true
    }
}

/// Whoever has an IPv6 address usually has the whole network of 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slowed_and_others_are_not() {
        let failures = Failures::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let paces: Vec<Pace> = (0..200).map(|_| failures.note(one)).collect();
        assert!(paces[..10].iter().all(|pace| *pace == Pace::AtOnce));
        // More than a second may pass on a busy machine, and each gives one more.
        assert!(paces.iter().filter(|pace| **pace == Pace::Slowed).count() > 100);
        assert_eq!(failures.note("192.0.2.2".parse().unwrap()), Pace::AtOnce);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let failures = Failures::default();
        let note = |text: &str| failures.note(text.parse().unwrap());
        for host in 0..200 {
            note(&format!("2001:db8::{host:x}"));
        }
        assert_eq!(note("2001:db8::ffff:1"), Pace::Slowed);
        assert_eq!(note("2001:db8:0:1::1"), Pace::AtOnce);
    }

    #[test]
    fn so_many_addresses_and_no_more() {
        let failures = Failures::default();
        for host in 0..=u32::try_from(ADDRESSES_MAX).unwrap() {
            failures.note(IpAddr::from((0x0a00_0000_u32 + host).to_be_bytes()));
        }
        assert!(failures.by_address.len() <= ADDRESSES_MAX);
    }
}
