//! A server for tests: locks in memory behind the paths of the API, and faults exactly where a test wants them.
//!
//! It knows no leases and no rights. It panics on what no client of this workspace sends.

mod table;
mod wire;

pub use wire::{Reply, Request};

use lock_api::{ErrorCode, Problem};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use table::Table;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing: it is done and answered.
    None,
    /// It is not done; this is answered.
    Instead(Reply),
    /// It is done, and the connection is cut instead of an answer.
    LoseAnswer,
}

type Faults = Box<dyn FnMut(&Request) -> Fault + Send>;

/// A server on a port of its own, until it is dropped.
pub struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the threads of the connections share.
struct Shared {
    table: Table,
    faults: Mutex<Faults>,
    requests: Mutex<Vec<Request>>,
}

impl Shared {
    fn answer(&self, request: Request) -> Reply {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let fault = (self.faults.lock().unwrap_or_else(PoisonError::into_inner))(&request);
        match fault {
            Fault::None => self.table.answer(&request),
            Fault::Instead(reply) => reply,
            Fault::LoseAnswer => {
                self.table.answer(&request);
                Reply::Cut
            }
        }
    }
}

impl Fake {
    /// A server whose locks have size 1 each; names that begin with `no-` do not exist.
    ///
    /// # Panics
    /// Without a port on loopback.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            table: Table::default(),
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
    pub fn living(&self) -> usize {
        self.shared.table.living()
    }

    /// Takes the permit of a lock, as somebody else. The id releases it.
    #[must_use]
    pub fn occupy(&self, lock: &str) -> String {
        self.shared.table.occupy(lock)
    }

    /// Releases what was occupied.
    pub fn vacate(&self, id: &str) {
        self.shared.table.end(id, lock_api::EndedAs::Released);
    }

    /// Ends every ticket of the lock, as an administrator would.
    pub fn revoke_all(&self, lock: &str) {
        self.shared.table.revoke_all(lock);
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
