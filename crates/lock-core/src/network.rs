//! Whom an address stands for where clients are counted by address.

// Of `core`: addresses are words in here, and there are no sockets.
use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The network that counts as one client: an IPv4 address is one, written as IPv6 (`::ffff:192.0.2.1`) too; of IPv6 it is
/// the network of 64 bits, for the user of one address of it usually has them all. Every bound "per address" counts by
/// it, so that no bound is another client's who has more addresses. What is shown stays the address.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        four @ IpAddr::V4(_) => four,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
    }
}

/// [`network`] of what a ticket shows as `from`: `2001:db8::/64` for an IPv6 address. A user of this machine (`uid:0`),
/// like all else that is no address, counts for itself.
#[must_use]
pub fn network_name(from: &Arc<str>) -> Arc<str> {
    // All that differs from its network has a colon; most clients have none.
    match from.contains(':').then(|| from.parse()) {
        Some(Ok(address)) => match network(address) {
            four @ IpAddr::V4(_) => Arc::from(four.to_string()),
            six @ IpAddr::V6(_) => Arc::from(format!("{six}/64")),
        },
        _ => Arc::clone(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_client_has_counts_as_one() {
        let name = |from: &str| network_name(&Arc::from(from)).to_string();
        for (from, counts_as) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("uid:0", "uid:0"),
            ("uid:1000", "uid:1000"),
            ("", ""),
        ] {
            assert_eq!(name(from), counts_as, "{from}");
            if let Ok(address) = from.parse() {
                let shown = network(address).to_string();
                assert_eq!(shown, counts_as.trim_end_matches("/64"), "{from}: one answer for all");
            }
        }
    }
}
