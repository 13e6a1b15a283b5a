//! Where the server listens, and what it says when it cannot.

use super::super::ListenError;
use super::*;
use std::process::{Command, Stdio};

#[tokio::test]
async fn names_and_addresses_of_both_kinds_are_bound() {
    for (server, is_ipv4) in
        [("127.0.0.1", true), ("localhost", true), ("0.0.0.0", true), ("::", false), ("[::]", false)]
    {
        let listener = Listener::bind(server, 0).await.expect(server);
        assert_eq!(listener.local_addr().is_ipv4(), is_ipv4, "{server}");
        assert_ne!(listener.local_addr().port(), 0, "{server}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_explained() {
    let taken = Listener::bind("127.0.0.1", 0).await.expect("bind");
    let address = taken.local_addr();
    let error = Listener::bind("127.0.0.1", address.port()).await.expect_err("it is taken");
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");

    let error = Listener::bind("192.0.2.1", 0).await.expect_err("documentation's address (RFC 5737)");
    assert!(matches!(error, ListenError::NoSuchAddress { .. }), "{error}");
    let error = Listener::bind("not a host", 0).await.expect_err("no name has blanks");
    assert!(matches!(error, ListenError::Unresolved { .. }), "{error}");
}

/// Runs twice: as the test, and as the service that the test starts with sockets handed over.
#[tokio::test]
async fn a_socket_handed_over_is_taken_instead_of_binding() {
    const ROLE: &str = "LOCKSERVER_TEST_IS_SERVICE";
    if std::env::var_os(ROLE).is_some() {
        match Listener::open("192.0.2.1", 1).await {
            Ok(listener) => println!("took {}", listener.local_addr()),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    // The shell makes standard input descriptor 3, and says so to the very process that it becomes.
    let service = |count: &str, socket: Stdio| {
        let name = "http::connection::tests::listener::a_socket_handed_over_is_taken_instead_of_binding";
        let output = Command::new("sh")
            .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0"#])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, "1")
            .env("LISTEN_FDS", count)
            .stdin(socket)
            .output()
            .expect("start");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = socket.local_addr().expect("address");
    let unconnected = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");

    let said = service("1", Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().expect("clone"))));
    assert!(said.contains(&format!("took {address}")), "{said}");
    let said = service("1", Stdio::from(std::os::fd::OwnedFd::from(unconnected)));
    assert!(said.contains("refused") && said.contains("exactly one listening TCP socket"), "{said}");
    let said = service("2", Stdio::from(std::os::fd::OwnedFd::from(socket)));
    assert!(said.contains("refused") && said.contains("2 sockets"), "{said}");
    let said = service("0", Stdio::null());
    assert!(said.contains("cannot listen on 192.0.2.1:1"), "without one it binds: {said}");
}
