//! The bounds: time of a head, time without requests, number of connections, errors of accepting, threads for what takes long.

use super::super::stream::{Accept, Peer, Stream};
use super::*;
use crate::http::reads::Reads;
use lock_core::limits::CONNECTIONS_IN_LINE_MAX;
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::task::Poll;

#[tokio::test]
async fn a_slow_head_is_cut_and_an_idle_connection_stays() {
    let limits = Limits { header_time: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    let mut idle = server.client().await;
    idle.expect("/hello", "hello").await;
    let untouched = server.client().await;

    let mut slow = server.client().await;
    let began = Instant::now();
    slow.send("GET /hello HTTP/1.1\r\n").await;
    // A byte now and then does not help.
    let mut byte = [0];
    loop {
        let end = tokio::time::timeout(Duration::from_millis(10), slow.0.read(&mut byte)).await;
        match end {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => panic!("an answer to half a request"),
            Err(_) => drop(slow.0.write_all(b"x").await),
        }
        assert!(began.elapsed() < PATIENCE);
    }
    assert!(began.elapsed() >= Duration::from_millis(100));

    idle.expect("/hello", "hello").await;
    // Line ends alone are no request (older clients send some after a body), so no clock runs.
    let mut untouched = untouched;
    untouched.send("\r\n").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    untouched.expect("/hello", "hello").await;
}

#[tokio::test]
async fn a_slow_head_is_cut_sooner_while_most_places_are_taken() {
    let limits = |seconds| Limits { header_time: Duration::from_secs(seconds), ..Limits::default() };
    let roomy = Server::start(limits(2)).await;
    // A quarter of twice as long.
    let pressed = Server::start(Limits { connections: 4, ..limits(4) }).await;
    let _others = [pressed.client().await, pressed.client().await];
    let (mut first, mut second) = (roomy.client().await, pressed.client().await);
    first.send("G").await;
    second.send("G").await;
    tokio::select! {
        biased;
        rest = second.rest() => assert_eq!(rest, ""),
        _ = first.rest() => panic!("it has all its time"),
    }
}

#[tokio::test]
async fn an_idle_connection_ends_in_time() {
    let limits = Limits { idle_time: Duration::from_millis(300), ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut silent = server.client().await;
    assert_eq!(silent.rest().await, "");
    // A request that waits is not idle.
    let (mut waiting, _) = server.waiting().await;
    let early = tokio::time::timeout(Duration::from_millis(500), waiting.0.read_u8()).await;
    assert!(early.is_err());
    server.go.add_permits(1);
    assert!(waiting.rest().await.ends_with("waited"));
}

#[tokio::test]
async fn at_the_limit_the_one_idle_longest_leaves() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let (mut first, mut second) = (server.client().await, server.client().await);
    first.expect("/hello", "hello").await;
    second.expect("/hello", "hello").await;
    // The first one is used again, so the second is idle for longer now.
    first.expect("/hello", "hello").await;
    let (mut waiting, _) = server.waiting().await;
    let mut newcomer = server.client().await;
    newcomer.expect("/hello", "hello").await;
    assert_eq!(second.rest().await, "");
    first.expect("/hello", "hello").await;
    newcomer.expect("/hello", "hello").await;
    server.go.add_permits(1);
    assert_eq!(waiting.answer().await.1, "waited");
}

#[tokio::test]
async fn without_an_idle_one_the_new_connection_waits() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let (mut waiting, _) = server.waiting().await;
    let mut newcomer = server.client().await;
    newcomer.get("/hello").await;
    let early = tokio::time::timeout(Duration::from_millis(50), newcomer.0.read_u8()).await;
    assert!(early.is_err(), "there is no slot");
    server.go.add_permits(1);
    assert_eq!(waiting.answer().await.1, "waited");
    assert_eq!(newcomer.answer().await.1, "hello");
    assert_eq!(waiting.rest().await, "", "it was idle, and left");
}

#[tokio::test]
async fn unfinished_heads_of_one_address_give_way_to_another() {
    let limits = Limits { connections: 32, header_time: PATIENCE * 3, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut early = server.client().await;
    early.expect("/hello", "hello").await;
    let mut crowd = Vec::new();
    for n in 0..100 {
        let mut one = server.client_from("127.0.0.2").await;
        if n % 2 == 0 {
            one.send("G").await;
        }
        crowd.push(one);
        if n % 4 == 3 {
            server.client().await.expect("/hello", "hello").await;
        }
    }
    early.expect("/hello", "hello").await;
    // The last ones of the crowd are there as well: who has the most gives way for its own, the oldest first.
    let mut last = crowd.pop().expect("a hundred");
    last.expect("/hello", "hello").await;
    assert_eq!(crowd.remove(0).rest().await, "");
}

#[tokio::test]
async fn of_many_in_line_only_those_are_served_to_whom_it_is_of_use() {
    let server = Server::start(Limits { connections: 100, ..Limits::default() }).await;
    // Those who are silent are in nobody's way: they have come to their turn.
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_IN_LINE_MAX * 2 {
        silent.push(server.client_from("127.0.0.2").await);
    }
    until("all have begun", || server.metrics.connections.open.get() == silent.len() as i64).await;
    // On one thread: the server comes to these when the test waits for their answers, and finds them all in line.
    let come = |from: &str, request: &str, hang_up: bool| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.bind(&SocketAddr::new(from.parse().expect("an address"), 0).into()).expect("bind");
        client.connect(&server.address.into()).expect("connect");
        (&client)
            .write_all(format!("{request} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .expect("send");
        if hang_up {
            client.shutdown(std::net::Shutdown::Write).expect("shutdown");
        }
        client.set_nonblocking(true).expect("a setting");
        Client(TcpStream::from_std(client.into()).expect("a client"))
    };
    let (hello, gives, tickets) = ("GET /hello", "POST /echo", "POST /v1/locks/a/tickets");
    let mut gone: Vec<Client> = (0..6).map(|n| come("127.0.0.2", [hello, tickets][n % 2], true)).collect();
    let mut useful =
        vec![come("127.0.0.2", gives, true), come("127.0.0.2", hello, false), come("127.0.0.3", hello, true)];
    let mut last: Vec<Client> = (0..CONNECTIONS_IN_LINE_MAX).map(|_| come("127.0.0.2", hello, true)).collect();
    for client in &mut useful {
        assert!(client.answer().await.0.starts_with("http/1.1 200"));
    }
    for client in &mut gone {
        let read = within(client.0.read(&mut [0; 100])).await;
        assert_eq!(read.expect_err("no answer").kind(), io::ErrorKind::ConnectionReset);
    }
    for client in &mut last {
        assert_eq!(client.answer().await.1, "hello", "few are in line by now");
    }
}

#[tokio::test]
async fn waiting_clients_leave_connections_for_others() {
    let limits = Limits { connections: 16, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for _ in 0..40 {
        let mut client = server.client().await;
        client.get("/wait").await;
        tokio::select! {
            connection = server.seen.recv() => waiting.push((client, connection)),
            (_, body) = client.answer() => {
                assert_eq!(body, "full");
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (9, 31), "three quarters of the three quarters that may be held");
    for _ in 0..40 {
        server.client().await.expect("/hello", "hello").await;
    }
    assert!(waiting.iter().all(|(_, connection)| connection.as_ref().is_some_and(|connection| connection.is_open())));
    server.go.add_permits(9);
    for (mut client, _) in waiting {
        assert_eq!(client.answer().await.1, "waited");
    }
    let (mut again, _) = server.waiting().await;
    server.go.add_permits(1);
    assert_eq!(again.answer().await.1, "waited", "what was held is held no more");
}

#[tokio::test]
async fn who_does_not_take_its_answer_gives_way() {
    let limits = Limits { connections: 2, write_time: PATIENCE * 3, ..Limits::default() };
    let mut server = Server::start(limits).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut one = server.client().await;
        one.get("/large").await;
        slow.push(one);
    }
    server.client().await.expect("/hello", "hello").await;
    assert_eq!(server.receipt().await, Unknown, "a part of its answer was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_disturb_nobody() {
    let open_files = crate::os::raise_open_files().expect("raise");
    assert!(open_files >= 3000, "this test needs 3000 open files, the hard limit is {open_files}");
    let limits = Limits::default().with_open_files(open_files);
    let server = Server::start(limits).await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(server.client().await);
    }
    let mut busy = server.client().await;
    for _ in 0..200 {
        busy.expect("/hello", "hello").await;
    }
    for client in idle.iter_mut().step_by(100) {
        client.expect("/hello", "hello").await;
    }
}

/// A listener whose accepting fails a few times first.
struct Failing {
    errors: Mutex<VecDeque<i32>>,
    listener: Listener,
}

impl Accept for Failing {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let error = self.errors.lock().expect("lock").pop_front();
        match error {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => self.listener.accept().await,
        }
    }
}

#[tokio::test]
async fn errors_of_accepting_neither_end_the_loop_nor_spin_it() {
    let listener = Listener::bind("127.0.0.1", 0).await.expect("bind");
    let address = listener.local_addr();
    let errors = [libc::EMFILE, libc::ECONNABORTED, libc::ENFILE, libc::ENOMEM, libc::EPERM].into();
    let source = Failing { errors: Mutex::new(errors), listener };
    let (_stop, stopped) = watch::channel(false);
    let began = Instant::now();
    let serving = tokio::spawn(serve(source, router().0, Limits::default(), Arc::default(), stopped, None));
    let mut client = Client(within(TcpStream::connect(address)).await.expect("connect"));
    client.expect("/hello", "hello").await;
    assert!(began.elapsed() >= Duration::from_millis(400), "four of the errors need time to go away");
    serving.abort();
}

/// A thread more than what takes long may have, so that it is there for others however much of that there is.
#[test]
fn what_takes_long_has_few_threads_at_a_time() {
    let makers = std::thread::available_parallelism().expect("known").get().div_ceil(2);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(makers + 1).build().expect("a runtime");
    runtime.block_on(async {
        let mut server = Server::start(Limits::default()).await;
        let (_client, connection) = server.waiting().await;
        let reads = Reads::default();
        assert_eq!(
            reads.make(&connection, 1000, || std::thread::current().id()).await,
            Ok(std::thread::current().id())
        );
        let (go, going) = std::sync::mpsc::channel::<()>();
        let going = Arc::new(Mutex::new(going));
        let made = |_| {
            let going = Arc::clone(&going);
            // Until the test lets them go.
            let wait = move || assert!(going.lock().expect("lock").recv().is_err());
            Box::pin(reads.make(&connection, usize::MAX, wait))
        };
        let mut many: Vec<_> = (0..makers + 8).map(made).collect();
        for one in &mut many {
            assert!(poll_fn(|context| Poll::Ready(one.as_mut().poll(context))).await.is_pending());
        }
        within(tokio::task::spawn_blocking(|| ())).await.expect("a thread for others");
        drop(go);
        for one in many {
            within(one).await.expect("made");
        }
    });
}
