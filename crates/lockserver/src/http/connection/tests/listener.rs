//! Where the server listens, and what it says when it cannot.

use super::super::{HandedOver, KEPT, ListenError};
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

/// Runs twice: as the test, and as the service that the test starts with sockets handed over. A process of its own shares
/// its environment with no other test.
#[tokio::test]
async fn sockets_that_are_handed_over_are_taken_instead_of_binding() {
    const ROLE: &str = "LOCKSERVER_TEST_IS_SERVICE";
    if let Some(server) = std::env::var_os(ROLE) {
        #[expect(unsafe_code, reason = "the harness has threads; none of them looks at the environment")]
        // SAFETY: see above; the test's own process does not come here.
        let handed = unsafe { HandedOver::take() };
        let left = std::env::vars().filter(|(name, _)| name.starts_with("LISTEN_")).count();
        let said = match handed {
            Ok(mut handed) => {
                let let_go = handed.drop_unfit(server.to_str().expect("text"), 0).await;
                match Listener::open("192.0.2.1", 1, handed).await {
                    Ok(listener) => format!("{:?} {:?}", listener.origin(), listener.addresses()),
                    Err(ListenError::NoSuchAddress { .. }) => format!("bound, let_go {let_go}"),
                    Err(error) => format!("refused: {error}"),
                }
            }
            Err(error) => format!("refused: {error}"),
        };
        crate::say::done(format_args!("said {said}, left {left}"));
        return;
    }
    // The shell makes standard input descriptor 3, standard error 4, and says so to the very process that it becomes.
    let service = |server: &str, names: &str, three: Stdio, four: Stdio| {
        let name = "http::connection::tests::listener::sockets_that_are_handed_over_are_taken_instead_of_binding";
        let output = Command::new("sh")
            .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@" 3<&0 4<&2"#])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, server)
            .env("LISTEN_FDNAMES", names)
            .env("LISTEN_FDS", if names.is_empty() { 0 } else { names.split(':').count() }.to_string())
            .stdin(three)
            .stderr(four)
            .output()
            .expect("start");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.contains(", left 0"), "{said}");
        said
    };
    let fd =
        |socket: &std::net::TcpListener| Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().expect("clone")));
    let bind = |at: &str| std::net::TcpListener::bind(at).expect("bind");
    let (first, second) = (bind("127.0.0.1:0"), bind("[::1]:0"));
    let (one, two) = (first.local_addr().expect("address"), second.local_addr().expect("address"));
    let udp = || Stdio::from(std::os::fd::OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").expect("bind")));
    let unix = || {
        let directory = tempfile::tempdir().expect("directory");
        let socket = std::os::unix::net::UnixListener::bind(directory.path().join("s")).expect("bind");
        Stdio::from(std::os::fd::OwnedFd::from(socket))
    };

    let said = |text: String, wanted: &str| assert!(text.contains(wanted), "{text} has no {wanted}");
    said(service("127.0.0.1", "lockserver.socket", fd(&first), Stdio::null()), &format!("said Given [{one}]"));
    said(service("127.0.0.1", "v4:v6", fd(&first), fd(&second)), &format!("said Given [{one}, {two}]"));
    said(service("127.0.0.1", "", Stdio::null(), Stdio::null()), "said bound, let_go false");
    // What was kept counts where the configuration says the same, and beside nothing of a socket unit.
    said(service("127.0.0.1", KEPT, fd(&first), Stdio::null()), &format!("said Kept [{one}]"));
    said(service("not a host", KEPT, fd(&first), Stdio::null()), &format!("said Kept [{one}]"));
    said(service("127.0.0.2", KEPT, fd(&first), Stdio::null()), "said bound, let_go true");
    said(service("127.0.0.1", &format!("x:{KEPT}"), fd(&second), fd(&first)), &format!("said Given [{two}]"));
    // What cannot be used is refused, by its name.
    said(
        service("127.0.0.1", "good:bad", fd(&first), udp()),
        "refused: the service manager handed over (LISTEN_FDS) 'bad'",
    );
    said(service("127.0.0.1", "admin", unix(), Stdio::null()), "takes listening TCP sockets only");
    let connected = std::net::TcpStream::connect(one).expect("connect");
    let connected = Stdio::from(std::os::fd::OwnedFd::from(connected));
    said(service("127.0.0.1", "stream", connected, Stdio::null()), "'stream', a socket that does not listen");
}
