//! Wrong keys are slowed, by the address they come from.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lock_core::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wrong keys of an address that are answered at once, before they are slowed.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// Wrong keys of an address that are answered at once, each second, after that.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
/// How long the answer to another one is kept back.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Answers kept back at a time; more are given at once, and their connection closed.
const KEPT_BACK_MAX: usize = 1000;
/// Of those, the answers to one address: nobody's wrong keys take the place of others'.
const KEPT_BACK_SHARE: usize = 50;
/// Addresses that are counted; while there are more, those that are new count as slowed already.
const ADDRESSES_MAX: usize = 10_000;

/// How a wrong key is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// At once, and it is worth a line in the log.
    AtOnce,
    Slowed,
}

/// Wrong keys by address.
#[derive(Debug)]
pub(in crate::http) struct Failures {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    kept_back: Mutex<KeptBack>,
}

/// Answers that are kept back, of everybody and by network.
#[derive(Debug, Default)]
struct KeptBack {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of one that is kept back.
struct Place<'f> {
    failures: &'f Failures,
    network: IpAddr,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            by_address: RateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            kept_back: Mutex::default(),
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

    /// Keeps an answer to this address back for a while; false at once if too many are.
    pub(super) async fn keep_back(&self, address: IpAddr) -> bool {
        let Some(_place) = self.place(network(address)) else { return false };
        super::super::waited::note();
        tokio::time::sleep(PAUSE).await;
        true
    }

    fn place(&self, network: IpAddr) -> Option<Place<'_>> {
        let mut kept_back = self.kept_back();
        let KeptBack { all, by_network } = &mut *kept_back;
        let own = by_network.get(&network).copied().unwrap_or(0);
        if *all >= KEPT_BACK_MAX || own >= KEPT_BACK_SHARE {
            return None;
        }
        *all += 1;
        by_network.insert(network, own + 1);
        Some(Place { failures: self, network })
    }

    fn kept_back(&self) -> MutexGuard<'_, KeptBack> {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut kept_back = self.failures.kept_back();
        kept_back.all -= 1;
        if let Some(own) = kept_back.by_network.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                kept_back.by_network.remove(&self.network);
            }
        }
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
    fn no_address_takes_the_places_of_kept_back_answers_from_others() {
        let failures = Failures::default();
        let place = |text: &str| failures.place(network(text.parse().unwrap()));
        let taken: Vec<_> = (0..KEPT_BACK_MAX).map_while(|_| place("192.0.2.1")).collect();
        assert_eq!(taken.len(), KEPT_BACK_SHARE);
        let other = place("192.0.2.2");
        assert!(other.is_some());
        let six: Vec<_> = (0..KEPT_BACK_MAX).map_while(|host| place(&format!("2001:db8::{host:x}"))).collect();
        assert_eq!(six.len(), KEPT_BACK_SHARE, "a network of 64 bits is one address");
        drop((taken, other, six));
        assert!(failures.kept_back().all == 0 && failures.kept_back().by_network.is_empty());
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
