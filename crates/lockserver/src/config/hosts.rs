//! What this machine's own hosts file (hosts(5)) calls an address.

use lock_core::limits::{CONFIG_LIST_MAX, HOSTS_FILE_BYTES_MAX};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

const HOSTS_FILE: &str = "/etc/hosts";

/// The names that this machine's hosts file gives a server that listens on these addresses, in lower case. On a loopback
/// address those of all loopback addresses count: a client that uses one of them is on this machine. Empty without a file.
#[must_use]
pub fn own_names(listens_on: &[IpAddr]) -> Vec<String> {
    let mut text = Vec::new();
    // Without the file there are no names in it; one that fails half-way has told some.
    let file = File::open(HOSTS_FILE).map(|file| file.take(HOSTS_FILE_BYTES_MAX as u64).read_to_end(&mut text));
    drop(file);
    names(&String::from_utf8_lossy(&text), |address| {
        listens_on.iter().any(|one| *one == address || one.is_loopback() && address.is_loopback())
    })
}

/// Whether the hosts file says that a name is a loopback address.
pub(super) fn is_loopback(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    own_names(&[IpAddr::from([127, 0, 0, 1])]).contains(&name)
}

fn names(text: &str, is_ours: impl Fn(IpAddr) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or("").split_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if address.is_some_and(|address| is_ours(address.to_canonical())) {
            found.extend(words.map(|name| name.trim_end_matches('.').to_lowercase()));
        }
    }
    found.sort();
    found.dedup();
    found.truncate(CONFIG_LIST_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_address_are_those_the_hosts_file_gives_it() {
        let text = "127.0.0.1\tlocalhost localhost.localdomain # old habits\n127.0.1.1 Build.example.org. build\n\
                    ::1 ip6-localhost ip6-loopback\n192.0.2.7 locks\n#192.0.2.7 not\nnonsense here\n192.0.2.8\n";
        assert_eq!(names(text, |address| address == IpAddr::from([192, 0, 2, 7])), ["locks"]);
        assert_eq!(
            names(text, |address| address.is_loopback()),
            ["build", "build.example.org", "ip6-localhost", "ip6-loopback", "localhost", "localhost.localdomain"]
        );
        assert_eq!(names("", |_| true), [""; 0]);
        let many: String = (0..5000).map(|n| format!("127.0.0.1 name-{n}\n")).collect();
        assert_eq!(names(&many, |_| true).len(), CONFIG_LIST_MAX);
    }
}
