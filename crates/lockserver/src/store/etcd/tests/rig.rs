//! A real etcd on free ports, somebody between it and the store, and looks at what it holds.

use crate::store::etcd::client::Client;
use crate::store::etcd::failure::Failure;
use crate::store::etcd::record::{COMMIT, Commit};
use crate::store::etcd::wire::{RangeRequest, RangeResponse, RequestOp, TxnRequest, head, read, read_all};
use crate::store::etcd::{EtcdPlace, EtcdStore};
use crate::store::{Store, StoreError};
use lock_core::{Change, Meta};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::LocalSet;

/// Longer than anything takes, however busy the machine is.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// A running etcd of one member, gone with its files when it is dropped.
pub(super) struct Etcd {
    child: Child,
    directory: TempDir,
    arguments: Vec<String>,
    pub(super) at: SocketAddr,
    scheme: &'static str,
}

impl Etcd {
    /// With these flags.
    pub(super) fn start(flags: &[&str]) -> Self {
        Self::start_in(directory(), "http", flags)
    }

    /// In a directory that may hold files that the flags name.
    pub(super) fn start_in(directory: TempDir, scheme: &'static str, flags: &[&str]) -> Self {
        let [at, peers] = free_ports();
        let (clients, peers) = (format!("{scheme}://{at}"), format!("http://{peers}"));
        let (cluster, data) = (format!("default={peers}"), directory.path().join("data").display().to_string());
        let mut arguments = vec!["--listen-client-urls", &clients, "--advertise-client-urls", &clients];
        arguments.extend(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        arguments.extend(["--initial-cluster", &cluster, "--data-dir", &data]);
        arguments.extend(["--logger", "zap", "--log-level", "warn"].iter().chain(flags));
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let mut etcd = Self { child: spawn(&directory, &arguments), directory, arguments, at, scheme };
        etcd.wait();
        etcd
    }

    /// Kills it and starts it again where it was.
    pub(super) fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.directory, &self.arguments);
        self.wait();
    }

    fn wait(&mut self) {
        until("etcd listens", || {
            let log = || std::fs::read_to_string(self.directory.path().join("etcd.log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "etcd ended: {}", log());
            TcpStream::connect(self.at).is_ok()
        });
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(super) fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.at)
    }

    pub(super) fn place(&self) -> EtcdPlace {
        place(&self.endpoint())
    }

    /// A file beside its own.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Stops or continues it (`SIGSTOP`, `SIGCONT`).
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks for what the store has no use for, by etcd's gateway for HTTP and JSON.
    pub(super) fn ask(&self, path: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(self.at).unwrap();
        let length = body.len();
        let head =
            format!("POST /v3/{path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        connection.write_all((head + body).as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer
    }
}

/// Where nothing waits for a disk, if there is such a place: what etcd keeps is gone with the test.
pub(super) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn spawn(directory: &TempDir, arguments: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(directory.path().join("etcd.log")).unwrap();
    // scripts/setup-tests unpacks one where there is none.
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/etcd/usr/bin/etcd");
    let mut command = if unpacked.exists() { Command::new(unpacked) } else { Command::new("etcd") };
    let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    child.unwrap_or_else(|error| {
        panic!("etcd cannot be started ({error}): install the Debian package etcd-server, or put etcd on the PATH")
    })
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Different from one another, for all are open at once.
fn free_ports() -> [SocketAddr; 2] {
    [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()).map(|listener| listener.local_addr().unwrap())
}

/// As it is without settings.
pub(super) fn place(endpoint: &str) -> EtcdPlace {
    EtcdPlace { name: "first".to_owned(), ..EtcdPlace::of(vec![endpoint.to_owned()]) }
}

/// Polls until something is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "never seen: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A loaded store.
pub(super) fn loaded(place: EtcdPlace) -> EtcdStore {
    let mut store = EtcdStore::open(place).unwrap();
    store.load().unwrap();
    store
}

/// The counters at this number, as a commit.
pub(super) fn numbered(number: u64) -> Change {
    Change::Meta(Meta { last_number: number, ..Meta::default() })
}

/// The number that a store has.
pub(super) fn number_of(store: &mut EtcdStore) -> Result<u64, StoreError> {
    store.load().map(|snapshot| snapshot.meta.last_number)
}

/// Looks into etcd, and changes it behind the store's back.
pub(super) struct Look(EtcdPlace);

impl Look {
    pub(super) const fn at(place: EtcdPlace) -> Self {
        Self(place)
    }

    fn ask<T>(&self, ask: impl AsyncFnOnce(Client, tokio::time::Instant) -> Result<T, Failure>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Arc::new(self.0.clone()));
        let until = Instant::now() + LONG;
        LocalSet::new().block_on(&runtime, ask(client, until.into())).unwrap()
    }

    fn read(&self, request: RangeRequest) -> RangeResponse {
        self.ask(async |client, until| client.range(request, until).await)
    }

    /// Keys without the prefix.
    pub(super) fn keys(&self) -> Vec<String> {
        let all = self.read(read_all(self.key(""))).kvs.into_iter();
        all.map(|one| String::from_utf8(one.key[self.0.prefix.len()..].to_vec()).unwrap()).collect()
    }

    pub(super) fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.read(read(self.key(key))).kvs.into_iter().next().map(|one| one.value)
    }

    pub(super) fn commit(&self) -> Commit {
        serde_json::from_slice(&self.value(COMMIT).unwrap()).unwrap()
    }

    /// etcd's revision now.
    pub(super) fn revision(&self) -> i64 {
        head(self.read(read(self.key(COMMIT))).header.as_ref()).0
    }

    /// Does this whatever there is.
    pub(super) fn act(&self, operation: RequestOp) {
        let request = TxnRequest { success: vec![operation], ..TxnRequest::default() };
        self.ask(async |client, until| client.transact(request, until).await);
    }

    pub(super) fn key(&self, key: &str) -> Vec<u8> {
        self.0.key(key)
    }
}

/// Passes bytes on between the store and etcd, or does not.
pub(super) struct Between {
    pub(super) at: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    etcd: SocketAddr,
    /// What etcd answers is thrown away.
    deaf: AtomicBool,
    /// What etcd is asked is kept for later.
    slow: AtomicBool,
    /// Pieces of requests that were read and not yet passed on.
    kept: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    closed: AtomicBool,
}

impl Between {
    pub(super) fn before(etcd: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            etcd,
            deaf: false.into(),
            slow: false.into(),
            kept: 0.into(),
            connections: Vec::new().into(),
            closed: false.into(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::Acquire) {
                    return;
                }
                let far = TcpStream::connect(accepting.etcd).unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let mut connections = accepting.connections.lock().unwrap();
                connections.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (accepting.clone(), accepting.clone());
                thread::spawn(move || there.pass(near_too, far_too, false));
                thread::spawn(move || back.pass(far, near, true));
            }
        });
        Self { at, shared }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    /// From now on requests go through, and no answer comes back.
    pub(super) fn keep_answers(&self, keep: bool) {
        self.shared.deaf.store(keep, Ordering::Release);
    }

    /// From now on requests are kept, and go through when that ends, even of connections that have ended.
    pub(super) fn keep_requests(&self, keep: bool) {
        self.shared.slow.store(keep, Ordering::Release);
    }

    /// Waits until nothing is kept any more.
    pub(super) fn until_all_went_through(&self) {
        until("what was kept has gone through", || self.shared.kept.load(Ordering::Acquire) == 0);
    }

    /// Ends all connections.
    pub(super) fn cut(&self) {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !is_answer {
                self.kept.fetch_add(1, Ordering::AcqRel);
                while self.slow.load(Ordering::Acquire) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            let thrown_away = is_answer && self.deaf.load(Ordering::Acquire);
            let written = thrown_away || to.write_all(&bytes[..count]).is_ok();
            if !is_answer {
                self.kept.fetch_sub(1, Ordering::AcqRel);
            }
            if !written {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.keep_requests(false);
        self.shared.closed.store(true, Ordering::Release);
        self.cut();
        let _ = TcpStream::connect(self.at);
    }
}
