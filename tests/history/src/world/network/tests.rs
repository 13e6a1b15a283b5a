//! What is said of packets is so: what is dropped arrives nowhere and nobody is told, and what is late is late.

use super::{Host, Network, SWITCH, TO_ETCD};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// How long somebody waits for what should not come.
const IN_VAIN: Duration = Duration::from_millis(600);

/// The network that this user can have, and whether it should be one of namespaces.
fn network() -> (Network, bool) {
    let made =
        Command::new("unshare").args(["--net", "ip", "link", "add", "name", "bridge", "type", "bridge"]).output();
    (Network::new(), made.expect("there is unshare").status.success())
}

/// Sockets of a host, or of the switch.
fn within<T: Send>(host: Option<&Host>, network: &Network, act: impl FnOnce() -> T + Send) -> T {
    match host {
        Some(Host(inside)) => inside.as_ref().expect("it is a namespace").namespace.within(act),
        None => network.0.as_ref().expect("it is a namespace").namespace.within(act),
    }
}

/// A listener there, and both ends of a connection to it from here.
fn connected(
    network: &Network,
    from: &Host,
    to: (Option<&Host>, Ipv4Addr),
) -> (SocketAddr, TcpListener, TcpStream, TcpStream) {
    let listener = within(to.0, network, || TcpListener::bind((to.1, 0)).expect("the address is there"));
    let at = listener.local_addr().expect("it listens");
    let near = within(Some(from), network, || TcpStream::connect_timeout(&at, LONG).expect("nothing is cut"));
    let (far, _) = listener.accept().expect("somebody connects");
    (at, listener, near, far)
}

fn arrives(mut from: &TcpStream, to: &TcpStream, patience: Duration) -> bool {
    from.write_all(b"x").expect("the kernel takes it");
    comes(to, patience)
}

fn comes(mut to: &TcpStream, patience: Duration) -> bool {
    to.set_read_timeout(Some(patience)).expect("it is a time");
    match to.read(&mut [0]) {
        Ok(length) => length == 1,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("somebody was told: {error}"),
    }
}

/// No answer at all, rather than a refusal.
fn nothing_answers(network: &Network, from: &Host, at: SocketAddr) {
    let tried = within(Some(from), network, || TcpStream::connect_timeout(&at, IN_VAIN));
    assert_eq!(tried.expect_err("it is cut").kind(), ErrorKind::TimedOut);
}

#[test]
fn who_may_make_namespaces_has_a_network_of_them() {
    let (network, can) = network();
    assert_eq!(network.has_packets(), can, "{network}");
    let (host, other) = (network.host().unwrap(), network.host().unwrap());
    let addresses = [host.at(9090).unwrap(), other.at(9090).unwrap()];
    assert_ne!(addresses[0], addresses[1]);
    assert!(addresses.iter().all(|at| at.ip().is_loopback() != can), "{addresses:?}");
    assert_eq!(network.own(SWITCH).unwrap().ip().is_loopback(), !can);
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let there = std::thread::scope(|scope| {
        scope.spawn(|| network.enter().and_then(|()| std::fs::read_link("/proc/thread-self/ns/net"))).join().unwrap()
    });
    assert_eq!(there.unwrap() != here, can);
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), here, "this thread stays");
}

#[test]
fn a_cut_between_hosts_is_silent_and_one_way() {
    let (network, can) = network();
    if !can {
        // Without namespaces no run draws this fault.
        return assert!(!network.has_packets());
    }
    let (mut near_host, mut far_host) = (network.host().unwrap(), network.host().unwrap());
    let (near_at, far_at) = (near_host.address(), far_host.address());
    let (at, _listener, near, far) = connected(&network, &near_host, (Some(&far_host), far_at));
    assert!(arrives(&near, &far, LONG) && arrives(&far, &near, LONG));

    far_host.stop_hearing(near_at).unwrap();
    assert!(arrives(&far, &near, LONG), "the other way is open");
    assert!(!arrives(&near, &far, IN_VAIN));
    nothing_answers(&network, &near_host, at);
    // Both are reached by others.
    let (_, _other, by_switch, from_host) = connected(&network, &far_host, (None, SWITCH));
    assert!(arrives(&by_switch, &from_host, LONG) && arrives(&from_host, &by_switch, LONG));

    near_host.stop_hearing(far_at).unwrap();
    assert!(!arrives(&far, &near, IN_VAIN));
    far_host.mend().unwrap();
    near_host.mend().unwrap();
    assert!(comes(&near, LONG) && comes(&far, LONG), "what was sent arrives in the end");
    connected(&network, &near_host, (Some(&far_host), far_at));
}

#[test]
fn a_cut_from_etcd_leaves_the_rest_of_a_server_alone() {
    let (network, can) = network();
    if !can {
        // Without namespaces no run draws this fault.
        return assert!(!network.has_packets());
    }
    let (mut server, other) = (network.host().unwrap(), network.host().unwrap());
    let (at, _listener, near, far) = connected(&network, &server, (None, TO_ETCD));
    let (_, _rest, to_switch, in_switch) = connected(&network, &server, (None, SWITCH));
    let (_, _theirs, others, of_other) = connected(&network, &other, (None, TO_ETCD));
    type Cut = fn(&mut Host) -> std::io::Result<()>;
    let requests: Cut = |host| host.stop_reaching(TO_ETCD);
    let answers: Cut = |host| host.stop_hearing(TO_ETCD);
    for (cut, [from, to]) in [(requests, [&near, &far]), (answers, [&far, &near])] {
        cut(&mut server).unwrap();
        assert!(arrives(to, from, LONG));
        assert!(!arrives(from, to, IN_VAIN));
        nothing_answers(&network, &server, at);
        assert!(arrives(&to_switch, &in_switch, LONG) && arrives(&in_switch, &to_switch, LONG));
        assert!(arrives(&others, &of_other, LONG) && arrives(&of_other, &others, LONG));
        server.mend().unwrap();
        assert!(comes(to, LONG));
    }
}

#[test]
fn what_a_slow_host_sends_is_late() {
    const SIZE: usize = 64 * 1024;
    let (network, can) = network();
    if !can {
        // Without namespaces no run draws this fault.
        return assert!(!network.has_slowness());
    }
    assert!(network.has_slowness(), "Linux has one of the two");
    let mut host = network.host().unwrap();
    let (_, _listener, near, far) = connected(&network, &host, (None, SWITCH));
    far.set_read_timeout(Some(LONG)).unwrap();
    host.slow().unwrap();
    let begun = Instant::now();
    (&near).write_all(&[0; SIZE]).unwrap();
    (&far).read_exact(&mut [0; SIZE]).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(150), "{:?}, {network}", begun.elapsed());
    host.mend().unwrap();
    assert!(arrives(&near, &far, LONG));
}
