//! A lockserver for the tests of its clients: the server itself, with a store in memory, behind a proxy that brings faults
//! exactly where a test wants them.

mod server;
mod wire;

pub use wire::{Message, Reply, Request};

use lock_api::{ErrorCode, Lock, Locks, Problem, Ticket};
use serde::de::DeserializeOwned;
use server::Server;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing: it is done and answered.
    None,
    /// It is not done; this is answered.
    Instead(Reply),
    /// It is done, and the connection is cut instead of an answer.
    LoseAnswer,
    /// It is done, and wherever the answer has the first text it gets the second one.
    Reword(&'static str, String),
}

type Faults = Box<dyn FnMut(&Request) -> Fault + Send>;

/// A server behind its proxy, until it is dropped.
pub struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the threads of the connections share.
struct Shared {
    server: Server,
    faults: Mutex<Faults>,
    requests: Mutex<Vec<Request>>,
}

impl Shared {
    fn answer(&self, request: Request) -> Reply {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let fault = (self.faults.lock().unwrap_or_else(PoisonError::into_inner))(&request);
        if let Fault::Instead(reply) = fault {
            return reply;
        }
        let mut reply = wire::pass(self.server.address, &request);
        match (fault, &mut reply) {
            (Fault::LoseAnswer, _) => return Reply::Cut,
            (Fault::Reword(from, to), Reply::Passed(answer)) => answer.body = answer.body.replace(from, &to),
            _ => {}
        }
        reply
    }
}

impl Faulty {
    /// A server on which names that begin with `a`, `b` or `taken` are locks of size 1, and everybody is an administrator,
    /// without a key or with `secret`, `secret-1` or `secret-2`.
    ///
    /// # Panics
    /// Without a port on loopback.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            server: Server::start(),
            faults: Mutex::new(Box::new(|_| Fault::None)),
            requests: Mutex::new(Vec::new()),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                let writer = stream.try_clone().expect("a second handle of a socket");
                std::thread::spawn(move || wire::serve(stream, writer, |request| shared.answer(request)));
            }
        });
        Self { address, shared }
    }

    /// Serves on this Unix socket too.
    ///
    /// # Panics
    /// If there is something at that path.
    pub fn also_at(&self, path: &Path) {
        let listener = UnixListener::bind(path).expect("a path for a socket");
        let own = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&own);
                let writer = stream.try_clone().expect("a second handle of a socket");
                std::thread::spawn(move || wire::serve(stream, writer, |request| shared.answer(request)));
            }
        });
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on each request is judged by this.
    pub fn faults(&self, faults: impl FnMut(&Request) -> Fault + Send + 'static) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(faults);
    }

    /// From now on nothing is answered, and nothing done.
    pub fn fall_silent(&self) {
        self.faults(|_| Fault::Instead(Reply::Silence));
    }

    /// Everything that was asked, in the order of its arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many tickets hold or wait.
    #[must_use]
    pub fn living(&self) -> u64 {
        self.locks().locks.iter().map(|lock| lock.holding + lock.queued).sum()
    }

    /// All locks as they are now.
    #[must_use]
    pub fn locks(&self) -> Locks {
        self.ask("GET", "/v1/locks", "")
    }

    /// A lock as it is now.
    #[must_use]
    pub fn lock(&self, name: &str) -> Lock {
        self.ask("GET", &format!("/v1/locks/{name}"), "")
    }

    /// Takes a permit of a lock, or a place in its queue, as somebody else. The id releases it.
    ///
    /// # Panics
    /// Without such a lock.
    #[must_use]
    pub fn occupy(&self, lock: &str) -> String {
        let body = r#"{"info": "somebody else", "queue": true}"#;
        let ticket: Ticket = self.ask("POST", &format!("/v1/locks/{lock}/tickets"), body);
        ticket.id.expect("one's own ticket has its id")
    }

    /// Releases what was occupied.
    pub fn vacate(&self, id: &str) {
        let _: serde_json::Value = self.ask("DELETE", &format!("/v1/tickets/{id}"), "");
    }

    /// Ends every ticket of the lock, as an administrator would.
    pub fn revoke_all(&self, lock: &str) {
        let Lock { holders, queue, .. } = self.lock(lock);
        for Ticket { number, .. } in holders.iter().chain(&queue) {
            let _: serde_json::Value = self.ask("DELETE", &format!("/v1/locks/{lock}/tickets/{number}"), "");
        }
    }

    /// The server's answer, past the proxy's faults.
    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: &str) -> T {
        let headers = [("host", "localhost"), ("content-type", "application/json")];
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: body.to_owned(),
            at: Instant::now(),
        };
        let reply = wire::pass(self.shared.server.address, &request);
        let Reply::Passed(answer) = &reply else { panic!("{method} {path}: {reply:?}") };
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer:?}"))
    }

    /// Waits until a request fits.
    ///
    /// # Panics
    /// If none does within 20 s.
    #[must_use]
    pub fn asked(&self, fits: impl Fn(&Request) -> bool) -> Request {
        until("a request that fits", || self.requests().into_iter().find(&fits))
    }
}

/// A refusal as the server words it.
#[must_use]
pub fn refusal(code: ErrorCode) -> Reply {
    Reply::problem(&Problem::new(code, format!("{} on demand", code.as_str())))
}

/// Asks again and again until there is something.
///
/// # Panics
/// After 20 s.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
